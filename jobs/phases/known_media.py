"""Images and videos that builds before this one have of the web or of their inputs: they are at hand, and not asked
for again."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crawlers.outcomes import read_failures, read_outcomes
from jobs.crawl.mirror import at_hand
from jobs.phases.captured import read_captured
from jobs.phases.extract import CAPTURES
from jobs.phases.referred import Referred
from jobs.phases.task import Memory, Phase, Task
from schemas.buckets import bucket_of
from schemas.builds import CAPTURED, build_of
from schemas.shuffle import BucketWriter

#: Where they lie, and which build had them.
KNOWN_CAPTURES = {**CAPTURES, "build": pa.int32()}
#: In a build that retries: what failed, by the build that asked last; without an item where that will not pass.
FAILURES = {"key": pa.binary(), "medium": pa.binary(), "build": pa.int32(), "item": pa.binary()}


def tell_known_media(task: Task) -> None:
    """Where media lie, in the bucket of their address: those that one frontier of a crawl of media fetched, or some
    files say that inputs hold. In a build that retries also what failed."""
    captures, names = task.writer("captures", KNOWN_CAPTURES), task.plan.known_media[task.index]
    failures = task.writer("failures", FAILURES) if task.plan.retries else None
    for name in names:
        if not name.startswith(f"{CAPTURED}/"):
            _tell_fetched(task, name, captures, failures)
            continue
        for rows in read_captured(task, name):
            buckets = [bucket_of(key, task.plan.buckets) for key in rows.column("key").to_pylist()]
            captures.add_table(np.array(buckets, np.int32), rows)


def _tell_fetched(task: Task, name: str, captures: BucketWriter, failures: BucketWriter | None) -> None:
    """Of the frontier of this name."""
    before, dash, _ = name.rpartition("/")[2].rpartition("-")  # archives of a build have its prefix, as its frontiers
    prefix, buckets = f"{before}{dash}", task.plan.buckets
    by, numbers = build_of(prefix), task.memory.once(_fetched)
    with at_hand(task.memory.onto, name) as path:
        for found in read_outcomes(path):
            place = found.place
            archive = numbers.get(f"{prefix}{place.file}") if place is not None else None
            if place is not None and archive is not None:
                row = (found.key, archive, place.offset, place.length, found.record_url, "", by)
                captures.add(bucket_of(found.key, buckets), *row, size=200)
        if failures is None:
            return
        for failed in read_failures(path):
            medium, item = failed.key[:-1], msgspec.msgpack.encode(failed.item) if failed.item is not None else b""
            failures.add(bucket_of(medium, buckets), failed.key, medium, by, item, size=300)


def _fetched(memory: Memory) -> dict[str, int]:
    """The numbers of the archives of what was fetched, by their names: they are the last."""
    plan = memory.plan
    media = plan.onto.media if plan.onto is not None else []
    first = len(plan.media_archives) - len(media)
    return {url.rpartition("/")[2]: number for number, url in enumerate(media, first)}


KNOWN_MEDIA = Phase("known-media", "known_media", tell_known_media)


def known_captures(task: Task, keys: pa.ChunkedArray) -> pa.Table | None:
    """Of the task's bucket what builds before have of these addresses, as far as it is at hand; None where there is
    nothing."""
    wanted = keys.unique()
    found = [rows.filter(pc.is_in(rows.column("key"), wanted)) for rows in task.groups(KNOWN_MEDIA, "captures")]
    if not found:
        return None
    rows = pa.concat_tables(found)
    there = task.memory.once(Referred).at_hand(rows.column("archive").unique().to_pylist())
    return rows.filter(pc.is_in(rows.column("archive"), pa.array(there, pa.int32())))
