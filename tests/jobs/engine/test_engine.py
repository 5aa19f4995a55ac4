"""What every engine promises, on both of them."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from jobs.engine.engine import Engine, EngineSettings, Failure, open_engine
from model.scorers import BadModel
from schemas.drops import StepError
from tests.jobs.engine import things

INLINE = EngineSettings(engine="inline", max_attempts=3)
RAY = EngineSettings(workers=2, object_store_bytes=80 << 20)
pytestmark = pytest.mark.shares_ray


@pytest.fixture(scope="module", params=[INLINE, RAY], ids=lambda settings: settings.engine)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with open_engine(request.param) as engine:
        yield engine


def test_a_partition_is_tried_again_when_its_storage_fails(engine: Engine, tmp_path: Path) -> None:
    def work(partition: int) -> str:
        with (tmp_path / str(partition)).open("a") as tries:
            tries.write(".")
        if partition == 1 and (tmp_path / "1").stat().st_size < 3:
            raise ConnectionResetError("store lost")
        return f"done {partition}"

    assert sorted(map(str, engine.run("phase", work, [0, 1, 2]))) == ["done 0", "done 1", "done 2"]
    assert [(tmp_path / name).stat().st_size for name in "012"] == [1, 3, 1]


def test_a_partition_that_always_fails_is_named_and_the_others_are_done(engine: Engine) -> None:
    def work(partition: int) -> int:
        if partition == 1:
            raise OSError("disk full")
        return partition

    outcomes = list(engine.run("phase", work, [0, 1, 2]))
    assert Counter(outcomes) == Counter([0, Failure(1, "OSError: disk full"), 2])


def test_a_bug_stops_the_run_at_once_naming_phase_and_partition(engine: Engine, tmp_path: Path) -> None:
    def work(partition: int) -> int:
        (tmp_path / str(partition)).touch(exist_ok=False)
        return partition.nothing  # type: ignore[attr-defined]

    with pytest.raises(StepError, match="phase, partition 0: AttributeError"):
        list(engine.run("phase", work, [0]))


def test_tasks_share_what_a_pool_holds(engine: Engine, tmp_path: Path) -> None:
    """As many actors as CPUs: they leave room for the tasks that wait for them."""
    (tmp_path / "model").write_text("10")
    with engine.pool(things.Model, (str(tmp_path / "model"),), size=2) as models:
        done = sorted(map(list, engine.run("score", partial(things.ask_twice, models), range(6))))
    assert done == [[10 * number, 10 * number + 1] for number in range(6)]


def test_a_pool_that_is_made_again_looks_at_its_file_again(engine: Engine, tmp_path: Path) -> None:
    for factor in (2, 3):
        (tmp_path / "model").write_text(str(factor))
        with engine.pool(things.Model, (str(tmp_path / "model"),), size=1) as (model,):
            assert model.multiply([5]) == [5 * factor]


def test_what_keeps_a_pool_from_starting_is_told_as_it_is_before_any_work(engine: Engine) -> None:
    with pytest.raises(BadModel, match=r"^no model at /nowhere$"), engine.pool(things.Model, ("/nowhere",), size=2):
        raise AssertionError("work has begun")


def test_what_a_pool_raises_reaches_the_task_as_it_is(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("1")
    with engine.pool(things.Model, (str(tmp_path / "model"),), size=1) as models:
        outcomes = list(engine.run("score", partial(things.ask_twice, models), [13]))
        assert outcomes == [Failure(13, "LookupError: 13")]
        assert models[0].multiply([4]) == [4]


def test_a_worker_is_asked_alike_wherever_it_is(engine: Engine) -> None:
    async def work() -> list[int]:
        workers = [engine.start_worker(things.Counter, (start,), of=2) for start in (0, 10)]
        sums = [await worker.add(2) for worker in workers]
        with pytest.raises(OSError, match=r"^below zero$"):
            await workers[0].add(-3)
        return [*sums, await workers[0].add(-1)]

    assert asyncio.run(work()) == [2, 12, 1]


def test_inline_is_this_process() -> None:
    with open_engine(INLINE) as engine, engine.pool(things.process, (), size=4) as members:
        assert [member() for member in members] == [os.getpid()]
