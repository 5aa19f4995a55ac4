"""The shuffle of weft: a task writes one file with rows for many buckets; the task of a bucket reads its bytes from the
files of all tasks, or from files that were merged of them (`schemas.merging`).

Memory is bounded on both sides: the writer holds `flush_bytes` before it sorts and encodes a run, the reader one
bucket, or a piece of it at a time where it only filters.
"""

import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.bucket_files import Block, BlockWriter, Index, encode, read_indexes, rows_within
from schemas.storage import Store

#: What a writer holds before it sorts and encodes a run.
FLUSH_BYTES = 64 << 20


class BucketWriter:
    """Writes rows to `file`, grouped by their bucket. A context manager; `file` stays the caller's to close.

    `columns` maps the names to Arrow types. Rows of a bucket keep the order in which they came; with `order`, each run
    of `flush_bytes` stands in the order of that column, so that a reader of a range of it leaves out blocks. What does
    not fit is encoded and held in a temporary file of this machine.
    """

    def __init__(
        self, file: Any, columns: dict[str, pa.DataType], flush_bytes: int = FLUSH_BYTES, order: str | None = None
    ) -> None:
        self._file, self._order, self._flush_bytes = file, order, flush_bytes
        self._schema = pa.schema([("bucket", pa.int32()), *columns.items()])
        self._rows: list[tuple[Any, ...]] = []
        self._tables: list[pa.Table] = []
        self._held = 0
        self._spilled = _Spilled()

    def add(self, bucket: int, *row: Any, size: int = 64) -> None:
        """Add a row, its values in the order of `columns`; `size` is roughly what it takes in memory, in bytes."""
        self._rows.append((bucket, *row))
        self._held += size
        if self._held >= self._flush_bytes:
            self._spill()

    def add_table(self, buckets: NDArray[np.int32], rows: pa.Table) -> None:
        """Add many rows at once; of `rows` the columns of this file are taken."""
        rows = rows.select(self._schema.names[1:])
        self._pack()
        self._tables.append(rows.add_column(0, self._schema.field(0), pa.array(buckets)).cast(self._schema))
        self._held += rows.nbytes
        if self._held >= self._flush_bytes:
            self._spill()

    def _pack(self) -> None:
        """Rows that came one by one become a table."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._tables.append(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows = []

    def _spill(self) -> None:
        for block in self._run():
            self._spilled.add(block)

    def _run(self) -> Iterator[Block]:
        """What is held, in the order of buckets; nothing is held after it."""
        self._pack()
        tables, self._tables, self._held = self._tables, [], 0
        if not tables:
            return
        table = pa.concat_tables(tables).combine_chunks()
        keys = [name for name in (self._order, "bucket") if name is not None]  # as lexsort takes it: last first
        table = table.take(np.lexsort([table.column(name).to_numpy() for name in keys]))  # stable
        buckets = table.column("bucket").to_numpy()
        table, start = table.drop_columns(["bucket"]), 0
        while start < len(buckets):
            stop = int(buckets.searchsorted(buckets[start], side="right"))
            yield from encode(int(buckets[start]), table.slice(start, stop - start), self._order)
            start = stop

    def __enter__(self) -> "BucketWriter":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with self._spilled:
            if failure is not None:
                return
            if self._spilled:
                self._spill()
            writer = BlockWriter(self._file, self._schema.remove(0), self._order)
            for block in self._spilled or self._run():
                writer.write(block)
            writer.close()


class _Spilled:
    """Blocks of several runs, on disk until the file is written. A context manager; iterated in order of buckets."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._blocks: list[tuple[Block, int, int]] = []  # without their bytes, and where these lie

    def add(self, block: Block) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  it ends with the writer
        place, size = self._file.tell(), self._file.write(block.data)
        self._blocks.append((msgspec.structs.replace(block, data=b""), place, size))

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def __iter__(self) -> Iterator[Block]:
        assert self._file is not None
        for block, place, size in sorted(
            self._blocks, key=lambda held: held[0].bucket
        ):  # stable: runs keep their order
            self._file.seek(place)
            yield msgspec.structs.replace(block, data=self._file.read(size))

    def __enter__(self) -> "_Spilled":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


class BucketReader:
    """Reads buckets out of the files of a store; remembers their indexes, those read last, up to `cache_bytes`."""

    def __init__(self, store: Store, cache_bytes: int = 64 << 20) -> None:
        self._store, self._cache_bytes, self._cached = store, cache_bytes, 0
        self._indexes: OrderedDict[str, Index] = OrderedDict()

    def table(self, names: Iterable[str], bucket: int) -> pa.Table | None:
        """The rows of one bucket from many files, in the order of the files; None where there is none."""
        tables = list(self.groups(names, bucket))
        return pa.concat_tables(tables) if tables else None

    def groups(
        self, names: Iterable[str], bucket: int, within: tuple[str, int, int] | None = None
    ) -> Iterator[pa.Table]:
        """The rows of one bucket, some at a time, in the order of the files; `within` as for `rows_within`."""
        yield from rows_within(self._store, self.indexes(list(names)), bucket, within)

    def indexes(self, names: Sequence[str]) -> list[Index]:
        """Of these files, in their order."""
        missing = [name for name in dict.fromkeys(names) if name not in self._indexes]
        found = {name: self._indexes[name] for name in names if name in self._indexes}
        for index in read_indexes(self._store, missing):
            found[index.name] = self._indexes[index.name] = index
            self._cached += index.nbytes
        for name in names:
            self._indexes.move_to_end(name)
        while self._cached > self._cache_bytes and self._indexes:
            self._cached -= self._indexes.popitem(last=False)[1].nbytes
        return [found[name] for name in names]
