"""Parquet files whose rows are grouped by bucket, so that a reader of one bucket reads only its row groups.

This is the shuffle of weft: a partition writes one file with rows for many buckets; later, the task of one bucket reads
its row groups from the files of all partitions. Memory is bounded on both sides: the writer holds `flush_bytes` before
it sorts and writes a run, the reader one bucket, or one row group at a time where it only filters.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.storage import Store

_ROWS_A_GROUP = 4096
#: What a writer holds before it sorts and writes a run.
FLUSH_BYTES = 64 << 20


def bucket_of(key: bytes, num_buckets: int) -> int:
    """The bucket of a key: uniform, and the same on every machine."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % num_buckets


def buckets_of_digests(keys: pa.ChunkedArray, num_buckets: int) -> NDArray[np.int32]:
    """Buckets of keys of 16 bytes that are uniform already, such as digests; not the buckets of `bucket_of`."""
    data = keys.cast(pa.binary(16)).combine_chunks()
    words = np.frombuffer(data.buffers()[1], dtype=">u8")[2 * data.offset :][: 2 * len(data)]
    return (words[::2] % np.uint64(num_buckets)).astype(np.int32)


def buckets_of_ints(keys: NDArray[np.int64], num_buckets: int) -> NDArray[np.int32]:
    """Buckets of integers: uniform also where those are not (the finaliser of splitmix64)."""
    return (mixed(keys.view(np.uint64)) % np.uint64(num_buckets)).astype(np.int32)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele et al. 2014): a bijection that makes all bits depend on all."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class BucketWriter:
    """Writes rows to `file`, grouped by their bucket. A context manager; `file` stays the caller's to close.

    `columns` maps the names to Arrow types; the column `bucket` is added. A file may hold a bucket several times,
    once for each run of `flush_bytes`, and a long run in several row groups. Within a run the rows of a bucket keep
    their order, or stand in the order of the column `order`: so a reader of a range of it skips row groups.
    """

    def __init__(
        self, file: Any, columns: dict[str, pa.DataType], flush_bytes: int = FLUSH_BYTES, order: str | None = None
    ) -> None:
        self._schema = pa.schema([("bucket", pa.int32()), *columns.items()])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._order = [name for name in (order, "bucket") if name is not None]  # as lexsort takes it: last first
        self._rows: list[tuple[Any, ...]] = []
        self._tables: list[pa.Table] = []
        self._flush_bytes = flush_bytes
        self._held = 0

    def add(self, bucket: int, *row: Any, size: int = 64) -> None:
        """Add a row, its values in the order of `columns`; `size` is roughly what it takes in memory, in bytes."""
        self._rows.append((bucket, *row))
        self._held += size
        if self._held >= self._flush_bytes:
            self._flush()

    def add_table(self, buckets: NDArray[np.int32], rows: pa.Table) -> None:
        """Add many rows at once; of `rows` the columns of this file are taken."""
        rows = rows.select(self._schema.names[1:])
        self._pack()
        self._tables.append(rows.add_column(0, self._schema.field(0), pa.array(buckets)).cast(self._schema))
        self._held += rows.nbytes
        if self._held >= self._flush_bytes:
            self._flush()

    def _pack(self) -> None:
        """Rows that came one by one become a table."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._tables.append(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows = []

    def _flush(self) -> None:
        self._pack()
        if self._tables:
            table = pa.concat_tables(self._tables).combine_chunks()
            table = table.take(np.lexsort([table.column(name).to_numpy() for name in self._order]))  # stable
            buckets = table.column("bucket").to_numpy()
            start = 0
            while start < len(buckets):
                stop = int(buckets.searchsorted(buckets[start], side="right"))
                self._writer.write_table(table.slice(start, stop - start), row_group_size=_ROWS_A_GROUP)
                start = stop
        self._tables, self._held = [], 0

    def __enter__(self) -> "BucketWriter":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self._flush()
        self._writer.close()


def read_bucket(store: Store, names: Iterable[str], bucket: int) -> pa.Table | None:
    """The rows of one bucket from many files, in the order of the files; None where there is none."""
    tables = list(read_groups(store, names, bucket))
    return pa.concat_tables(tables) if tables else None


def read_groups(
    store: Store, names: Iterable[str], bucket: int, within: tuple[str, int, int] | None = None
) -> Iterator[pa.Table]:
    """The rows of one bucket, some row groups at a time, in the order of the files.

    `within`: a column, and the first and last value wanted of it; row groups without any are not read.
    """
    for name in names:
        with store.open(name) as file, pq.ParquetFile(file) as parquet:
            groups = _groups_of(parquet, bucket)
            if within is None:
                if groups:
                    yield parquet.read_row_groups(groups)
                continue
            column, first, last = within
            place = parquet.schema_arrow.get_field_index(column)
            for group in groups:
                statistics = parquet.metadata.row_group(group).column(place).statistics
                if statistics.max >= first and statistics.min <= last:
                    wanted = (pc.field(column) >= first) & (pc.field(column) <= last)
                    yield parquet.read_row_group(group).filter(wanted)


def _groups_of(parquet: pq.ParquetFile, bucket: int) -> list[int]:
    metadata = parquet.metadata
    return [i for i in range(metadata.num_row_groups) if metadata.row_group(i).column(0).statistics.min == bucket]


def first_of_each(table: pa.Table, key: str, order: list[tuple[str, str]]) -> pa.Table:
    """`table` sorted by key and then `order`, with a column `first`: true at the first row of each key."""
    table = table.sort_by([(key, "ascending"), *order])
    keys = table.column(key).combine_chunks()
    changes = pc.not_equal(keys[1:], keys[:-1]) if len(keys) > 1 else pa.array([], pa.bool_())
    return table.append_column("first", pa.concat_arrays([pa.array([True] * min(1, len(keys)), pa.bool_()), changes]))
