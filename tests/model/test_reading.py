import http.server
import json
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import webdataset

from model.data.cache import Cache
from model.data.listing import list_shards
from model.data.offsets import split_field
from model.data.reading import Reader, retried
from schemas.commits import Attempt
from schemas.drops import Counts, Drop
from schemas.settings import SettingsError
from schemas.shards import ShardInfo, ShardMark, ShardSettings, ShardWriter
from schemas.storage import Store
from tests.model.makers import Members, page, pair, write_dataset, write_foreign_tar, write_tar

SAMPLES = [page(n) for n in range(9)]


def fields(members: Members) -> dict[str, bytes]:
    return {split_field(name)[1]: data for name, data in members}


def everything(url: str | list[str], cache: Cache | None = None) -> dict[str, dict[str, bytes]]:
    files = list_shards(url, cache)
    reader = Reader(files, cache, tries=1)
    found = dict(reader.members(shard, n) for shard, file in enumerate(files) for n in range(file.samples))
    reader.close()
    return found


EXPECTED = {key: fields(members) for key, members in SAMPLES}


@pytest.mark.parametrize("index", [True, False])
def test_samples_are_read_as_webdataset_reads_them(tmp_path: Path, index: bool) -> None:
    tar = write_tar(tmp_path / "a.tar", SAMPLES, index)
    read = webdataset.WebDataset(str(tar), shardshuffle=False)
    theirs = {sample["__key__"]: {k: v for k, v in sample.items() if k[0] != "_"} for sample in read}
    assert everything(str(tar)) == theirs == EXPECTED


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_any_dialect_with_long_names_and_folders(tmp_path: Path, format: int) -> None:
    folder = "f" * 90
    samples = [(f"{folder}/{key}", [(f"{folder}/{name}", data) for name, data in members]) for key, members in SAMPLES]
    tar = write_foreign_tar(tmp_path / "a.tar", samples, format)
    assert everything(str(tar)) == {f"{folder}/{key}": found for key, found in EXPECTED.items()}


def _counted(url: str) -> tuple[set[str], list[str]]:
    """Keys of what is whole, and the reasons of what is not."""
    files = list_shards(url)
    reader = Reader(files, tries=1)
    keys, reasons = set(), []
    for shard, file in enumerate(files):
        for n in range(file.samples):
            try:
                keys.add(reader.members(shard, n)[0])
            except Drop as drop:
                reasons.append(drop.reason)
    reader.close()
    return keys, reasons


def test_a_tar_without_index_that_is_damaged_within_loses_what_is_damaged_and_says_so(tmp_path: Path) -> None:
    for number, (key, members) in enumerate(SAMPLES[1:], 1):
        for name, _ in members:
            tar = write_tar(tmp_path / f"{number}-{name}.tar", SAMPLES, index=False)
            data = bytearray(tar.read_bytes())
            at = data.index(name.encode() + b"\0")
            data[at : at + 4] = b"\xff\xff\xff\xff"
            tar.write_bytes(data)
            keys, reasons = _counted(str(tar))
            assert set(EXPECTED) - {key} <= keys
            assert reasons == ["broken_sample"]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "damaged",
    [
        lambda data: b"",
        lambda data: data[:13],
        lambda data: data[:-8],
        lambda data: data[:-8] + b"\xff" * 8,
        lambda data: data[:-8] + (10**12).to_bytes(8, "little"),
        lambda data: bytes(8) + (10**7).to_bytes(8, "little"),
        lambda data: np.frombuffer(data, "<u8")[::-1].tobytes(),
    ],
)
def test_a_damaged_index_is_as_none(tmp_path: Path, damaged: Callable[[bytes], bytes], named: bool) -> None:
    tar = write_tar(tmp_path / "a.tar", SAMPLES)
    index = tmp_path / "a.tar.idx"
    index.write_bytes(damaged(index.read_bytes()))
    if named:
        (tmp_path / "sizes.json").write_text(json.dumps({tar.name: len(SAMPLES)}))
    assert everything(str(tmp_path)) == EXPECTED


def test_of_many_tars_one_whose_index_is_cut_at_a_whole_number_is_counted_by_its_headers(tmp_path: Path) -> None:
    for number in range(20):
        write_tar(tmp_path / f"{number:02d}.tar", [(f"{number}-{key}", members) for key, members in SAMPLES])
    index = tmp_path / "07.tar.idx"
    index.write_bytes(index.read_bytes()[:-8])
    assert [file.samples for file in list_shards(str(tmp_path))] == [len(SAMPLES)] * 20


def test_a_tar_without_index_is_opened_once_and_many_at_a_time(tmp_path: Path, bucket: str, monkeypatch: Any) -> None:
    """And what stands between headers that are far apart is not read."""
    big = [(f"{n}", [(f"{n}.mp4", bytes([n]) * 3_000_000), (f"{n}.txt", b"x")]) for n in range(3)]
    for number in range(4):
        write_tar(tmp_path / "in" / f"{number}.tar", big, index=False)
    put(tmp_path / "in", bucket)
    opened, together = [], threading.Barrier(4, timeout=20)
    original = fsspec.get_filesystem_class("memory").open

    def watched(fs: Any, path: str, *args: Any, **options: Any) -> Any:
        if path.endswith(".tar"):
            opened.append(path)
            together.wait()
            assert options["block_size"] < 1_000_000
        return original(fs, path, *args, **options)

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "open", watched)
    files = list_shards(bucket)
    assert [file.samples for file in files] == [3] * 4
    reader = Reader(files, tries=1)
    assert reader.members(2, 1)[1]["mp4"] == big[1][1][0][1]
    assert len(opened) == 4


def test_a_tar_without_index_that_breaks_off_gives_its_whole_samples(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", SAMPLES, index=False)
    data = tar.read_bytes()
    last = data.index(f"{SAMPLES[-1][0]}.3.jpg".encode()) + 900
    tar.write_bytes(data[:last])
    assert _counted(str(tar)) == ({key for key, _ in SAMPLES[:-1]}, ["broken_sample"])


def test_a_folder_a_pattern_braces_and_a_list_name_the_same_shards(tmp_path: Path) -> None:
    write_dataset(tmp_path, SAMPLES, per_shard=2)
    folder = str(tmp_path / "shards")
    forms: list[Any] = [
        str(tmp_path),
        folder,
        f"{folder}/*.tar",
        f"{folder}/{{000000..000004}}-000.tar",
        [f"{folder}/00000{n}-000.tar" for n in range(5)],
    ]
    for form in forms:
        assert [(file.path, file.samples) for file in list_shards(form)] == [
            (f"{folder}/00000{n}-000.tar", 2 if n < 4 else 1) for n in range(5)
        ]


def test_of_an_unfinished_build_only_what_is_committed_is_read(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for partition in (0, 1):
        shards: list[ShardInfo] = []
        with Attempt(store, "assemble", partition) as attempt:
            writer = ShardWriter(attempt, "pairs/shards", partition, {}, ShardSettings(), shards.append)
            for key, members in map(pair, range(3)):
                writer.add(key, members, {})
            writer.close()
            mark = ShardMark(shards[0], partition, {}, "", "")
            if partition == 0:
                attempt.create(f"pairs/commit/{shards[0].name}.json").write(json.dumps(_plain(mark)).encode())
            attempt.commit(Counts(), shards)
    write_tar(tmp_path / "pairs" / "shards" / "000002-000.tar", [pair(9)])
    assert [file.name for file in list_shards(str(tmp_path / "pairs"))] == ["shards/000000-000.tar"]


def _plain(mark: ShardMark) -> Any:
    import msgspec

    return msgspec.to_builtins(mark)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no shards in"):
        list_shards(str(tmp_path))
    with pytest.raises(SettingsError, match="no shard matches"):
        list_shards(str(tmp_path / "*.tar"))


@pytest.mark.parametrize(
    "text", ["not json", "[1]", '{"a.tar": null}', '{"a.tar": "9"}', '{"a.tar": -1}', '{"a.tar": {"n": 9}}', "\xff"]
)
@pytest.mark.parametrize("form", ["", "*.tar"])
def test_a_file_of_sizes_that_is_none_is_named(tmp_path: Path, text: str, form: str) -> None:
    write_tar(tmp_path / "a.tar", SAMPLES)
    (tmp_path / "sizes.json").write_text(text, "latin-1")
    with pytest.raises(SettingsError, match=r"sizes\.json is no mapping of tars to their numbers of samples") as said:
        list_shards(str(tmp_path / form))
    assert "\n" not in str(said.value)


@pytest.fixture
def bucket() -> Iterator[str]:
    """A store on no disk, as object stores are."""
    root = f"memory://{uuid.uuid4().hex}"
    yield root
    fs, path = fsspec.core.url_to_fs(root)
    fs.rm(path, recursive=True)


def put(folder: Path, root: str) -> None:
    fs, path = fsspec.core.url_to_fs(root)
    fs.put(f"{folder}/", path, recursive=True)


@pytest.mark.parametrize("count", [3, 20])
@pytest.mark.parametrize("cached", [True, False])
def test_of_an_object_store_an_index_that_is_cut_is_found(
    tmp_path: Path, bucket: str, cached: bool, count: int
) -> None:
    """Few are counted by their headers then; of many the last sample that the index has tells."""
    for number in range(count):
        write_tar(tmp_path / "in" / f"{number:02d}.tar", SAMPLES)
    index = tmp_path / "in/02.tar.idx"
    index.write_bytes(index.read_bytes()[:-8])
    put(tmp_path / "in", bucket)
    cache = Cache(str(tmp_path / "cache"), 10**9) if cached else None
    reader = Reader(files := list_shards(bucket, cache), cache)
    last = files[2].samples - 1
    if count == 3:
        assert last == len(SAMPLES) - 1
        assert reader.members(2, last)[0] == SAMPLES[-1][0]
    else:
        with pytest.raises(Drop, match=f"the index ends at sample {last}, and its tar does not"):
            reader.members(2, last)
    assert [reader.members(2, number)[0] for number in range(last)] == [key for key, _ in SAMPLES[:last]]
    assert reader.members(1, len(SAMPLES) - 1)[0] == SAMPLES[-1][0]
    reader.close()


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("index", [True, False])
def test_an_object_store_is_read_by_ranges_or_through_the_cache(
    tmp_path: Path, bucket: str, cached: bool, index: bool
) -> None:
    write_tar(tmp_path / "in" / "a.tar", SAMPLES, index)
    put(tmp_path / "in", bucket)
    cache = Cache(str(tmp_path / "cache"), 10**9) if cached else None
    assert everything(f"{bucket}/a.tar", cache) == EXPECTED
    assert len(list((tmp_path / "cache").glob("*.tar"))) == int(cached)


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """A static server that knows byte ranges, as any real one does."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        if asked := self.headers.get("Range"):
            first, last = asked.removeprefix("bytes=").split("-")
            part = data[int(first) : int(last) + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        else:
            part = data
            self.send_response(200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("cached", [True, False])
def test_shards_are_read_over_http(tmp_path: Path, cached: bool) -> None:
    write_dataset(tmp_path / "in", SAMPLES, per_shard=3)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(tmp_path / "in")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        cache = Cache(str(tmp_path / "cache"), 10**9) if cached else None
        url = f"http://127.0.0.1:{server.server_port}/shards/{{000000..000002}}-000.tar"
        assert everything(url, cache) == EXPECTED
    finally:
        server.shutdown()
        server.server_close()


def test_the_cache_stays_under_its_limit_and_lets_the_oldest_go(tmp_path: Path, bucket: str) -> None:
    write_dataset(tmp_path / "in", SAMPLES, per_shard=1)
    put(tmp_path / "in", bucket)
    size = max(path.stat().st_size for path in (tmp_path / "in").rglob("*.tar"))
    cache = Cache(str(tmp_path / "cache"), 3 * size)
    for _ in range(2):
        assert everything(bucket, cache) == EXPECTED
        held = list((tmp_path / "cache").glob("*.tar"))
        assert 2 <= len(held) <= 3
        assert sum(path.stat().st_size for path in held) <= 3 * size


def test_an_index_that_was_walked_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = write_foreign_tar(tmp_path / "a.tar", SAMPLES)
    cache = Cache(str(tmp_path / "cache"), 10**9)
    assert everything(str(tar), cache) == EXPECTED
    monkeypatch.setattr("model.data.offsets.walk", None)
    assert everything(str(tar), cache) == EXPECTED


def test_a_read_is_tried_again_but_an_absent_file_is_not() -> None:
    calls: list[int] = []

    def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("reset")
        return 7

    assert retried(flaky, 3, wait_s=0) == 7
    calls.clear()
    with pytest.raises(ConnectionError):
        retried(flaky, 2, wait_s=0)

    def absent() -> None:
        calls.append(1)
        raise FileNotFoundError

    calls.clear()
    with pytest.raises(FileNotFoundError):
        retried(absent, 3, wait_s=0)
    assert len(calls) == 1


def test_a_sample_that_is_no_sample_is_a_drop(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", SAMPLES)
    data = bytearray(tar.read_bytes())
    data[0] ^= 1
    tar.write_bytes(bytes(data))
    with pytest.raises(Drop, match="no tar header"):
        everything(str(tar))
