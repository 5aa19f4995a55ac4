"""How the last phases are cut: a partition of domains that is too large is split, so that no task holds others up.

Each task of the first phase counts the bytes that it hands on by partition; their sums decide, so a rerun cuts in the
same places.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.phases.extract import EXTRACT
from jobs.phases.plan import Plan
from jobs.phases.sizes import read_sizes, sizes_of
from jobs.phases.task import FIRST, SIZES, SLICES, Merged, Phase, Slice, Task
from schemas.documents import Draft
from schemas.storage import Store

_DRAFTS_AT_A_TIME = 256


def make_slices(store: Store, plan: Plan, merged: Merged | None) -> list[Slice]:
    """The slices of a build whose first phase is complete; each is one task of the phases that open drafts.

    `merged`: how the files of the first phase were merged, if they were; there are few sums then.
    """
    if store.exists(SLICES):
        return msgspec.json.decode(store.read(SLICES), type=list[Slice])
    names = merged.of_place(0, SIZES) if merged else sizes_of(plan.first_phase, range(plan.input_tasks))
    slices = list(cut(read_sizes(store, names, plan.partitions).tolist(), plan.config.max_slice_bytes))
    store.put(SLICES, msgspec.json.encode(slices))
    return slices


def cut(sizes: list[int], max_bytes: int) -> Iterator[Slice]:
    """Positions in the order are uniform, so equal ranges of it are parts of nearly equal size."""
    for partition, size in enumerate(sizes):
        parts = max(1, math.ceil(size / max_bytes)) if max_bytes else 1
        edges = [FIRST + ((1 << 64) * part) // parts for part in range(parts + 1)]
        for first, following in itertools.pairwise(edges):
            yield Slice(partition, first, following - 1)


def order_of(seed: int, name: bytes) -> int:
    """Where an item stands in its partition: random to look at, the same in every run."""
    return int.from_bytes(hashlib.blake2b(b"%d/%b" % (seed, name), digest_size=8).digest(), "big", signed=True)


def read_drafts(task: Task, losing: Sequence[Phase], tells: bool = False) -> Iterator[Draft]:
    """The drafts of the task's slice that these phases did not drop, in the order of their samples. With `tells` they
    are what the task has to do: it is told how far they are."""
    lost = _lost_uids(task, losing)
    tables = []
    for table in rows_of_slice(task, EXTRACT, "drafts"):
        table = table.select(["order", "uid", "draft"])
        tables.append(table.filter(~np.isin(table.column("uid").to_numpy(), lost)))
    if not tables:
        return
    drafts = pa.concat_tables(tables)
    positions = np.lexsort([drafts.column(name).to_numpy() for name in ("uid", "order")])
    for start in range(0, len(positions), _DRAFTS_AT_A_TIME):
        for place, packed in enumerate(
            drafts.column("draft").take(positions[start : start + _DRAFTS_AT_A_TIME]), start
        ):
            if tells:
                task.at(place, len(positions))
            yield msgspec.json.decode(packed.as_py(), type=Draft)


def rows_of_slice(task: Task, phase: Phase, name: str) -> Iterator[pa.Table]:
    """The rows with a column `order` that the first phase has for the task's slice."""
    piece = task.slice
    return task.groups(phase, name, piece.partition, None if piece.is_whole else ("order", piece.first, piece.last))


def _lost_uids(task: Task, losing: Sequence[Phase]) -> NDArray[np.int64]:
    """The pages of the slice's partition that these phases dropped."""
    parts = [table.column("uid").to_numpy() for table in task.groups(losing, "losers", task.slice.partition)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
