"""Before any image is opened: which pages are superseded or repeated, and where the wanted images lie.

Map/reduce steps over hash buckets: by address, then by text among what the first left. One after the other, because a
page must not be dropped in favour of one that is itself dropped.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.kinds.clips.take import LISTS
from jobs.phases.extract import PAGES
from jobs.phases.plan import Plan, read_plan
from schemas.buckets import BucketWriter, buckets_of_digests, buckets_of_ints, first_of_each, read_bucket
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
#: Rows by page, of those that exact rules leave; and a row for each band of each text.
LEFT = {"uid": pa.int64(), "time": pa.string(), "partition": pa.int32(), "url": pa.string()}
BANDS = {"band": pa.int64(), "uid": pa.int64()}


def dedup_urls(output: str, bucket: int) -> Commit:
    """For one bucket of addresses: keep the newest capture of each page, and tell partitions where their images lie."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "urls", bucket) as attempt:
        with DropFile(attempt, f"drops/urls-{bucket:06d}.parquet") as drops, ExitStack() as stack:
            tally = Tally(drops.add)
            losers = open_writer(attempt, stack, "urls", bucket, "losers", LOSERS)
            survivors = open_writer(attempt, stack, "urls", bucket, "pages", PAGES)
            locations = open_writer(attempt, stack, "urls", bucket, "locations", LOCATIONS)
            pages = read_bucket(store, _extracted(plan, "pages"), bucket)
            if pages is not None:
                pages = keep_newest(pages, "key", "duplicate_url", losers, tally)
                survivors.add_table(buckets_of_digests(pages.column("text_key"), plan.buckets), pages)
            for found in _locate(store, plan, bucket):
                locations.add_table(found.column("partition").to_numpy(), found)
        return attempt.commit(tally.counts())


def dedup_texts(output: str, bucket: int) -> Commit:
    """For one bucket of texts: keep the newest page of each, and hand on the bands of those left."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "texts", bucket) as attempt:
        with DropFile(attempt, f"drops/texts-{bucket:06d}.parquet") as drops, ExitStack() as stack:
            tally = Tally(drops.add)
            losers = open_writer(attempt, stack, "texts", bucket, "losers", LOSERS)
            left = open_writer(attempt, stack, "texts", bucket, "pages", LEFT)
            bands = open_writer(attempt, stack, "texts", bucket, "bands", BANDS)
            pages = read_bucket(store, work_files("urls", plan.buckets, "pages"), bucket)
            if pages is not None:
                pages = keep_newest(pages, "text_key", "duplicate_text", losers, tally)
                left.add_table(buckets_of_ints(pages.column("uid").to_numpy(), plan.buckets), pages)
                for part in pages.select(["uid", "bands"]).to_batches(max_chunksize=100_000):
                    rows = _bands(part)
                    bands.add_table(buckets_of_ints(rows.column("band").to_numpy(), plan.buckets), rows)
        return attempt.commit(tally.counts())


def work_files(phase: str, count: int, name: str) -> list[str]:
    """What each of the `count` tasks of a phase calls `name`."""
    return [f"work/{phase}/{index:06d}.{name}.parquet" for index in range(count)]


def open_writer(
    attempt: Attempt, stack: ExitStack, phase: str, index: int, name: str, columns: dict[str, pa.DataType]
) -> BucketWriter:
    """A file of `work_files`, closed with the stack."""
    file = attempt.create(f"work/{phase}/{index:06d}.{name}.parquet")
    return stack.enter_context(BucketWriter(file, columns))


def keep_newest(pages: pa.Table, key: str, reason: str, losers: BucketWriter, tally: Tally) -> pa.Table:
    """The newest page of each key; the others become losers and drops. Equal times are decided by the higher uid."""
    pages = first_of_each(pages, key, [("time", "descending"), ("uid", "descending")])
    first = pages.column("first").to_numpy()
    tally.saw("page", len(first))
    tally.kept("page", int(first.sum()))
    places = np.flatnonzero(~first)
    winners = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))[places]
    for start in range(0, len(places), 10_000):
        lost = pages.select(["uid", "partition", "url"]).take(places[start : start + 10_000])
        won = pages.select(["url", "time"]).take(winners[start : start + 10_000])
        losers.add_table(lost.column("partition").to_numpy(), lost)
        for url, winner in zip(lost.column("url").to_pylist(), won.to_pylist(), strict=True):
            tally.drop(DropRow(url, "page", reason, f"same as {winner['url']} of {winner['time']}"))
    return pages.filter(pages.column("first"))


def _extracted(plan: Plan, name: str) -> list[str]:
    return work_files("extract", len(plan.inputs), name)


def _wanted(plan: Plan) -> list[str]:
    """The files that name the media of pages, and the videos of lists."""
    return _extracted(plan, "wanted") + work_files(LISTS, len(plan.video_lists), "wanted")


def _bands(pages: pa.RecordBatch) -> pa.Table:
    """A row for each band of each page, in the form of `BANDS`."""
    pages = pages.filter(pc.greater(pc.binary_length(pages.column("bands")), 0))
    packed = pages.column("bands").to_pylist()
    keys = np.frombuffer(b"".join(packed), "<i8").astype(np.int64)
    uids = np.repeat(pages.column("uid").to_numpy(), [len(bands) // 8 for bands in packed])
    return pa.table({"band": keys, "uid": uids}, schema=pa.schema(list(BANDS.items())))


def _locate(store: Store, plan: Plan, bucket: int) -> Iterator[Any]:
    """Join the wanted addresses of a bucket with the captured ones; of several captures the newest."""
    wanted = read_bucket(store, _wanted(plan), bucket)
    captures = read_bucket(store, _extracted(plan, "captures"), bucket)
    if wanted is None or captures is None:
        return
    order = [("time", "descending"), ("archive", "ascending"), ("offset", "ascending")]
    captures = first_of_each(captures, "key", order)
    captures = captures.filter(pc.field("first")).select(list(LOCATIONS))
    wanted = wanted.select(["key", "partition"]).group_by(["key", "partition"]).aggregate([])
    yield wanted.join(captures, "key", join_type="inner").sort_by([("partition", "ascending"), ("key", "ascending")])
