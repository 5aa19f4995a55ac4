from collections import Counter

import pytest

from jobs.engine.engine import EngineSettings, Failure, open_engine
from schemas.drops import StepError

INLINE = EngineSettings(engine="inline", max_attempts=3)


def test_a_partition_is_tried_again_when_its_storage_fails() -> None:
    tries: Counter[int] = Counter()

    def work(partition: int) -> str:
        tries[partition] += 1
        if partition == 1 and tries[1] < 3:
            raise ConnectionResetError("store lost")
        return f"done {partition}"

    with open_engine(INLINE) as engine:
        assert list(engine.run("phase", work, [0, 1, 2])) == ["done 0", "done 1", "done 2"]
    assert tries == {0: 1, 1: 3, 2: 1}


def test_a_partition_that_always_fails_is_named_and_the_others_are_done() -> None:
    def work(partition: int) -> int:
        if partition == 1:
            raise OSError("disk full")
        return partition

    with open_engine(INLINE) as engine:
        assert list(engine.run("phase", work, [0, 1, 2])) == [0, Failure(1, "OSError: disk full"), 2]


def test_a_bug_stops_the_run_at_once_naming_phase_and_partition() -> None:
    tried = []

    def work(partition: int) -> int:
        tried.append(partition)
        return partition.nothing  # type: ignore[attr-defined]

    with open_engine(INLINE) as engine, pytest.raises(StepError, match="phase, partition 0: AttributeError"):
        list(engine.run("phase", work, [0, 1]))
    assert tried == [0]
