"""Before any image is opened: which pages are superseded or repeated, and where the wanted images lie.

Map/reduce steps over hash buckets: by address, then by text among what the first left. One after the other, because a
page must not be dropped in favour of one that is itself dropped.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.phases.extract import EXTRACT, PAGES
from jobs.phases.task import Phase, Task
from schemas.buckets import BucketWriter, buckets_of_digests, buckets_of_ints, first_of_each
from schemas.drops import DropRow, Tally

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


def dedup_urls(task: Task, wanting: Sequence[Phase]) -> None:
    """For one bucket of addresses: keep the newest capture of each page, and tell partitions where their media lie.

    `wanting` are the phases whose tasks have written which partition wants what.
    """
    losers, survivors = task.writer("losers", LOSERS), task.writer("pages", PAGES)
    locations = task.writer("locations", LOCATIONS)
    pages = task.rows(EXTRACT, "pages") if "interleaved" in task.config.kinds else None
    if pages is not None:
        pages = keep_newest(pages, "key", "duplicate_url", losers, task.tally)
        survivors.add_table(buckets_of_digests(pages.column("text_key"), task.plan.buckets), pages)
    for found in _locate(task, wanting):
        locations.add_table(found.column("partition").to_numpy(), found)


def dedup_texts(task: Task) -> None:
    """For one bucket of texts: keep the newest page of each, and hand on the bands of those left."""
    losers, left, bands = task.writer("losers", LOSERS), task.writer("pages", LEFT), task.writer("bands", BANDS)
    pages = task.rows(URLS, "pages")
    if pages is not None:
        pages = keep_newest(pages, "text_key", "duplicate_text", losers, task.tally)
        left.add_table(buckets_of_ints(pages.column("uid").to_numpy(), task.plan.buckets), pages)
        for part in pages.select(["uid", "bands"]).to_batches(max_chunksize=100_000):
            rows = _bands(part)
            bands.add_table(buckets_of_ints(rows.column("band").to_numpy(), task.plan.buckets), rows)


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


def _bands(pages: pa.RecordBatch) -> pa.Table:
    """A row for each band of each page, in the form of `BANDS`."""
    pages = pages.filter(pc.greater(pc.binary_length(pages.column("bands")), 0))
    packed = pages.column("bands").to_pylist()
    keys = np.frombuffer(b"".join(packed), "<i8").astype(np.int64)
    uids = np.repeat(pages.column("uid").to_numpy(), [len(bands) // 8 for bands in packed])
    return pa.table({"band": keys, "uid": uids}, schema=pa.schema(list(BANDS.items())))


def _locate(task: Task, wanting: Sequence[Phase]) -> Iterator[Any]:
    """Join the wanted addresses of a bucket with the captured ones; of several captures the newest."""
    wanted, captures = task.rows(wanting, "wanted"), task.rows(EXTRACT, "captures")
    if wanted is None or captures is None:
        return
    order = [("time", "descending"), ("archive", "ascending"), ("offset", "ascending")]
    captures = first_of_each(captures, "key", order)
    captures = captures.filter(pc.field("first")).select(list(LOCATIONS))
    # Most of what is wanted was not captured: it need not be made distinct.
    wanted = wanted.filter(pc.is_in(wanted.column("key"), captures.column("key").combine_chunks()))
    wanted = wanted.select(["key", "partition"]).group_by(["key", "partition"]).aggregate([])
    yield wanted.join(captures, "key", join_type="inner").sort_by([("partition", "ascending"), ("key", "ascending")])


URLS = Phase("urls", "buckets", dedup_urls)
TEXTS = Phase("texts", "buckets", dedup_texts)
