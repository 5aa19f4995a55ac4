"""Many files of buckets become one: with as many tasks on both sides, each reader would open thousands."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.bucket_files import Block, BlockWriter, Index, decode, encode, read_indexes
from schemas.storage import Store

#: What a merge asks for at a time; encoded, it may take ten times as much when it is read.
MERGE_BYTES = 48 << 20
_BEYOND_ALL = (1 << 31) - 1
#: A bucket whose blocks are larger than this on average gains nothing by being encoded anew, unless it is ordered.
_LARGE_BLOCK = 64 << 10


def merge_files(store: Store, names: Sequence[str], first: int, stop: int | None, file: Any) -> None:
    """Write the buckets from `first` to before `stop`, or to the last, to `file`, each with its rows in their order.

    In ordered files the rows of a bucket are sorted again, where they fit `MERGE_BYTES`: else its blocks are copied.
    `names` must not be empty; `file` stays the caller's to close.
    """
    indexes = [_Part(index, first, _BEYOND_ALL if stop is None else stop) for index in read_indexes(store, names)]
    if stop is None:
        stop = max([first, *(int(part.buckets[-1]) + 1 for part in indexes if len(part.buckets))])
    writer = BlockWriter(file, indexes[0].schema, indexes[0].order)
    for buckets in _spans(indexes, first, stop):
        if len(buckets) == 1 and sum(part.size(*buckets[0]) for part in indexes) > MERGE_BYTES:
            for part in indexes:
                for block in part.read(store, *buckets[0]):
                    writer.write(block)
        else:
            for block in _merged(store, indexes, buckets, writer):
                writer.write(block)
    writer.close()


class _Part:
    """Of a file the buckets that are merged, without the rest of its index."""

    def __init__(self, index: Index, first: int, stop: int) -> None:
        low, high = index.blocks(first, stop)
        self.name, self.schema, self.order = index.name, index.schema, index.order
        self.buckets, self.starts, self.ends = (
            values[low:high].copy() for values in (index.buckets, index.starts, index.ends)
        )
        self.bounds = index.bounds(low, high)

    def blocks(self, first: int, stop: int) -> tuple[int, int]:
        low, high = np.searchsorted(self.buckets, [first, stop])
        return int(low), int(high)

    def size(self, first: int, stop: int) -> int:
        """The bytes of some buckets."""
        low, high = self.blocks(first, stop)
        return int(self.ends[high - 1] - self.starts[low]) if low < high else 0

    def read(self, store: Store, first: int, stop: int) -> Iterator[Block]:
        """The blocks of some buckets."""
        low, high = self.blocks(first, stop)
        if low < high:
            size = int(self.ends[high - 1] - self.starts[low])
            yield from self.cut(low, high, store.read_ranges([(self.name, int(self.starts[low]), size)])[0])

    def cut(self, low: int, high: int, data: bytes) -> Iterator[Block]:
        """These blocks, of their bytes."""
        view, begin = memoryview(data), int(self.starts[low])
        for place in range(low, high):
            start, stop = int(self.starts[place]) - begin, int(self.ends[place]) - begin
            bounds = (0, 0) if self.bounds is None else self.bounds[place].tolist()
            yield Block(int(self.buckets[place]), view[start:stop], *bounds)


def _spans(parts: Sequence[_Part], first: int, stop: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Runs of buckets that together fit `MERGE_BYTES`, or one that does not."""
    sizes = np.zeros(stop - first, np.int64)
    for part in parts:
        np.add.at(sizes, part.buckets - first, part.ends - part.starts)
    start = first
    while start < stop:
        end, held = start, 0
        while end < stop and (end == start or held + sizes[end - first] <= MERGE_BYTES):
            held += int(sizes[end - first])
            end += 1
        if held:
            yield tuple((bucket, bucket + 1) for bucket in range(start, end) if sizes[bucket - first])
        start = end


def _merged(
    store: Store, parts: Sequence[_Part], buckets: Sequence[tuple[int, int]], writer: BlockWriter
) -> Iterator[Block]:
    """The blocks of some buckets, those of each together, of all files by one request a file."""
    low, high = buckets[0][0], buckets[-1][1]
    spans = [(part, *part.blocks(low, high)) for part in parts if part.size(low, high)]
    ranges = [(part.name, int(part.starts[start]), part.size(low, high)) for part, start, _ in spans]
    held: dict[int, list[Block]] = {bucket: [] for bucket, _ in buckets}
    for (part, start, end), data in zip(spans, store.read_ranges(ranges), strict=True):
        for block in part.cut(start, end, data):
            held[block.bucket].append(block)
    for bucket, blocks in held.items():
        size = sum(len(block.data) for block in blocks)
        if len(blocks) == 1 or (writer.order is None and size > _LARGE_BLOCK * len(blocks)):
            yield from blocks
        else:
            yield from encode(bucket, _together(blocks, parts[0].schema, writer.order), writer.order)


def _together(blocks: Sequence[Block], schema: pa.Schema, order: str | None) -> pa.Table:
    """Their rows in one table."""
    rows = pa.concat_tables([decode(block.data, schema) for block in blocks])
    if order is None:
        return rows
    return rows.take(np.argsort(rows.column(order).to_numpy(), kind="stable"))
