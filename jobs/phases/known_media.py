"""Images and videos that builds before this one fetched for the dataset: they are captured, and not asked for again."""

import msgspec
import pyarrow as pa

from crawlers.outcomes import read_failures, read_outcomes
from jobs.crawl.mirror import at_hand
from jobs.phases.extract import CAPTURES
from jobs.phases.task import Phase, Task
from schemas.buckets import bucket_of
from schemas.builds import build_of

#: In a build that retries: what failed, by the build that asked last; without an item where that will not pass.
FAILURES = {"key": pa.binary(), "medium": pa.binary(), "build": pa.int32(), "item": pa.binary()}


def tell_known_media(task: Task) -> None:
    """For one frontier of a crawl of media: where what it fetched lies, in the bucket of its address; in a build that
    retries also what failed."""
    writer, name = task.writer("captures", CAPTURES), task.plan.known_media[task.index]
    build, dash, _ = name.rpartition("/")[2].rpartition("-")  # archives of a build have its prefix, as its frontiers
    numbers = {url.rpartition("/")[2]: number for number, url in enumerate(task.plan.media_archives)}
    with at_hand(task.memory.onto, name) as path:
        for found in read_outcomes(path):
            archive = numbers.get(f"{build}{dash}{found.place.file}") if found.place is not None else None
            if found.place is not None and archive is not None:
                row = (found.key, archive, found.place.offset, found.place.length, found.record_url, "")
                writer.add(bucket_of(found.key, task.plan.buckets), *row, size=200)
        if not task.plan.retries:
            return
        failures = task.writer("failures", FAILURES)
        for failed in read_failures(path):
            medium, item = failed.key[:-1], msgspec.msgpack.encode(failed.item) if failed.item is not None else b""
            by = build_of(f"{build}{dash}")
            failures.add(bucket_of(medium, task.plan.buckets), failed.key, medium, by, item, size=300)


KNOWN_MEDIA = Phase("known-media", "known_media", tell_known_media)
