import errno
import io
import os
import pickle
import threading
from pathlib import Path
from typing import IO

import pytest

from jobs.command_errors import told
from schemas.storage import BadAddress, Store, new_attempt, sync


def test_what_was_put_is_read_back(store: Store) -> None:
    store.put("a/b/c.json", b"one")
    assert store.read("a/b/c.json") == b"one"
    assert store.exists("a/b/c.json")
    assert store.size("a/b/c.json") == 3


@pytest.mark.parametrize("address", ["memory://out[1]", "memory://o*t", "memory://out?"])
def test_an_address_that_clients_take_for_a_pattern_is_refused_before_anything_is_written(address: str) -> None:
    """A build failed there when its first file was to get its name."""
    for write in (Store(address).put, Store(address).put_if_absent):
        with pytest.raises(BadAddress, match="nothing can be written to a store where"):
            write("a", b"x")
    assert told(BadAddress("said"), "build") == ("said", 2)


def test_put_replaces_and_leaves_nothing_else(store: Store) -> None:
    store.put("a/c.json", b"one")
    store.put("a/c.json", b"two!")
    assert store.read("a/c.json") == b"two!"
    assert store.list("a") == ["c.json"]


def test_put_that_fails_leaves_nothing(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("lost")

    monkeypatch.setattr(Store, "move", fails)
    with pytest.raises(OSError, match="lost"):
        folder.put("a/c.json", b"one")
    assert folder.list("a") == []


def test_put_never_shows_a_part(folder: Store) -> None:
    """The old file's open handle still gives the old bytes: the name was moved, the bytes not overwritten."""
    folder.put("c.json", b"one")
    with folder.open("c.json") as old:
        folder.put("c.json", b"two")
        assert old.read() == b"one"


def test_put_if_absent_is_won_once(store: Store) -> None:
    assert store.put_if_absent("work/0.json", b"first") is True
    assert store.put_if_absent("work/0.json", b"second") is False
    assert store.read("work/0.json") == b"first"
    assert store.list("work") == ["0.json"]


def test_put_if_absent_does_not_replace_what_put_wrote(store: Store) -> None:
    store.put("0.json", b"first")
    assert store.put_if_absent("0.json", b"second") is False
    assert store.read("0.json") == b"first"


def test_of_threads_that_race_exactly_one_wins(folder: Store) -> None:
    for round_ in range(50):
        name, barrier, won = f"work/{round_}.json", threading.Barrier(2), []

        def put(data: bytes, name: str = name, barrier: threading.Barrier = barrier, won: list[bytes] = won) -> None:
            barrier.wait()
            if folder.put_if_absent(name, data):
                won.append(data)

        threads = [threading.Thread(target=put, args=(data,)) for data in (b"left", b"right")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [folder.read(name)] == won
    assert len(folder.list("work")) == 50, "nothing is left aside"


def test_a_half_written_mark_never_has_its_name(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is complete and synced before it gets its name: a full disk leaves no mark at all."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.put_if_absent("work/0.json", b"first")
    monkeypatch.undo()
    assert folder.list("work") == []
    assert folder.put_if_absent("work/0.json", b"second") is True


def test_move_gives_the_final_name_and_makes_its_folder(store: Store) -> None:
    store.put("aside/.x.tmp", b"data")
    store.move("aside/.x.tmp", "shards/deep/x.tar")
    assert store.read("shards/deep/x.tar") == b"data"
    assert store.list("aside") == []


def test_move_replaces(store: Store) -> None:
    store.put("new", b"new")
    store.put("old", b"old")
    store.move("new", "old")
    assert store.read("old") == b"new"
    assert not store.exists("new")


def test_moving_what_is_not_there_is_file_not_found(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.move("missing", "target")


def test_a_missing_folder_lists_as_empty(store: Store) -> None:
    assert store.list("nowhere") == []
    assert store.list("") == []


def test_a_folder_lists_names_sorted_and_nothing_deeper(store: Store) -> None:
    for name in ("f/b", "f/a", "f/deep/c", "g"):
        store.put(name, b"")
    assert store.list("f") == ["a", "b", "deep"]
    assert store.list("") == ["f", "g"]


def test_a_listing_shows_what_was_just_written(store: Store) -> None:
    assert store.list("f") == []
    store.put("f/a", b"")
    assert store.list("f") == ["a"]


def test_removing_what_is_not_there_is_no_error(store: Store) -> None:
    store.put("a", b"")
    store.remove("a")
    store.remove("a")
    store.remove("no/folder/either")
    assert not store.exists("a")


def test_opening_what_is_not_there_is_file_not_found(store: Store) -> None:
    for read in (store.open, store.read, store.size):
        with pytest.raises(FileNotFoundError):
            read("missing")


def test_an_open_file_seeks(store: Store) -> None:
    store.put("a", b"0123456789")
    with store.open("a") as file:
        file.seek(4)
        assert file.read(3) == b"456"


def test_create_makes_folders(store: Store) -> None:
    with store.create("x/y/z") as file:
        file.write(b"data")
    assert store.read("x/y/z") == b"data"


def test_a_store_survives_pickling(store: Store) -> None:
    store.put("a", b"data")
    assert pickle.loads(pickle.dumps(store)).read("a") == b"data"


def test_a_store_is_named_by_path_or_file_url(tmp_path: Path) -> None:
    Store(str(tmp_path / "s")).put("a", b"data")
    assert Store((tmp_path / "s").as_uri()).read("a") == b"data"
    assert Store(str(tmp_path / "s") + "/").read("a") == b"data"
    assert Store((tmp_path / "s").as_uri()).is_local


def test_attempts_have_names_of_their_own() -> None:
    assert len({new_attempt() for _ in range(1000)}) == 1000


def test_sync_passes_over_what_has_no_disk_below_it() -> None:
    sync(io.BytesIO())


def test_sync_reports_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with (tmp_path / "f").open("wb") as file, pytest.raises(OSError, match="Input/output"):
        sync(file)


def test_a_full_disk_is_told_by_the_store_that_lies_on_it(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: IO[bytes]) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("schemas.storage.sync", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        folder.put("a/b", b"x")
    assert told(error.value, "build") == (f"[Errno 28] No space left on device: {folder.url!r}", 1)


def test_errors_of_a_stores_own_client_are_os_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    class ClientError(Exception):
        pass

    def fail(*_: object, **__: object) -> None:
        raise ClientError("connection closed")

    store = Store("memory://lost")
    monkeypatch.setattr(type(store.fs), "exists", fail)
    with pytest.raises(OSError, match="memory://lost: ClientError: connection closed"):
        store.exists("a")


def test_parts_of_files_and_several_files_are_read(store: Store) -> None:
    for number in range(3):
        store.put(f"folder/{number}", bytes([number]) * 1000)
    store.put("folder/long", bytes(range(256)) * 4)
    assert store.read_range("folder/long", 250, 10) == bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3])
    assert store.read_range("folder/long", 1020, 100) == bytes([252, 253, 254, 255])
    for count in (0, 1, 3):
        assert store.read_all([f"folder/{number}" for number in range(count)]) == [
            bytes([number]) * 1000 for number in range(count)
        ]
