import io
import os
import uuid
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bucket_files import read_indexes
from schemas.buckets import bucket_of, first_of_each
from schemas.merging import merge_files
from schemas.shuffle import BucketReader, BucketWriter
from schemas.storage import Range, Store

COLUMNS = {"name": pa.string(), "data": pa.binary(), "n": pa.int64()}
Row = tuple[int, str, bytes, int]

_rows = st.lists(
    st.tuples(st.integers(0, 4), st.text(max_size=4), st.binary(max_size=4), st.integers(-(2**63), 2**63 - 1)),
    max_size=30,
)


def write(store: Store, name: str, rows: list[Row], flush_bytes: int = 1 << 20, size: int = 64) -> None:
    with store.create(name) as file, BucketWriter(file, COLUMNS, flush_bytes) as writer:
        for row in rows:
            writer.add(*row, size=size)


def read(store: Store, names: list[str], bucket: int) -> list[Row]:
    table = BucketReader(store).table(names, bucket)
    return [] if table is None else [(bucket, *row.values()) for row in table.to_pylist()]


@given(st.lists(_rows, min_size=1, max_size=3), st.integers(1, 10))
def test_every_bucket_gives_back_exactly_the_rows_that_went_in_in_order(files: list[list[Row]], run: int) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}")
    names = [f"{i}.parquet" for i in range(len(files))]
    for name, rows in zip(names, files, strict=True):
        write(store, name, rows, flush_bytes=run * 64)
    for bucket in range(6):
        assert read(store, names, bucket) == [row for rows in files for row in rows if row[0] == bucket]
    for name in names:
        store.remove(name)


def test_a_file_is_an_arrow_stream_in_the_order_of_buckets(store: Store) -> None:
    write(store, "a", [(i % 3, "", b"", i) for i in range(60)], flush_bytes=30 * 64)
    with store.open("a") as file, pa.ipc.open_stream(file) as stream:
        assert stream.read_all().column("n").to_pylist() == [i for bucket in range(3) for i in range(bucket, 60, 3)]


def test_the_bytes_of_a_bucket_lie_together_however_many_runs_it_came_in(store: Store) -> None:
    write(store, "a", [(i % 3, "", b"", i) for i in range(60)], flush_bytes=10 * 64)
    (index,) = read_indexes(store, ["a"])
    assert index.buckets.tolist() == [bucket for bucket in range(3) for _ in range(6)], "six runs of three buckets"
    assert index.starts[1:].tolist() == index.ends[:-1].tolist()


def test_a_bucket_that_nobody_wrote_is_none(store: Store) -> None:
    write(store, "a", [(1, "x", b"y", 2)])
    write(store, "empty", [])
    assert BucketReader(store).table(["a", "empty"], 0) is None
    assert BucketReader(store).table([], 1) is None
    assert read(store, ["empty", "a"], 1) == [(1, "x", b"y", 2)]


def test_only_the_bytes_of_the_bucket_are_read(folder: Store) -> None:
    """What makes the shuffle affordable: one bucket costs its own bytes, not the file's."""
    write(folder, "a", [(bucket, "", bytes([bucket]) * 50, 0) for bucket in range(200)], flush_bytes=1 << 30)
    (index,) = read_indexes(folder, ["a"])
    data = bytearray(folder.read("a"))
    data[index.ends[100] : index.ends[199]] = b"\xff" * int(index.ends[199] - index.ends[100])
    data[: index.starts[100]] = b"\xff" * int(index.starts[100])  # all others are damaged: nobody may look
    folder.put("a", bytes(data))
    assert read(folder, ["a"], 100) == [(100, "", b"d" * 50, 0)]


def test_a_file_costs_one_request_for_its_index_and_one_for_each_bucket(
    folder: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        write(folder, name, [(bucket, "", b"", 0) for bucket in range(20)])
    asked: list[Range] = []
    read_ranges = Store.read_ranges

    def noted(store: Store, ranges: Sequence[Range]) -> list[bytes]:
        asked.extend(ranges)
        return read_ranges(store, ranges)

    monkeypatch.setattr(Store, "read_ranges", noted)
    reader = BucketReader(folder)
    for bucket in (3, 4, 99):
        reader.table(["a", "b"], bucket)
    assert [name for name, start, _ in asked if start < 0] == ["a", "b"]
    assert [name for name, start, _ in asked if start >= 0] == ["a", "b"] * 2


def test_indexes_are_forgotten_when_there_are_too_many(folder: Store) -> None:
    for name in map(str, range(9)):
        write(folder, name, [(bucket, name, b"", 0) for bucket in range(20)])
    reader = BucketReader(folder, cache_bytes=600)
    for _ in range(2):
        table = reader.table(list(map(str, range(9))), 7)
        assert table is not None
        assert table.column("name").to_pylist() == list("012345678")


def test_an_index_that_is_longer_than_what_is_read_first_is_read_whole(folder: Store) -> None:
    write(folder, "a", [(bucket, "", b"", bucket) for bucket in range(40_000)], flush_bytes=1 << 30)
    assert read(folder, ["a"], 39_999) == [(39_999, "", b"", 39_999)]


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no index at all, whatever the name says"])
def test_a_file_of_another_form_is_an_error_that_names_it(folder: Store, damage: bytes) -> None:
    folder.put("a", damage)
    with pytest.raises(OSError, match="a has no index at its end"):
        read(folder, ["a"], 0)


def test_a_range_of_the_order_leaves_out_blocks_and_rows(folder: Store) -> None:
    rows = [(0, "", b"", n * 7 % 20_011) for n in range(20_011)]
    with folder.create("a") as file, BucketWriter(file, COLUMNS, order="n") as writer:
        for row in rows:
            writer.add(*row)
    (index,) = read_indexes(folder, ["a"])
    assert len(list(index.within(0, 5, 100, 200))) == 1
    found = list(BucketReader(folder).groups(["a"], 0, ("n", 4000, 4200)))
    assert [n for table in found for n in table.column("n").to_pylist()] == list(range(4000, 4201))


@given(
    st.lists(_rows, min_size=1, max_size=6),
    st.integers(1, 10),
    st.integers(1, 4),
    st.sampled_from([100, 3000, 1 << 20]),
)
def test_merged_files_hold_the_same_rows_in_the_same_order(
    files: list[list[Row]], run: int, width: int, memory: int
) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}")
    names = [f"{i}.arrow" for i in range(len(files))]
    for name, rows in zip(names, files, strict=True):
        write(store, name, rows, flush_bytes=run * 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schemas.merging.MERGE_BYTES", memory)
        for first in range(0, 6, width):
            with store.create(f"merged-{first}") as file:
                merge_files(store, names, first, first + width, file)
    for bucket in range(6):
        merged = read(store, [f"merged-{bucket // width * width}"], bucket)
        assert merged == [row for rows in files for row in rows if row[0] == bucket]


@pytest.mark.parametrize("buckets", [[0, 3, 7], [1], []])
def test_a_merge_without_an_end_takes_all_that_is_there(folder: Store, buckets: list[int]) -> None:
    """However many buckets whoever planned it knew of."""
    write(folder, "a", [(bucket, "x", b"", bucket) for bucket in buckets])
    with folder.create("merged") as file:
        merge_files(folder, ["a", "a"], 2, None, file)
    for bucket in range(9):
        expected = [(bucket, "x", b"", bucket)] * 2 if bucket in buckets and bucket >= 2 else []
        assert read(folder, ["merged"], bucket) == expected


@pytest.mark.parametrize("memory", [100, 3000, 1 << 20])
def test_merged_rows_of_an_ordered_file_stand_in_their_order_whatever_their_size(
    folder: Store, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    """Those of one place in the order, too: they keep that of the files."""
    monkeypatch.setattr("schemas.merging.SORT_BYTES", memory)
    for name in "ab":
        with folder.create(name) as file, BucketWriter(file, COLUMNS, 2000, "n") as writer:
            for n in range(400):
                writer.add(n % 4 // 3, name, b"%d" % n, n * 37 % 101)
    with folder.create("merged") as file:
        merge_files(folder, ["a", "b"], 0, 2, file)
    for bucket in range(2):
        rows, expected = read(folder, ["merged"], bucket), read(folder, ["a", "b"], bucket)
        assert rows == sorted(expected, key=lambda row: row[3])
        within = BucketReader(folder).groups(["merged"], bucket, ("n", 30, 40))
        found = [n for table in within for n in table.column("n").to_pylist()]
        assert found == sorted(row[3] for row in expected if 30 <= row[3] <= 40)


def test_a_large_ordered_bucket_is_merged_a_part_at_a_time_and_a_range_of_it_is_few_blocks(
    folder: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large it is: of a domain with millions of pages each slice asks for what is its own."""
    monkeypatch.setattr("schemas.merging.SORT_BYTES", 20_000)
    monkeypatch.setattr("schemas.bucket_files.BYTES_A_BLOCK", 4000)
    for name in "abcd":
        with folder.create(name) as file, BucketWriter(file, COLUMNS, 1 << 20, "n") as writer:
            for n in range(500):
                writer.add(7, name, os.urandom(100), (n * 7919 + ord(name)) % 100_003)
    asked: list[int] = []
    read_ranges = Store.read_ranges

    def noted(store: Store, ranges: Sequence[Range]) -> list[bytes]:
        asked.append(sum(size for _, _, size in ranges))
        return read_ranges(store, ranges)

    with folder.create("merged") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "read_ranges", noted)
        merge_files(folder, list("abcd"), 0, None, file)
    assert max(asked[4:]) < 60_000  # of 300,000; before come the four ends, with what is small enough to come with them
    (index,) = read_indexes(folder, ["merged"])
    runs = list(index.within(*index.blocks(7, 8), 50_000, 51_000))
    assert sum(stop - start for start, stop in runs) <= 3 < len(index.buckets) / 10


def test_a_failing_body_does_not_write_what_it_still_held() -> None:
    out = io.BytesIO()

    def work() -> None:
        with BucketWriter(out, COLUMNS) as writer:
            writer.add(0, "", b"", 1)
            raise ValueError("bad data")

    with pytest.raises(ValueError, match="bad data"):
        work()
    assert out.getvalue() == b""


def test_a_wrong_value_is_refused() -> None:
    def work() -> None:
        with BucketWriter(io.BytesIO(), COLUMNS) as writer:
            writer.add(0, "name", b"data", "not a number")

    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        work()


def test_the_bucket_of_a_key_is_the_same_on_every_machine() -> None:
    assert [bucket_of(key, 1000) for key in (b"", b"example.org", b"example.com")] == [876, 461, 710]


def test_keys_spread_evenly_over_buckets() -> None:
    counts = Counter(bucket_of(b"%d.example" % i, 16) for i in range(16_000))
    assert set(counts) == set(range(16))
    assert min(counts.values()) > 850
    assert max(counts.values()) < 1150


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 5), st.integers(0, 5))))
def test_the_first_of_each_key_is_the_one_the_order_puts_first(rows: list[tuple[bytes, int, int]]) -> None:
    table = pa.table(
        {
            "key": pa.array([key for key, _, _ in rows], pa.binary()),
            "time": pa.array([time for _, time, _ in rows], pa.int64()),
            "uid": pa.array([uid for _, _, uid in rows], pa.int64()),
        }
    )
    marked = first_of_each(table, "key", [("time", "descending"), ("uid", "ascending")]).to_pylist()
    expected = sorted(rows, key=lambda row: (row[0], -row[1], row[2]))
    assert [(row["key"], row["time"], row["uid"]) for row in marked] == expected
    assert [row["first"] for row in marked] == [
        i == 0 or expected[i - 1][0] != key for i, (key, _, _) in enumerate(expected)
    ]
