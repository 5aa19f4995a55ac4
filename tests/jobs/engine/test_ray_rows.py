"""Rows made by actors of Ray: those of threads, bit for bit, whoever dies."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.engine.ray_rows import RayWorkers, RowActor, join_cluster
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.loader import Loader
from model.data.packing import PackingSettings
from model.data.rows import LoaderError
from model.data.workers import Job, Turn
from schemas.settings import SettingsError
from tests.model.makers import page, pair, some_tokens, write_dataset
from tests.model.test_loader import Step, damaged, same

pytestmark = pytest.mark.shares_ray


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_dataset(folder / "pages", [page(n) for n in range(41)])
    write_dataset(folder / "pairs", [pair(n) for n in range(67)], per_shard=30)
    return folder


def config(shards: Path, workers_are: Any, workers: int, **changes: Any) -> LoaderConfig:
    pages = DatasetSettings("pages", str(shards / "pages"), batch_rows=2)
    pairs = DatasetSettings("pairs", str(shards / "pairs"), "pairs", weight=0.2, batch_rows=1)
    base = LoaderConfig(
        datasets=(pages, pairs),
        order=OrderSettings(lanes=4, shuffle_block=8),
        packing=PackingSettings(open_rows=3),
        images=ImageSettings(size_px=16),
        read=ReadSettings(workers=workers, workers_are=workers_are, prefetch_rows=6),
    )
    return msgspec.structs.replace(base, **changes)


def loader(config: LoaderConfig, **options: Any) -> Loader:
    return Loader(config, some_tokens(), make_workers=RayWorkers, **options)


Made = list[tuple[Step, dict[str, Any]]]


def made(loader: Loader, count: int, between: Callable[[Loader, int], None] = lambda loader, step: None) -> Made:
    """Steps, each with the state after it."""
    found: Made = []
    with loader:
        for step in loader:
            found.append((step, loader.state_dict()))
            if len(found) == count:
                break
            between(loader, len(found))
    return found


def equal(left: Made, right: Made) -> bool:
    pairs = list(zip(left, right, strict=True))
    return all(same(a, b) for (a, _), (b, _) in pairs) and all(a == b for (_, a), (_, b) in pairs)


def test_batches_and_states_are_those_of_threads_and_each_goes_on_after_the_other(shards: Path) -> None:
    expected = made(loader(config(shards, "threads", 1)), 9)
    for workers in (1, 2):
        assert equal(made(loader(config(shards, "ray", workers)), 5), expected[:5])
    for before, after in (("ray", "threads"), ("threads", "ray")):
        again = loader(config(shards, after, 2))
        again.load_state_dict(made(loader(config(shards, before, 1)), 5)[-1][1])
        assert equal(made(again, 4), expected[5:])


def _kill(loader: Loader, step: int) -> None:
    """Now one worker, now the other, as a machine that runs out of memory does."""
    import ray

    workers: Any = loader._workers
    if step % 3 == 1:
        actor = workers._workers[step % 2]._actor
        os.kill(ray.get(actor.__ray_call__.remote(lambda self: os.getpid())), signal.SIGKILL)


def test_a_worker_that_dies_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Neither rows nor states nor what is dropped and counted, to the end of an epoch, with lanes that end before."""
    write_dataset(tmp_path / "pages", [page(n, words=20) for n in range(41)])
    damaged(tmp_path)
    only = (DatasetSettings("pages", str(tmp_path / "pages"), batch_rows=2),)
    order = OrderSettings(lanes=4, shuffle_block=8, epochs=1)
    reports, steps = [], []
    for workers_are, between in (("threads", lambda loader, step: None), ("ray", _kill)):
        one = loader(config(tmp_path, workers_are, 2, datasets=only, order=order))
        steps.append(made(one, 1000, between))
        reports.append(one.report())
    assert equal(*steps)
    assert len(steps[0]) > 4
    assert reports[0] == reports[1]
    assert reports[0].counts.drops == {"sample": {"broken_image": 1, "broken_sample": 9}}


class Deadly(RowActor):
    def next(self, count: int) -> list[Turn | LoaderError]:
        os._exit(9)


class Counting(RowActor):
    """Says in a file how many turns it was asked for."""

    def __init__(self, job: Job, number: int) -> None:
        super().__init__(job, number)
        self._file, self._count = Path(job.config.tokenizer), 0

    def next(self, count: int) -> list[Turn | LoaderError]:
        self._count += count
        written = self._file.with_suffix(".new")
        written.write_text(str(self._count))
        written.rename(self._file)  # whole, whenever it is read
        return super().next(count)


def test_actors_that_die_before_any_row_end_the_run_in_one_line(shards: Path) -> None:
    dying = Loader(config(shards, "ray", 1), some_tokens(), make_workers=lambda job: RayWorkers(job, Deadly))
    with dying, pytest.raises(LoaderError, match="worker 0 on Ray died 3 times before its next row"):
        next(iter(dying))


def test_what_an_actor_cannot_read_is_told_as_by_a_thread(tmp_path: Path) -> None:
    samples = [(key, [(name, b"no image") for name, _ in members]) for key, members in map(page, range(30))]
    write_dataset(tmp_path / "pages", samples)
    only = (DatasetSettings("pages", str(tmp_path / "pages")),)
    read = ReadSettings(workers=1, workers_are="ray", max_failures_in_a_row=5)
    broken = loader(config(tmp_path, "ray", 1, datasets=only, read=read))
    with broken, pytest.raises(LoaderError, match=r"5 samples in a row dropped, last .*\.tar#\d+: broken_sample"):
        next(iter(broken))


def test_rows_in_flight_are_bounded_and_the_store_lets_go_of_those_that_are_in_a_batch(
    shards: Path, tmp_path: Path
) -> None:
    """Rows of megabytes: a reference that were kept to each would hold 200 MB."""
    from jobs.engine.on_ray import ray

    def held() -> float:
        whole, free = (r.get("object_store_memory", 0.0) for r in (ray.cluster_resources(), ray.available_resources()))
        return float(whole - free)

    only = (DatasetSettings("pairs", str(shards / "pairs"), "pairs", batch_rows=1),)
    large = config(shards, "ray", 1, datasets=only, images=ImageSettings(size_px=320), tokenizer=str(tmp_path / "n"))
    bounded = Loader(large, some_tokens(), make_workers=lambda job: RayWorkers(job, Counting))
    frames = 0
    with bounded:
        for number, step in enumerate(bounded, 1):
            frames += step["pairs"].frames_FCHW.nbytes
            if number == 4:
                time.sleep(1)  # the loader is a step ahead or two, its worker as far as it may be
                assert int((tmp_path / "n").read_text()) <= number + 3 + 6
            if frames > 200e6:
                break
        end = time.monotonic() + 20
        while held() > 60e6 and time.monotonic() < end:
            time.sleep(0.1)
        assert held() < 60e6


def test_where_no_ray_is_one_line_says_so(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.engine.ray_rows.ray.is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(
        SettingsError, match=r"this machine is in no Ray cluster \(no Ray answers at 127.0.0.1:1"
    ) as told:
        join_cluster()
    assert "\n" not in str(told.value)
    with pytest.raises(SettingsError, match=r"workers_are is ray: weft\.Loader and weft train"):
        Loader(config(shards, "ray", 1), some_tokens())
