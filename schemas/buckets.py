"""Files whose rows are grouped by bucket, so that a reader of one bucket asks for its bytes and no others.

This is the shuffle of weft: a task writes one file with rows for many buckets; later, the task of one bucket reads its
bytes from the files of all tasks, or from files that were merged of them (`schemas.merging`). Memory is bounded on both
sides: the writer holds `flush_bytes` before it sorts and encodes a run, the reader one bucket, or a piece of it at a
time where it only filters.

A file is an Arrow IPC stream whose batches stand in the order of their buckets, then an index of them, its length and
a mark. Two requests find a bucket: the end of the file, which is remembered, and the bytes that the index names.
"""

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.storage import Range, Store

ROWS_A_BLOCK = 4096
#: What a writer holds before it sorts and encodes a run.
FLUSH_BYTES = 64 << 20
#: What a reader asks for at a time where it streams.
READ_BYTES = 32 << 20
_MARK = b"weftrows"
_TAIL_BYTES = 64 << 10  # holds the index of most files
_PACKED = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1), use_threads=False)
_PLAIN = pa.ipc.IpcWriteOptions(use_threads=False)
_SMALL = 16 << 10  # bytes of rows that are not worth the 0.1 ms of a codec

Ints = NDArray[np.int64]


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


class Block(msgspec.Struct, frozen=True):
    """Some rows of one bucket, encoded: the message of one Arrow batch."""

    bucket: int
    data: Any  # bytes, or what has their protocol
    first: int = 0  # the least and the greatest value of the column that the file is ordered by
    last: int = 0


class BlockWriter:
    """Writes blocks to `file` as they come, which must be in the order of their buckets, then their index."""

    def __init__(self, file: Any, schema: pa.Schema, order: str | None) -> None:
        self._file, self._schema, self.order = file, schema, order
        head = schema.serialize()
        self._start = len(head)
        file.write(head.to_pybytes())
        self._rows: list[tuple[int, int, int, int]] = []

    def write(self, block: Block) -> None:
        self._file.write(block.data)
        self._rows.append((block.bucket, len(memoryview(block.data)), block.first, block.last))

    def close(self) -> None:
        """Write the index; `file` stays the caller's to close."""
        self._file.write(b"\xff\xff\xff\xff\0\0\0\0")  # the end of an Arrow stream
        columns = np.array(self._rows, np.int64).reshape(-1, 4).T
        names = ["bucket", "size", "first", "last"][: 4 if self.order else 2]
        about = {"start": str(self._start), "order": self.order or "", "schema": self._schema.serialize().to_pybytes()}
        index = pa.table(dict(zip(names, columns, strict=False))).replace_schema_metadata(about)
        packed = pa.BufferOutputStream()
        with pa.ipc.new_stream(packed, index.schema, options=_PACKED) as stream:
            stream.write_table(index)
        data = packed.getvalue().to_pybytes()
        self._file.write(data + len(data).to_bytes(8, "little") + _MARK)


def encode(bucket: int, rows: pa.Table, order: str | None) -> Iterator[Block]:
    """The rows of a bucket as blocks, in their order."""
    head = len(rows.schema.serialize())  # what a stream begins with
    for batch in rows.combine_chunks().to_batches(max_chunksize=ROWS_A_BLOCK):
        sink = pa.BufferOutputStream()
        stream = pa.ipc.new_stream(sink, rows.schema, options=_PACKED if batch.nbytes > _SMALL else _PLAIN)
        stream.write_batch(batch)
        data = memoryview(sink.getvalue())[head:]
        bounds = (0, 0)
        if order is not None:
            values = batch.column(rows.schema.get_field_index(order)).to_numpy()
            bounds = int(values.min()), int(values.max())
        yield Block(bucket, data, *bounds)


def decode(data: Any, schema: pa.Schema) -> pa.Table:
    """The rows of one block after the other."""
    messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(data))
    return pa.Table.from_batches([pa.ipc.read_record_batch(message, schema) for message in messages], schema)


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


class Index:
    """Where the blocks of a file lie: arrays over its blocks, in the order of the file."""

    def __init__(self, name: str, table: pa.Table) -> None:
        about = table.schema.metadata
        self.name, self.order = name, about[b"order"].decode() or None
        self.schema = pa.ipc.read_schema(pa.py_buffer(about[b"schema"]))
        self.buckets: Ints = table.column("bucket").to_numpy()
        sizes: Ints = table.column("size").to_numpy()
        self.ends = int(about[b"start"]) + np.cumsum(sizes)
        self.starts = self.ends - sizes
        self._bounds = [table.column(side).to_numpy() for side in ("first", "last")] if self.order else None
        self.nbytes = table.nbytes

    def blocks(self, first: int, stop: int) -> tuple[int, int]:
        """The blocks of the buckets from `first` to before `stop`: they lie side by side."""
        low, high = np.searchsorted(self.buckets, [first, stop])
        return int(low), int(high)

    def bounds(self, low: int, high: int) -> Ints | None:
        """The least and the greatest value of the order in each of these blocks; None where there is no order."""
        if self._bounds is None:
            return None
        return np.stack([side[low:high] for side in self._bounds], axis=1)

    def within(self, low: int, high: int, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Of these blocks the runs that may hold values of the order from `first` to `last`."""
        if self._bounds is None:
            raise ValueError(f"{self.name} is not ordered")
        wanted = (self._bounds[1][low:high] >= first) & (self._bounds[0][low:high] <= last)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2).tolist():
            yield low + start, low + stop

    def pieces(self, low: int, high: int, size: int) -> Iterator[tuple[int, int]]:
        """The same blocks in pieces of about `size` bytes."""
        while low < high:
            stop = max(low + 1, int(np.searchsorted(self.ends[:high], self.starts[low] + size, side="right")))
            yield low, stop
            low = stop

    def range(self, low: int, high: int) -> Range:
        """What to ask a store for."""
        return self.name, int(self.starts[low]), int(self.ends[high - 1] - self.starts[low])


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
        """The rows of one bucket, some at a time, in the order of the files.

        `within`: the column by which the files are ordered, and the first and last value wanted of it; blocks without
        any are not read.
        """
        pieces = []
        for index in self.indexes(list(names)):
            low, high = index.blocks(bucket, bucket + 1)
            runs = [(low, high)] if within is None else index.within(low, high, *within[1:])
            pieces += [(index, piece) for run in runs for piece in index.pieces(*run, READ_BYTES)]
        for index, data in self._read(pieces):
            rows = decode(data, index.schema)
            if within is not None:
                column, first, last = within
                rows = rows.filter((pc.field(column) >= first) & (pc.field(column) <= last))
            yield rows

    def _read(self, pieces: Sequence[tuple[Index, tuple[int, int]]]) -> Iterator[tuple[Index, bytes]]:
        """Their bytes, many asked for at a time."""
        ranges = [index.range(*blocks) for index, blocks in pieces]
        start = 0
        while start < len(ranges):
            stop, size = start, 0
            while stop < len(ranges) and (stop == start or size + ranges[stop][2] <= READ_BYTES):
                size += ranges[stop][2]
                stop += 1
            found = self._store.read_ranges(ranges[start:stop])
            yield from zip([index for index, _ in pieces[start:stop]], found, strict=True)
            start = stop

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


def read_indexes(store: Store, names: Sequence[str]) -> Iterator[Index]:
    """Of files whose end says where it begins. Raises `OSError` for a file that does not end as one of these."""
    for start in range(0, len(names), 128):
        some = names[start : start + 128]
        for name, tail in zip(
            some, store.read_ranges([(name, -_TAIL_BYTES, _TAIL_BYTES) for name in some]), strict=True
        ):
            if tail[-8:] != _MARK:
                raise OSError(f"{store.url}: {name} has no index at its end")
            size = int.from_bytes(tail[-16:-8], "little") + 16
            if size > len(tail):
                tail = store.read_ranges([(name, -size, size)])[0]
            yield Index(name, pa.ipc.open_stream(pa.py_buffer(tail[-size:-16])).read_all())


def first_of_each(table: pa.Table, key: str, order: list[tuple[str, str]]) -> pa.Table:
    """`table` sorted by key and then `order`, with a column `first`: true at the first row of each key."""
    table = table.sort_by([(key, "ascending"), *order])
    keys = table.column(key).combine_chunks()
    changes = pc.not_equal(keys[1:], keys[:-1]) if len(keys) > 1 else pa.array([], pa.bool_())
    return table.append_column("first", pa.concat_arrays([pa.array([True] * min(1, len(keys)), pa.bool_()), changes]))
