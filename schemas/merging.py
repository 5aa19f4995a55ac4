"""Many files of buckets become one: with as many tasks on both sides, each reader would open thousands."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.bucket_files import Block, BlockWriter, Index, decode, encode, read_indexes, rows_within
from schemas.storage import Store

#: What a merge asks for at a time; the rows of an unordered bucket are decoded only where blocks are small.
MERGE_BYTES = 48 << 20
#: What of an ordered bucket is sorted at a time; decoded, it may take ten times as much.
SORT_BYTES = 12 << 20
_BEYOND_ALL = (1 << 31) - 1
#: A bucket whose blocks are larger than this on average gains nothing by being encoded anew, unless it is ordered.
_LARGE_BLOCK = 64 << 10


def merge_files(store: Store, names: Sequence[str], first: int, stop: int | None, file: Any) -> None:
    """Write the buckets from `first` to before `stop`, or to the last, to `file`, each with its rows in their order.

    In ordered files the rows of a bucket are sorted again, whatever its size: a range of it is a few blocks.
    `names` must not be empty; `file` stays the caller's to close.
    """
    parts = [_Part(index.only(first, _BEYOND_ALL if stop is None else stop)) for index in read_indexes(store, names)]
    if stop is None:
        stop = max([first, *(int(part.index.buckets[-1]) + 1 for part in parts if len(part.index.buckets))])
    writer = BlockWriter(file, parts[0].index.schema, parts[0].index.order)
    alone = MERGE_BYTES if writer.order is None else SORT_BYTES
    for buckets, size in _spans(parts, first, stop, alone):
        if len(buckets) > 1 or size <= alone:
            blocks = _merged(store, parts, buckets, writer)
        elif writer.order is None:
            blocks = (block for part in parts for block in part.read(store, buckets[0]))
        else:
            blocks = _sorted(store, parts, buckets[0], math.ceil(size / SORT_BYTES))
        for block in blocks:
            writer.write(block)
    writer.close()


class _Part:
    """Of a file the buckets that are merged."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def size(self, first: int, stop: int) -> int:
        """The bytes of some buckets."""
        low, high = self.index.blocks(first, stop)
        return self.index.range(low, high)[2] if low < high else 0

    def read(self, store: Store, bucket: int) -> Iterator[Block]:
        """The blocks of a bucket."""
        for low, high in self.index.pieces(*self.index.blocks(bucket, bucket + 1), MERGE_BYTES):
            yield from self.cut(low, high, store.read_ranges([self.index.range(low, high)])[0])

    def cut(self, low: int, high: int, data: bytes) -> Iterator[Block]:
        """These blocks, of their bytes."""
        index, view = self.index, memoryview(data)
        begin, bounds = int(index.starts[low]), index.bounds(low, high)
        for place in range(low, high):
            start, stop = int(index.starts[place]) - begin, int(index.ends[place]) - begin
            ends = (0, 0) if bounds is None else bounds[place - low].tolist()
            yield Block(int(index.buckets[place]), view[start:stop], *ends)


def _spans(parts: Sequence[_Part], first: int, stop: int, alone: int) -> Iterator[tuple[list[int], int]]:
    """Runs of buckets that together fit `MERGE_BYTES`, with their bytes; those of more than `alone` by themselves."""
    sizes = np.zeros(stop - first, np.int64)
    for part in parts:
        np.add.at(sizes, part.index.buckets - first, part.index.ends - part.index.starts)
    buckets, held, last = list[int](), 0, 0
    for place in np.flatnonzero(sizes).tolist():
        size = int(sizes[place])
        if buckets and (max(size, last) > alone or held + size > MERGE_BYTES):
            yield buckets, held
            buckets, held = [], 0
        buckets.append(first + place)
        held, last = held + size, size
    if buckets:
        yield buckets, held


def _merged(store: Store, parts: Sequence[_Part], buckets: Sequence[int], writer: BlockWriter) -> Iterator[Block]:
    """The blocks of some buckets, those of each together, of all files by one request a file."""
    low, high = buckets[0], buckets[-1] + 1
    spans = [(part, *part.index.blocks(low, high)) for part in parts if part.size(low, high)]
    ranges = [part.index.range(start, end) for part, start, end in spans]
    held: dict[int, list[Block]] = {bucket: [] for bucket in buckets}
    for (part, start, end), data in zip(spans, store.read_ranges(ranges), strict=True):
        for block in part.cut(start, end, data):
            held[block.bucket].append(block)
    schema = parts[0].index.schema
    for bucket, blocks in held.items():
        size = sum(len(block.data) for block in blocks)
        if len(blocks) == 1 or (writer.order is None and size > _LARGE_BLOCK * len(blocks)):
            yield from blocks
        else:
            rows = pa.concat_tables([decode(block.data, schema) for block in blocks])
            yield from encode(bucket, rows if writer.order is None else _in_order(rows, writer.order), writer.order)


def _sorted(store: Store, parts: Sequence[_Part], bucket: int, times: int) -> Iterator[Block]:
    """The blocks of an ordered bucket that does not fit: its order is cut into ranges, which are read one by one.

    A block that reaches into several is read for each. Values of the order are taken to be uniform, as those of
    `jobs.phases.slices.order_of` are.
    """
    indexes = [part.index for part in parts if part.size(bucket, bucket + 1)]
    order, found = str(indexes[0].order), [index.bounds(*index.blocks(bucket, bucket + 1)) for index in indexes]
    bounds = np.concatenate([ends for ends in found if ends is not None])
    low, high = int(bounds.min()), int(bounds.max())
    edges = [low + (high + 1 - low) * place // times for place in range(times + 1)]
    for first, following in itertools.pairwise(edges):
        tables = list(rows_within(store, indexes, bucket, (order, first, following - 1)))
        if any(map(len, tables)):
            yield from encode(bucket, _in_order(pa.concat_tables(tables), order), order)


def _in_order(rows: pa.Table, order: str) -> pa.Table:
    return rows.take(np.argsort(rows.column(order).to_numpy(), kind="stable"))
