"""What is asked for before its turn: shards that go through the cache, and how much of all."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest

from model.data.cache import Cache
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.fetching_ahead import FetchingAhead
from model.data.images import ImageSettings
from model.data.lanes import Lane, LaneState, Readers
from model.data.listing import list_shards
from model.data.loader import Loader
from schemas.storage import Store
from tests.model.makers import page, some_tokens, write_dataset
from tests.model.test_loader import same, steps


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[str]:
    write_dataset(tmp_path / "pages", [page(n) for n in range(41)], per_shard=4)
    root = f"memory://{uuid.uuid4().hex}"
    fs, path = fsspec.core.url_to_fs(root)
    fs.put(f"{tmp_path / 'pages'}/", path, recursive=True)
    yield root
    fs.rm(path, recursive=True)


def config(url: str, **read: Any) -> LoaderConfig:
    return LoaderConfig(
        datasets=(DatasetSettings("pages", url, batch_rows=1),),
        order=OrderSettings(lanes=2, shuffle_block=5, epochs=1),
        images=ImageSettings(size_px=16),
        read=ReadSettings(workers=1, **read),
    )


def test_shards_go_through_the_cache_each_fetched_once(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    original = Cache._fetch

    def noted(cache: Cache, store: Store, name: str, place: Path) -> None:
        fetched.append(name)
        original(cache, store, name, place)

    monkeypatch.setattr(Cache, "_fetch", noted)
    found = steps(Loader(config(remote, cache=str(tmp_path / "cache")), some_tokens()))
    expected = steps(Loader(config(str(tmp_path / "pages")), some_tokens()))
    assert len(found) == len(expected)
    assert all(map(same, found, expected))
    assert set(Counter(fetched).values()) == {1}
    assert len(fetched) == 11


def test_once_a_lane_runs_no_shard_is_fetched_in_its_turn(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    original = Cache._fetch

    def noted(cache: Cache, store: Store, name: str, place: Path) -> None:
        fetched.append(threading.current_thread().name)
        original(cache, store, name, place)

    asked = FetchingAhead.ask

    def done_at_once(ahead: FetchingAhead, store: Store, name: str) -> bool:
        """Training takes longer than fetching."""
        taken = asked(ahead, store, name)
        for fetch in ahead._asked.values():
            fetch.result()
        return taken

    monkeypatch.setattr(Cache, "_fetch", noted)
    monkeypatch.setattr(FetchingAhead, "ask", done_at_once)
    given, files = config(remote, cache=str(tmp_path / "cache")), list_shards(remote)
    readers = Readers(given, [files])
    for output in Lane(given, some_tokens(), 0, files, 1, LaneState(), readers.of_dataset[0]).rows():
        if output.row is None:
            break
    readers.close()
    in_their_turn = [thread for thread in fetched if not thread.startswith("weft-fetch")]
    assert len(in_their_turn) <= 1 < 5 < len(fetched)


class Noted(Cache):
    """Has nothing; fetching gives ten bytes when it may."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder, 1000)
        self.begun: list[str] = []
        self.may = threading.Event()

    def has(self, store: Store, name: str) -> bool:
        return False

    def fetch(self, store: Store, name: str) -> int:
        self.begun.append(name)
        assert self.may.wait(20)
        if name == "bad":
            raise OSError("reset")
        return 10

    def open(self, store: Store, name: str) -> int:
        return len(name)


def test_no_more_is_fetched_ahead_than_may_wait(tmp_path: Path) -> None:
    cache, store = Noted(str(tmp_path)), Store(str(tmp_path))
    ahead = FetchingAhead(cache, max_bytes=15)
    assert [ahead.ask(store, name) for name in ("a", "b", "c")] == [True, True, False]  # two on their way
    cache.may.set()
    _done(ahead)
    assert not ahead.ask(store, "c")  # twenty bytes wait
    assert ahead.open(store, "a") == 1
    assert ahead.ask(store, "c")
    assert ahead.ask(store, "c")  # on its way already
    _done(ahead)
    ahead.open(store, "b")
    ahead.open(store, "c")
    assert ahead.ask(store, "bad")
    _done(ahead)
    assert ahead.open(store, "bad") == 3  # what has failed is tried in its turn
    ahead.close()
    assert cache.begun == ["a", "b", "c", "bad"]


def _done(ahead: FetchingAhead) -> None:
    for fetch in ahead._asked.values():
        fetch.exception()


def test_what_a_worker_asks_for_is_bounded_over_all_its_datasets(remote: str) -> None:
    given = config(remote, ahead_max_bytes=100_000)
    files = list_shards(remote)
    readers = Readers(msgspec.structs.replace(given, datasets=given.datasets * 3), [files] * 3)
    asked = sum(
        reader._span(shard, sample)[1] - reader._span(shard, sample)[0]
        for reader in readers.of_dataset
        for shard in range(10)
        for sample in range(4)
        if reader.ask(shard, sample, waits=True)
    )
    assert 50_000 < asked <= 100_000
    for reader in readers.of_dataset:  # asked for or not, each gets what is its own
        assert reader.members(3, 1)[0] == f"{13:012d}"
    readers.close()
