"""What failed for a dataset in builds before, for a reason that may have passed, is asked for again."""

import msgspec
import pyarrow.compute as pc

from crawlers.items import Item
from crawlers.scope import partition_of
from jobs.phases.fetch import ASKED_ROWS
from jobs.phases.known_media import KNOWN_MEDIA
from jobs.phases.task import Phase, Task
from schemas.buckets import first_of_each


def ask_again(task: Task) -> None:
    """For one bucket of addresses: ask for those whose last failure may have passed, unless they have come since.

    `unfinished` is the number of these.
    """
    asked, partitions = task.writer("asked", ASKED_ROWS), task.memory.fetched.partitions
    failures, captures = task.rows(KNOWN_MEDIA, "failures"), task.rows(KNOWN_MEDIA, "captures")
    if failures is None:
        return
    if captures is not None:
        failures = failures.filter(
            pc.invert(pc.is_in(failures.column("medium"), captures.column("key").combine_chunks()))
        )
    failures = first_of_each(failures, "key", [("build", "descending"), ("item", "ascending")])
    for packed in failures.filter(pc.field("first")).column("item").to_pylist():
        if packed:
            item = msgspec.msgpack.decode(packed, type=Item)
            asked.add(partition_of(item.url, partitions), packed, size=len(packed) + 100)
            task.unfinished += 1


ASK_AGAIN = Phase("ask-again", "buckets", ask_again)
