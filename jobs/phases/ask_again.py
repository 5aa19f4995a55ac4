"""What failed for a dataset in builds before is asked for again, where that may pass. What a later one fetched, or has
in its inputs, is not: it is late for the pages of those before, which lack it."""

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from crawlers.items import Item
from crawlers.scope import partition_of
from jobs.phases.fetch import ASKED_ROWS
from jobs.phases.known_media import KNOWN_MEDIA, known_captures
from jobs.phases.late import LATE_ROWS
from jobs.phases.task import Phase, Task
from schemas.buckets import bucket_of, first_of_each


def ask_again(task: Task) -> None:
    """For one bucket of addresses: ask for those whose last failure may have passed, and tell which are at hand since.

    `unfinished` is the number of both. What was at hand already at the last try was made use of by that.
    """
    asked, late = task.writer("asked", ASKED_ROWS), task.writer("late", LATE_ROWS)
    failures, partitions = task.rows(KNOWN_MEDIA, "failures"), task.memory.fetched.partitions
    if failures is None or task.plan.onto is None:
        return
    at_hand = _at_hand(task, failures.column("medium"))
    failures = first_of_each(failures, "key", [("build", "descending"), ("item", "ascending")])
    failures = failures.filter(pc.field("first"))
    for medium, packed in zip(*(failures.column(name).to_pylist() for name in ("medium", "item")), strict=True):
        if medium in at_hand:
            if at_hand[medium] > task.plan.onto.tried:
                late.add(bucket_of(medium, partitions), medium)
                task.unfinished += 1
        elif packed:
            item = msgspec.msgpack.decode(packed, type=Item)
            asked.add(partition_of(item.url, partitions), packed, size=len(packed) + 100)
            task.unfinished += 1


def _at_hand(task: Task, media: pa.ChunkedArray) -> dict[bytes, int]:
    """Those of these media that are there, with the number of the first build that had them."""
    known = known_captures(task, media)
    if known is None:
        return {}
    first = known.group_by("key").aggregate([("build", "min")])
    return dict(zip(first.column("key").to_pylist(), first.column("build_min").to_pylist(), strict=True))


ASK_AGAIN = Phase("ask-again", "buckets", ask_again)
