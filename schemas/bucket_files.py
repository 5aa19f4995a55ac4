"""Files whose rows are grouped by bucket, as they lie in a store: blocks, and an index of them.

A file is an Arrow IPC stream whose batches stand in the order of their buckets, then an index of them, its length and
a mark. Two requests find a bucket: the end of the file, and the bytes that the index names.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.storage import Range, Store

ROWS_A_BLOCK = 4096
#: Of rows that are large a block has fewer: who reads a range of an ordered file reads whole blocks.
BYTES_A_BLOCK = 1 << 20
#: What a reader asks for at a time where it streams.
READ_BYTES = 32 << 20
_MARK = b"weftrows"
_TAIL_BYTES = 64 << 10  # holds the index of most files
_PACKED = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1), use_threads=False)
_PLAIN = pa.ipc.IpcWriteOptions(use_threads=False)
_SMALL = 16 << 10  # bytes of rows that are not worth the 0.1 ms of a codec

Ints = NDArray[np.int64]


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
    most = min(ROWS_A_BLOCK, max(1, BYTES_A_BLOCK * len(rows) // max(1, rows.nbytes)))
    for batch in rows.combine_chunks().to_batches(max_chunksize=most):
        sink = pa.BufferOutputStream()
        stream = pa.ipc.new_stream(sink, rows.schema, options=_PACKED if batch.nbytes > _SMALL else _PLAIN)
        stream.write_batch(batch)
        data = memoryview(sink.getvalue())[head:]
        bounds = (0, 0)
        if order is not None:
            values = batch.column(rows.schema.get_field_index(order)).to_numpy()
            bounds = int(values.min()), int(values.max())
        yield Block(bucket, data, *bounds)


def decode(data: Any, schema: pa.Schema, within: tuple[str, int, int] | None = None) -> pa.Table:
    """The rows of one block after the other; `within` as for `rows_within`."""
    batches = []
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(data)):
        batch = pa.ipc.read_record_batch(message, schema)
        if within is not None:
            column, first, last = within
            batch = batch.filter((pc.field(column) >= first) & (pc.field(column) <= last))
        batches.append(batch)
    return pa.Table.from_batches(batches, schema)


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

    def only(self, first: int, stop: int) -> "Index":
        """The same of the buckets from `first` to before `stop`, without what the rest takes in memory."""
        low, high = self.blocks(first, stop)
        part = copy.copy(self)
        part.buckets, part.starts, part.ends = (
            values[low:high].copy() for values in (self.buckets, self.starts, self.ends)
        )
        part._bounds = self._bounds and [side[low:high].copy() for side in self._bounds]
        return part

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


def read_pieces(store: Store, pieces: Sequence[tuple[Index, tuple[int, int]]]) -> Iterator[tuple[Index, bytes]]:
    """The bytes of runs of blocks, `READ_BYTES` asked for at a time, or one run that is larger."""
    ranges = [index.range(*blocks) for index, blocks in pieces]
    start = 0
    while start < len(ranges):
        stop, size = start, 0
        while stop < len(ranges) and (stop == start or size + ranges[stop][2] <= READ_BYTES):
            size += ranges[stop][2]
            stop += 1
        found = store.read_ranges(ranges[start:stop])
        yield from zip([index for index, _ in pieces[start:stop]], found, strict=True)
        start = stop


def rows_within(
    store: Store, indexes: Iterable[Index], bucket: int, within: tuple[str, int, int] | None
) -> Iterator[pa.Table]:
    """The rows of one bucket, some at a time, in the order of the files.

    `within`: the column by which the files are ordered, and the first and last value wanted of it; blocks without
    any are not read.
    """
    pieces = []
    for index in indexes:
        low, high = index.blocks(bucket, bucket + 1)
        runs = [(low, high)] if within is None else index.within(low, high, *within[1:])
        pieces += [(index, piece) for run in runs for piece in index.pieces(*run, READ_BYTES)]
    for index, data in read_pieces(store, pieces):
        yield decode(data, index.schema, within)


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
