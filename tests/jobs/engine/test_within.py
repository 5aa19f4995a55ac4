"""How far tasks are is heard while they work, in this process and from Ray's workers."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from jobs.engine import ray_heard, within
from jobs.engine.engine import Engine, EngineSettings, open_engine
from jobs.engine.within import tell, told_to


def half(marker: str, partition: int) -> int:
    """Tells that half of it is done, until that was heard."""
    deadline = time.monotonic() + 60
    while not Path(marker).exists() and time.monotonic() < deadline:
        tell(0.5)
        time.sleep(0.1)
    return partition


def test_not_every_item_is_told_and_nothing_outside_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("jobs.engine.within.time.monotonic", lambda: now[0])
    heard: list[float] = []
    tell(0.1)
    with told_to(heard.append):
        for share in (0.1, 0.2, 0.3, 7.0):
            tell(share)
            now[0] += 0.6
    tell(0.9)
    assert heard == [0.3]


def test_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within, "_TELL_EVERY_S", 0.0)
    heard: list[tuple[int, float]] = []

    def work(partition: int) -> int:
        tell(0.25)
        return partition

    with open_engine(EngineSettings(engine="inline")) as engine:
        done = list(engine.run("work", work, [3, 4], watch=lambda partition, share: heard.append((partition, share))))
    assert (done, heard) == ([3, 4], [(3, 0.25), (4, 0.25)])


@pytest.fixture
def on_ray() -> Iterator[Engine]:
    with open_engine(EngineSettings(workers=2, object_store_bytes=80 << 20)) as engine:
        yield engine


@pytest.mark.shares_ray
def test_from_workers_of_ray(on_ray: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_heard, "_LASTS_S", 0.0)
    monkeypatch.setattr(ray_heard, "_ASK_EVERY_S", 0.1)
    heard: dict[int, float] = {}
    marker = tmp_path / "heard"

    def hear(partition: int, share: float) -> None:
        heard[partition] = share
        marker.touch()

    done = list(on_ray.run("half", partial(half, str(marker)), [0, 1], watch=hear))
    assert set(done) == {0, 1}
    assert heard
    assert set(heard.values()) == {0.5}
