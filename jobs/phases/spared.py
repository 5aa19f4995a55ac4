"""Pages of the dataset that a build adds to stay where what they lost to became no sample, for want of an image say."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from jobs.phases.duplicates import LOSERS
from jobs.phases.known import is_known
from jobs.phases.task import Phase, Task
from schemas.buckets import buckets_of_ints

#: A page may lose to one that loses in a later phase: by address, by text, as nearly the same, by its images.
ROUNDS = 4


def tell_unwritten(task: Task, seen: Sequence[int], written: Sequence[int]) -> None:
    """Of the pages that comparing left those that became no sample."""
    uids = np.setdiff1d(np.array(seen, np.int64), np.array(written, np.int64))
    task.writer("unwritten", LOSERS).add_table(buckets_of_ints(uids, task.plan.buckets), pa.table({"uid": uids}))


def spare(task: Task, unwritten: Phase, losing: Sequence[Phase]) -> None:
    """For one bucket of pages that became no sample: spare what is there and lost to them, and hand on the others that
    did: what lost to those did so for nothing either."""
    spared, further = task.writer("spared", LOSERS), task.writer("unwritten", LOSERS)
    winners, beaten = task.rows(unwritten, "unwritten"), task.rows(losing, "beaten")
    if winners is not None and beaten is not None:
        beaten = beaten.filter(np.isin(beaten.column("winner").to_numpy(), winners.column("uid").to_numpy()))
        known = is_known(task, beaten.column("uid").to_numpy())
        there, new = beaten.filter(known), beaten.filter(~known)
        spared.add_table(there.column("partition").to_numpy(), there)
        further.add_table(buckets_of_ints(new.column("uid").to_numpy(), task.plan.buckets), new)


#: One after the other.
SPARED = [Phase(f"spare-{number:02d}", "buckets", spare) for number in range(ROUNDS)]
