"""Parquet files whose rows are grouped by bucket, so that a reader of one bucket reads only its row groups.

This is the shuffle of weft: a partition writes one file with rows for many buckets; later, the task of one bucket reads
its row groups from the files of all partitions. Memory is bounded on both sides: the writer holds `flush_bytes` before
it sorts and writes a run, the reader one bucket.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.storage import Store


def bucket_of(key: bytes, num_buckets: int) -> int:
    """The bucket of a key: uniform, and the same on every machine."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % num_buckets


class BucketWriter:
    """Writes rows to `file`, grouped by their bucket. A context manager; `file` stays the caller's to close.

    `columns` maps the names to Arrow types; the column `bucket` is added. A file may hold a bucket several times,
    once for each run of `flush_bytes`.
    """

    def __init__(self, file: Any, columns: dict[str, pa.DataType], flush_bytes: int = 64 << 20) -> None:
        self._schema = pa.schema([("bucket", pa.int32()), *columns.items()])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []
        self._flush_bytes = flush_bytes
        self._held = 0

    def add(self, bucket: int, *row: Any, size: int = 64) -> None:
        """Add a row, its values in the order of `columns`; `size` is roughly what it takes in memory, in bytes."""
        self._rows.append((bucket, *row))
        self._held += size
        if self._held >= self._flush_bytes:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        self._rows.sort(key=lambda row: row[0])  # stable: rows of a bucket keep their order
        columns = zip(*self._rows, strict=True)
        table = pa.Table.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)],
            schema=self._schema,
        )
        start, buckets = 0, table.column("bucket").to_numpy()
        while start < len(buckets):
            stop = int(buckets.searchsorted(buckets[start], side="right"))
            self._writer.write_table(table.slice(start, stop - start), row_group_size=stop - start)
            start = stop
        self._rows, self._held = [], 0

    def __enter__(self) -> "BucketWriter":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self._flush()
        self._writer.close()


def read_bucket(store: Store, names: Iterable[str], bucket: int) -> pa.Table | None:
    """The rows of one bucket from many files, in the order of the files; None where there is none."""
    tables = []
    for name in names:
        with store.open(name) as file, pq.ParquetFile(file) as parquet:
            groups = [i for i in range(parquet.num_row_groups) if _bucket_of_group(parquet, i) == bucket]
            if groups:
                tables.append(parquet.read_row_groups(groups))
    return pa.concat_tables(tables) if tables else None


def _bucket_of_group(parquet: pq.ParquetFile, group: int) -> int:
    return int(parquet.metadata.row_group(group).column(0).statistics.min)


def first_of_each(table: pa.Table, key: str, order: list[tuple[str, str]]) -> pa.Table:
    """`table` sorted by key and then `order`, with a column `first`: true at the first row of each key."""
    table = table.sort_by([(key, "ascending"), *order])
    keys = table.column(key).combine_chunks()
    changes = pc.not_equal(keys[1:], keys[:-1]) if len(keys) > 1 else pa.array([], pa.bool_())
    return table.append_column("first", pa.concat_arrays([pa.array([True] * min(1, len(keys)), pa.bool_()), changes]))
