"""Phase 2, before any image is opened: which pages are superseded or repeated, and where the wanted images lie.

Two map/reduce steps over hash buckets: by address, then by text among what the first left. One after the other, because
a page must not be dropped in favour of one that is itself dropped.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.extract import PAGES
from jobs.plan import Plan, read_plan
from schemas.buckets import BucketWriter, bucket_of, first_of_each, read_bucket
from schemas.commits import Attempt, Commit
from schemas.drop_files import DropFile
from schemas.drops import DropRow, Tally
from schemas.storage import Store

LOCATIONS = {
    "key": pa.binary(),
    "archive": pa.int32(),
    "offset": pa.int64(),
    "length": pa.int64(),
    "record_url": pa.string(),
}
LOSERS = {"uid": pa.int64()}


def dedup_urls(output: str, bucket: int) -> Commit:
    """For one bucket of addresses: keep the newest capture of each page, and tell partitions where their images lie."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "urls", bucket) as attempt:
        with DropFile(attempt, f"drops/urls-{bucket:06d}.parquet") as drops, ExitStack() as stack:
            tally = Tally(drops.add)
            losers = _writer(attempt, stack, f"work/urls/{bucket:06d}.losers.parquet", LOSERS)
            survivors = _writer(attempt, stack, f"work/urls/{bucket:06d}.pages.parquet", PAGES)
            locations = _writer(attempt, stack, f"work/urls/{bucket:06d}.locations.parquet", LOCATIONS)
            for row in _judged(store, _extracted(plan, "pages"), bucket, "key", "duplicate_url", losers, tally):
                key = row["text_key"]
                survivors.add(bucket_of(key, plan.partitions), *(row[name] for name in PAGES), size=300)
            for row in _locate(store, plan, bucket):
                locations.add(row["partition"], *(row[name] for name in LOCATIONS))
        return attempt.commit(tally.counts())


def dedup_texts(output: str, bucket: int) -> Commit:
    """For one bucket of texts: keep the newest page of each."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "texts", bucket) as attempt:
        with DropFile(attempt, f"drops/texts-{bucket:06d}.parquet") as drops, ExitStack() as stack:
            tally = Tally(drops.add)
            losers = _writer(attempt, stack, f"work/texts/{bucket:06d}.losers.parquet", LOSERS)
            names = [f"work/urls/{index:06d}.pages.parquet" for index in range(plan.partitions)]
            for _ in _judged(store, names, bucket, "text_key", "duplicate_text", losers, tally):
                pass
        return attempt.commit(tally.counts())


def _extracted(plan: Plan, name: str) -> list[str]:
    return [f"work/extract/{index:06d}.{name}.parquet" for index in range(len(plan.inputs))]


def _writer(attempt: Attempt, stack: ExitStack, name: str, columns: dict[str, pa.DataType]) -> BucketWriter:
    return stack.enter_context(BucketWriter(attempt.create(name), columns))


def _judged(
    store: Store, names: list[str], bucket: int, key: str, reason: str, losers: BucketWriter, tally: Tally
) -> Iterator[dict[str, Any]]:
    """The newest page of each key; the others become losers and drops. Equal times are decided by the higher uid."""
    table = read_bucket(store, names, bucket)
    if table is None:
        return
    table = first_of_each(table, key, [("time", "descending"), ("uid", "descending")])
    survivor: dict[str, Any] = {}
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            tally.saw("page")
            if row["first"]:
                survivor = row
                tally.kept("page")
                yield row
            else:
                detail = f"same as {survivor['url']} of {survivor['time']}"
                tally.drop(DropRow(row["url"], "page", reason, detail))
                losers.add(row["partition"], row["uid"])


def _locate(store: Store, plan: Plan, bucket: int) -> Iterator[dict[str, Any]]:
    """Join the wanted addresses of a bucket with the captured ones; of several captures the newest."""
    wanted = read_bucket(store, _extracted(plan, "wanted"), bucket)
    captures = read_bucket(store, _extracted(plan, "captures"), bucket)
    if wanted is None or captures is None:
        return
    order = [("time", "descending"), ("archive", "ascending"), ("offset", "ascending")]
    captures = first_of_each(captures, "key", order)
    captures = captures.filter(pc.field("first")).select(list(LOCATIONS))
    wanted = wanted.select(["key", "partition"]).group_by(["key", "partition"]).aggregate([])
    found = wanted.join(captures, "key", join_type="inner").sort_by([("partition", "ascending"), ("key", "ascending")])
    for batch in found.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()
