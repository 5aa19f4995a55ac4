import io
import uuid
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.buckets import BucketWriter, bucket_of, first_of_each, read_bucket
from schemas.storage import Store

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
    table = read_bucket(store, names, bucket)
    return [] if table is None else [tuple(row.values()) for row in table.to_pylist()]


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


def test_a_row_group_holds_one_bucket(store: Store) -> None:
    rows = [(i % 3, "", b"", i) for i in range(60)]
    write(store, "a", rows, flush_bytes=30 * 64)
    with store.open("a") as file, pq.ParquetFile(file) as parquet:
        groups = [set(parquet.read_row_group(i).column("bucket").to_pylist()) for i in range(parquet.num_row_groups)]
    assert all(len(group) == 1 for group in groups)
    assert len(groups) == 6, "two runs of three buckets"


def test_rows_are_flushed_by_the_size_they_are_said_to_have(folder: Store) -> None:
    with folder.create("a") as file, BucketWriter(file, COLUMNS, flush_bytes=1000) as writer:
        for i in range(4):
            writer.add(0, "", b"", i, size=500)
    with folder.open("a") as file:
        assert pq.ParquetFile(file).num_row_groups == 2


def test_a_bucket_that_nobody_wrote_is_none(store: Store) -> None:
    write(store, "a", [(1, "x", b"y", 2)])
    write(store, "empty", [])
    assert read_bucket(store, ["a", "empty"], 0) is None
    assert read_bucket(store, [], 1) is None
    assert read(store, ["empty", "a"], 1) == [(1, "x", b"y", 2)]


def test_only_the_row_groups_of_the_bucket_are_read(folder: Store) -> None:
    """What makes the shuffle affordable: one bucket costs its own bytes, not the file's."""
    write(folder, "a", [(bucket, "", bytes([bucket]) * 50, 0) for bucket in range(200)], flush_bytes=1 << 30)
    path = folder.path("a")
    with pq.ParquetFile(path) as parquet:
        group = parquet.metadata.row_group(100)
        last = max(group.column(i).data_page_offset for i in range(group.num_columns))
        next_group = parquet.metadata.row_group(101).column(0)
        start = min(next_group.dictionary_page_offset or next_group.data_page_offset, next_group.data_page_offset)
    assert last < start
    data = bytearray(folder.read("a"))
    data[start : start + 200] = b"\xff" * 200  # the groups after it are damaged: nobody may look
    folder.put("a", bytes(data))
    assert read(folder, ["a"], 100) == [(100, "", b"d" * 50, 0)]


def test_a_failing_body_does_not_write_what_it_still_held() -> None:
    out = io.BytesIO()

    def work() -> None:
        with BucketWriter(out, COLUMNS) as writer:
            writer.add(0, "", b"", 1)
            raise ValueError("bad data")

    with pytest.raises(ValueError, match="bad data"):
        work()
    assert pq.read_metadata(io.BytesIO(out.getvalue())).num_rows == 0


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
