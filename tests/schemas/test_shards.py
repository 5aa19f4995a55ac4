import hashlib
import json
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import webdataset

from schemas.commits import Attempt
from schemas.drops import Counts
from schemas.shards import DamagedShard, Shard, ShardInfo, ShardMark, ShardSettings, ShardWriter, read_marks
from schemas.storage import Store
from schemas.tar import BLOCK, member_bytes

COLUMNS = {"num_images": pa.int32(), "warc_file": pa.string()}
SampleParts = tuple[str, list[tuple[str, bytes]], dict[str, Any]]


def sample(number: int, num_images: int = 2, image_bytes: int = 700) -> SampleParts:
    key = f"{number:012d}"
    names = [f"{key}.{position}.jpg" for position in range(num_images)]
    document = json.dumps({"key": key, "texts": [None] * num_images, "images": names}).encode()
    images = [(name, bytes([number, position]) * (image_bytes // 2)) for position, name in enumerate(names)]
    row = {"num_images": num_images, "warc_file": f"w{number % 2}.warc.gz"}
    return key, [(f"{key}.json", document), *images], row


def write(store: Store, samples: list[SampleParts], max_bytes: int = 1 << 20, partition: int = 0) -> list[ShardInfo]:
    shards: list[ShardInfo] = []
    with Attempt(store, "assemble", partition) as attempt:
        settings = ShardSettings(max_bytes=max_bytes)
        writer = ShardWriter(attempt, "interleaved/shards", partition, COLUMNS, settings, shards.append)
        for key, members, row in samples:
            writer.add(key, members, row)
        writer.close()
        attempt.commit(Counts(), shards)
    return shards


def shard_files(store: Store) -> dict[str, bytes]:
    return {name: store.read(f"interleaved/shards/{name}") for name in store.list("interleaved/shards")}


def test_a_shard_is_a_tar_an_index_and_a_table(store: Store) -> None:
    write(store, [sample(1)], partition=12)
    assert list(shard_files(store)) == ["000012-000.parquet", "000012-000.tar", "000012-000.tar.idx"]


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        store = Store(str(tmp_path / name))
        write(store, [sample(i) for i in range(9)], max_bytes=10_000)
        files.append(shard_files(store))
    assert len(files[0]) > 3
    assert files[0] == files[1]


def test_shards_are_cut_before_they_grow_over_their_size(store: Store) -> None:
    one = sum(member_bytes(len(data)) for _, data in sample(0)[1])
    for max_bytes, expected in ((3 * one + 2 * BLOCK, [3, 3, 1]), (3 * one + 2 * BLOCK - 1, [2, 2, 2, 1])):
        shards = write(store, [sample(i) for i in range(7)], max_bytes, partition=max_bytes)
        assert [shard.samples for shard in shards] == expected
        assert all(shard.tar_bytes <= max_bytes for shard in shards)
        assert [shard.name for shard in shards] == [f"{max_bytes:06d}-{i:03d}" for i in range(len(expected))]


def test_a_sample_over_the_size_stands_alone(store: Store) -> None:
    samples = [sample(0), sample(1, image_bytes=20_000), sample(2), sample(3)]
    assert [shard.samples for shard in write(store, samples, max_bytes=10_000)] == [1, 1, 2]


def test_no_samples_no_shard(store: Store) -> None:
    assert write(store, []) == []
    assert store.list("interleaved/shards") == []


def test_the_index_is_the_offsets_of_samples_and_the_end_as_little_endian_u64(store: Store) -> None:
    write(store, [sample(i, num_images=i) for i in range(4)])
    raw = store.read("interleaved/shards/000000-000.tar.idx")
    offsets = struct.unpack(f"<{len(raw) // 8}Q", raw)
    assert len(raw) == 8 * 5
    tar = store.read("interleaved/shards/000000-000.tar")
    for number, offset in enumerate(offsets[:-1]):
        assert tar[offset:].startswith(f"{number:012d}.json\0".encode())
    assert offsets[0] == 0
    assert offsets[-1] == len(tar) - 2 * BLOCK


def test_the_table_gives_back_the_members_of_any_sample(store: Store) -> None:
    samples = [sample(i, num_images=i) for i in range(5)]
    write(store, samples)
    shard = Shard(store, "interleaved", "000000-000")
    rows = shard.index().to_pylist()
    assert [row["key"] for row in rows] == [key for key, _, _ in samples]
    chosen = [4, 0, 2]
    found = list(shard.members([rows[i] for i in chosen]))
    assert found == [dict(samples[i][1]) for i in chosen]
    assert [list(members) for members in found] == [[name for name, _ in samples[i][1]] for i in chosen]


def test_members_lie_in_the_tar_where_the_table_says(store: Store) -> None:
    key, members, row = sample(1)
    write(store, [sample(0), (key, members, row)])
    tar = store.read("interleaved/shards/000000-000.tar")
    (entry,) = [r for r in Shard(store, "interleaved", "000000-000").index().to_pylist() if r["key"] == key]
    for member, (name, data) in zip(entry["members"], members, strict=True):
        assert member["name"] == name
        assert tar[member["offset"] :][: member["size"]] == data


def test_the_table_holds_the_columns_asked_for(store: Store) -> None:
    write(store, [sample(0), sample(1)])
    shard = Shard(store, "interleaved", "000000-000")
    assert shard.index(["key", "num_images"]).to_pylist() == [
        {"key": "000000000000", "num_images": 2},
        {"key": "000000000001", "num_images": 2},
    ]
    assert shard.index().schema.names == ["key", "offset", "size", "members", "num_images", "warc_file"]


def test_one_sample_is_read_alone_and_one_that_is_cut_off_is_no_sample(folder: Store) -> None:
    samples = [sample(number) for number in range(3)]
    write(folder, samples)
    shard = Shard(folder, "interleaved", "000000-000")
    rows = shard.index().to_pylist()
    assert [list(shard.sample(row).items()) for row in reversed(rows)] == [one[1] for one in reversed(samples)]
    with open(folder.path(shard.tar_name), "r+b") as file:
        file.truncate(rows[2]["offset"] + rows[2]["size"] - 1)
    assert list(shard.sample(rows[1]).items()) == samples[1][1]
    with pytest.raises(DamagedShard, match=r"000000-000\.tar ends within a sample"):
        shard.sample(rows[2])


def test_what_is_said_of_a_shard_is_true(store: Store) -> None:
    (info,) = write(store, [sample(0, num_images=1), sample(1, num_images=3), sample(2, num_images=0)])
    files = shard_files(store)
    assert (info.name, info.samples, info.images) == ("000000-000", 3, 4)
    for suffix, size, digest in (
        (".tar", info.tar_bytes, info.tar_sha256),
        (".parquet", info.parquet_bytes, info.parquet_sha256),
    ):
        data = files[info.name + suffix]
        assert (size, digest) == (len(data), hashlib.sha256(data).hexdigest())
    assert "warc" not in str(info), "a sample of a large build may be of any of its archives: the index says of which"


def test_tarfile_reads_the_shard(folder: Store) -> None:
    samples = [sample(i) for i in range(3)]
    write(folder, samples)
    with tarfile.open(folder.path("interleaved/shards/000000-000.tar")) as archive:
        found = [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
    assert found == [member for _, members, _ in samples for member in members]


def test_stock_webdataset_reads_keys_json_and_images_in_order(folder: Store) -> None:
    samples = [sample(i, num_images=12) for i in range(3)]
    write(folder, samples)
    path = folder.path("interleaved/shards/000000-000.tar")
    read = list(webdataset.WebDataset(path, shardshuffle=False))
    assert [entry["__key__"] for entry in read] == [key for key, _, _ in samples]
    for entry, (key, members, _) in zip(read, samples, strict=True):
        assert json.loads(entry["json"])["key"] == key
        images = [(f"{key}.{name}", data) for name, data in entry.items() if name.endswith(".jpg")]
        assert images == members[1:]
        assert [name for name, _ in images] == json.loads(entry["json"])["images"]


def test_a_member_name_over_100_bytes_is_refused_and_the_partition_leaves_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="limited to 100 bytes"):
        write(store, [sample(0), ("k", [("k" * 97 + ".json", b"{}")], {})])
    assert store.list("interleaved/shards") == []
    assert store.list("work/assemble") == []


def test_each_finished_shard_is_told_as_it_is_finished(folder: Store) -> None:
    told: list[str] = []

    def on_shard(shard: ShardInfo) -> None:
        told.append(shard.name)

    callback: Callable[[ShardInfo], None] = on_shard
    with Attempt(folder, "assemble", 0) as attempt:
        writer = ShardWriter(attempt, "interleaved/shards", 0, COLUMNS, ShardSettings(max_bytes=1), callback)
        writer.add(*sample(0))
        assert told == []
        writer.add(*sample(1))
        assert told == ["000000-000"]
        writer.close()
        writer.close()
        assert told == ["000000-000", "000000-001"]
        attempt.commit(Counts())


def test_marks_are_read_in_order_and_only_marks(store: Store) -> None:
    marks = [
        ShardMark(ShardInfo(name, 1, 2, 3, "t", 4, "p"), 0, {"page": {"no_text": 1}}, "hash", "0.1")
        for name in ("000001-000", "000000-001", "000000-000")
    ]
    for mark in marks:
        store.put(f"interleaved/commit/{mark.shard.name}.json", msgspec.json.encode(mark))
    store.put("interleaved/commit/.abc.000002-000.json.tmp", b"{")
    store.put("interleaved/commit/.000002-000.json", b"{")
    assert read_marks(store, "interleaved") == sorted(marks, key=lambda mark: mark.shard.name)
    assert read_marks(store, "pairs") == []


def test_a_mark_of_before_is_read(store: Store) -> None:
    """It named the archives that its samples come from."""
    mark = ShardMark(ShardInfo("000000-000", 1, 2, 3, "t", 4, "p"), 0, {}, "hash", "0.1")
    old = msgspec.to_builtins(mark)
    old["shard"]["inputs"] = ["a.warc.gz", "b.warc.gz"]
    store.put("interleaved/commit/000000-000.json", msgspec.json.encode(old))
    assert read_marks(store, "interleaved") == [mark]
