"""How the last phases are cut: a partition of domains that is too large is split, so that no task holds others up.

Each archive counts the bytes of its drafts by partition; their sums decide, so a rerun cuts in the same places.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.phases.plan import Plan
from schemas.buckets import read_groups
from schemas.documents import Draft
from schemas.storage import Store

SLICES = "work/slices.json"
_DRAFTS_AT_A_TIME = 256
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1


class Slice(msgspec.Struct, frozen=True):
    """The pages of a partition whose place in the seeded order is within a range, both ends included."""

    partition: int
    first: int = _FIRST
    last: int = _LAST

    @property
    def is_whole(self) -> bool:
        return (self.first, self.last) == (_FIRST, _LAST)


def make_slices(store: Store, plan: Plan) -> list[Slice]:
    """The slices of a build whose extract phase is complete; each is one task of the phases that open drafts."""
    sizes = np.zeros(plan.partitions, np.int64)
    for index in range(len(plan.inputs)):
        sizes += np.frombuffer(store.read(sizes_name(index)), "<i8")
    # Slices of one domain run side by side: images from the web would then be asked for faster than its pace allows.
    max_bytes = _LAST if plan.config.media.from_web else plan.config.max_slice_bytes
    slices = list(cut(sizes.tolist(), max_bytes))
    store.put(SLICES, msgspec.json.encode(slices))
    read_slices.cache_clear()  # the output may have been deleted and begun anew since
    return slices


def cut(sizes: list[int], max_bytes: int) -> Iterator[Slice]:
    """Places in the order are uniform, so equal ranges of it are parts of nearly equal size."""
    for partition, size in enumerate(sizes):
        parts = max(1, math.ceil(size / max_bytes))
        edges = [_FIRST + ((1 << 64) * part) // parts for part in range(parts + 1)]
        for first, following in itertools.pairwise(edges):
            yield Slice(partition, first, following - 1)


@functools.lru_cache(maxsize=4)
def read_slices(output: str) -> list[Slice]:
    """The slices of an output; each process reads them once."""
    return msgspec.json.decode(Store(output).read(SLICES), type=list[Slice])


def sizes_name(index: int) -> str:
    """Bytes of the drafts of one archive by partition, little-endian int64."""
    return f"work/extract/{index:06d}.sizes"


def read_drafts(store: Store, plan: Plan, piece: Slice, phases: Sequence[str]) -> Iterator[Draft]:
    """The drafts of a slice that these phases did not let go, in the order of their samples."""
    names = [f"work/extract/{index:06d}.drafts.parquet" for index in range(len(plan.inputs))]
    within = None if piece.is_whole else ("order", piece.first, piece.last)
    lost = _lost_uids(store, plan, piece.partition, phases)
    tables = []
    for table in read_groups(store, names, piece.partition, within):
        table = table.select(["order", "uid", "draft"])
        tables.append(table.filter(~np.isin(table.column("uid").to_numpy(), lost)))
    if not tables:
        return
    drafts = pa.concat_tables(tables)
    places = np.lexsort([drafts.column(name).to_numpy() for name in ("uid", "order")])
    for start in range(0, len(places), _DRAFTS_AT_A_TIME):
        for packed in drafts.column("draft").take(places[start : start + _DRAFTS_AT_A_TIME]):
            yield msgspec.json.decode(packed.as_py(), type=Draft)


def _lost_uids(store: Store, plan: Plan, partition: int, phases: Sequence[str]) -> NDArray[np.int64]:
    """The pages of a partition that these phases let go."""
    names = [f"work/{phase}/{bucket:06d}.losers.parquet" for phase in phases for bucket in range(plan.buckets)]
    parts = [table.column("uid").to_numpy() for table in read_groups(store, names, partition)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
