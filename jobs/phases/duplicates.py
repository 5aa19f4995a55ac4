"""Before any image is opened: which pages are superseded or repeated, and where the wanted images lie.

Map/reduce steps over hash buckets: by address, then by text among what the first left. One after the other, because a
page must not be dropped in favour of one that is itself dropped.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.phases.captured import keep_captured
from jobs.phases.extract import CAPTURES, EXTRACT, PAGES
from jobs.phases.known import is_known, key_of_known, superseded_writer
from jobs.phases.known_media import known_captures
from jobs.phases.known_pages import KNOWN_PAGES
from jobs.phases.task import Phase, Task
from schemas.buckets import buckets_of_digests, buckets_of_ints, first_of_each
from schemas.drops import DropRow

LOCATIONS = {
    "key": pa.binary(),
    "archive": pa.int32(),
    "offset": pa.int64(),
    "length": pa.int64(),
    "record_url": pa.string(),
}
LOSERS = {"uid": pa.int64()}
#: In a build that adds to a dataset: who lost to whom.
BEATEN = {"winner": pa.int64(), "uid": pa.int64(), "partition": pa.int32()}
#: Rows by page, of those that exact rules leave; and a row for each band of each text.
LEFT = {"uid": pa.int64(), "time": pa.string(), "partition": pa.int32(), "url": pa.string()}
BANDS = {"band": pa.int64(), "uid": pa.int64()}


def dedup_urls(task: Task, wanting: Sequence[Phase]) -> None:
    """For one bucket of addresses: keep the newest capture of each page, and tell partitions where their media lie.

    `wanting` are the phases whose tasks have written which partition wants what.
    """
    losers, survivors = Losers(task), task.writer("pages", PAGES)
    locations = task.writer("locations", LOCATIONS)
    pages = task.rows([EXTRACT, KNOWN_PAGES], "pages") if "interleaved" in task.config.kinds else None
    if pages is not None:
        pages = losers.keep_newest(pages, "key", "duplicate_url")
        survivors.add_table(buckets_of_digests(pages.column("text_key"), task.plan.buckets), pages)
    for found in _locate(task, wanting):
        locations.add_table(found.column("partition").to_numpy(), found)


def dedup_texts(task: Task) -> None:
    """For one bucket of texts: keep the newest page of each, and hand on the bands of those left."""
    losers, left, bands = Losers(task), task.writer("pages", LEFT), task.writer("bands", BANDS)
    pages = task.rows(URLS, "pages")
    if pages is not None:
        pages = losers.keep_newest(pages, "text_key", "duplicate_text")
        left.add_table(buckets_of_ints(pages.column("uid").to_numpy(), task.plan.buckets), pages)
        for part in pages.select(["uid", "bands"]).to_batches(max_chunksize=100_000):
            rows = _bands(part)
            bands.add_table(buckets_of_ints(rows.column("band").to_numpy(), task.plan.buckets), rows)


class Losers:
    """Keeps the newest of pages that are the same. The others are dropped; those of the dataset that a build adds to
    are told to the task that reads their shards."""

    def __init__(self, task: Task) -> None:
        self._task, self._losers, self._superseded = task, task.writer("losers", LOSERS), superseded_writer(task)
        self._beaten = task.writer("beaten", BEATEN) if task.plan.onto is not None else None

    def keep_newest(self, pages: pa.Table, key: str, reason: str) -> pa.Table:
        """The newest page of each key. Equal times are decided by the higher uid."""
        pages = first_of_each(pages, key, [("time", "descending"), ("uid", "descending")])
        first, known = pages.column("first").to_numpy(), is_known(self._task, pages.column("uid").to_numpy())
        self._task.tally.saw("page", int((~known).sum()))
        self._task.tally.kept("page", int((first & ~known).sum()))
        places = np.flatnonzero(~first)
        winners = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))[places]
        for start in range(0, len(places), 10_000):
            some = slice(start, start + 10_000)
            self._lose(pages.take(places[some]), pages.select(["uid", "url", "time"]).take(winners[some]), reason)
        return pages.filter(pages.column("first"))

    def _lose(self, lost: pa.Table, won: pa.Table, reason: str) -> None:
        partitions = lost.column("partition").to_numpy()
        self._losers.add_table(partitions, lost)
        if self._beaten is not None:
            rows = lost.select(["uid", "partition"]).append_column("winner", won.column("uid"))
            buckets = buckets_of_ints(won.column("uid").to_numpy(), self._task.plan.buckets)
            self._beaten.add_table(buckets, rows)
        known = is_known(self._task, lost.column("uid").to_numpy()).tolist()
        rows = zip(known, partitions.tolist(), lost.select(["uid", "url"]).to_pylist(), won.to_pylist(), strict=True)
        for is_there, partition, row, winner in rows:
            detail = f"same as {winner['url']} of {winner['time']}"
            if is_there and self._superseded is not None:
                self._superseded.add(partition, key_of_known(row["uid"]), reason, detail, size=200)
            else:
                self._task.tally.drop(DropRow(row["url"], "page", reason, detail))


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
    if captures is not None:
        captures = _newest(captures)
        keep_captured(task, captures)
    known = known_captures(task, wanted.column("key")) if task.plan.known_media and wanted is not None else None
    if known is not None:
        known = known.select(list(CAPTURES))
        captures = _newest(known if captures is None else pa.concat_tables([captures, known]))
    if wanted is None or captures is None:
        return
    captures = captures.select(list(LOCATIONS))
    # Most of what is wanted was not captured: it need not be made distinct.
    wanted = wanted.filter(pc.is_in(wanted.column("key"), captures.column("key").combine_chunks()))
    wanted = wanted.select(["key", "partition"]).group_by(["key", "partition"]).aggregate([])
    yield wanted.join(captures, "key", join_type="inner").sort_by([("partition", "ascending"), ("key", "ascending")])


def _newest(captures: pa.Table) -> pa.Table:
    """Of each address the capture that counts."""
    order = [("time", "descending"), ("archive", "ascending"), ("offset", "ascending")]
    return first_of_each(captures, "key", order).filter(pc.field("first")).select(list(CAPTURES))


URLS = Phase("urls", "buckets", dedup_urls)
TEXTS = Phase("texts", "buckets", dedup_texts)
