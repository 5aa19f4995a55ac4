"""The first phase: archives are read; each page passes the recipe, and what it gives is taken by kind of sample.

Images and videos are only indexed by address: where they lie, and which partition wants them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crawlers.inputs import Input
from crawlers.warc import read_captures
from crawlers.warc_records import Capture, page_of_capture
from jobs.config import BuildConfig, warc_settings
from jobs.engine.isolation import Isolated
from jobs.phases.late import late_of, only_late
from jobs.phases.recipe import Recipe
from jobs.phases.referred import Referred
from jobs.phases.sizes import put_sizes
from jobs.phases.steps import Extracted
from jobs.phases.task import Phase, Task
from schemas.buckets import bucket_of
from schemas.documents import Page
from schemas.drops import Tally, each
from schemas.urls import media_key

#: Rows of what later phases read of this one.
DRAFTS = {"uid": pa.int64(), "order": pa.int64(), "url": pa.string(), "draft": pa.binary()}
PAGES = {
    "key": pa.binary(),  # of the canonical address
    "text_key": pa.binary(),
    "bands": pa.binary(),  # of the text's MinHash signature; empty where near-duplicates may stay
    "time": pa.string(),
    "uid": pa.int64(),
    "partition": pa.int32(),
    "url": pa.string(),
}
WANTED = {"key": pa.binary(), "partition": pa.int32()}
CAPTURES = {
    "key": pa.binary(),
    "archive": pa.int32(),
    "offset": pa.int64(),
    "length": pa.int64(),
    "record_url": pa.string(),  # "" if it is the address itself
    "time": pa.string(),
}

#: Bytes of an archive, as it lies there, in which media of a trial's pages are looked for behind the last of these.
_BEHIND_TRIAL = 64_000_000


class Wanted:
    """Which partitions want which media."""

    def __init__(self, task: Task) -> None:
        self._writer, self._buckets = task.writer("wanted", WANTED), task.plan.buckets

    def add(self, urls: Iterable[str], partition: int) -> None:
        """One partition wants these."""
        for key in dict.fromkeys(map(media_key, urls)):
            self._writer.add(bucket_of(key, self._buckets), key, partition)


class Taker(Protocol):
    """Hands on what pages give of one kind of sample."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes by partition, by which partitions are cut into slices."""

    def take(self, found: Extracted) -> None:
        """Raises the `Drop` of the page."""


class Captures:
    """Where images and videos lie, under their address and those that redirected to it."""

    def __init__(self, task: Task) -> None:
        self._writer, self._buckets = task.writer("captures", CAPTURES), task.plan.buckets

    def add(self, capture: Capture, archive: int) -> None:
        stored_url = capture.stored_url
        for url in capture.addresses:
            key = media_key(url)
            row = (key, archive, capture.offset, capture.length, stored_url, capture.fetch_time)
            self._writer.add(bucket_of(key, self._buckets), *row, size=200)
            stored_url = capture.stored_url or capture.url


def extract(task: Task, recipe: Recipe, takers: Sequence[Callable[[Task, Wanted], Taker]]) -> None:
    """Read some archives of the plan. Of the takers the last may drop pages that those before it have taken from."""
    wanted, places = Wanted(task), Captures(task)
    opened = [taker(task, wanted) for taker in takers]
    read = task.enter(Isolated(recipe.read, task.config.isolation))
    late = late_of(task)
    for number in task.plan.inputs_of(task.index) if late is None or late else ():
        pages = pages_in(task, number, places.add)
        for _ in each(partial(_take, task, number, read, opened), pages, task.tally):
            task.tally.kept("page")
    write_sizes(task, opened)


def pages_in(task: Task, number: int, add: Callable[[Capture, int], None]) -> Iterator[Capture]:
    """The pages of archive `number`; `add` is given its media, each with the number of the archive that it lies in."""
    captures = _told(task, number, read_archive(task.plan.inputs[number], task.config, task.tally))
    captures = first_pages(captures, task.plan.pages_of(number))
    return _without_images(captures, number, task.memory.once(Referred), add, task.tally)


def _told(task: Task, number: int, captures: Iterator[Capture]) -> Iterator[Capture]:
    """The captures of an archive; it is told how far the task is, by bytes, or by archives where sizes are unknown."""
    own = task.plan.inputs_of(task.index)
    sizes = [task.plan.inputs[one].size for one in own]
    before, place = sizes[: number - own.start], number - own.start
    for capture in captures:
        if min(sizes) > 0:
            task.at(sum(before) + capture.offset, sum(sizes))
        else:
            task.at(place, len(sizes))
        yield capture


def first_pages(captures: Iterator[Capture], limit: int | None) -> Iterator[Capture]:
    """The captures up to the last of so many pages, and media in some megabytes behind it; without a limit all.

    A crawl asks for the media of a page after it, and often after other pages.
    """
    pages, end = 0, None
    for capture in captures:
        pages += not capture.is_image
        if limit is None or pages <= limit:
            yield capture
            continue
        end = capture.offset + _BEHIND_TRIAL if end is None else end
        if capture.offset > end:
            return
        if capture.is_image:
            yield capture


def _take(
    task: Task, number: int, read: Callable[[Page], Extracted], takers: Sequence[Taker], capture: Capture
) -> None:
    """Of the page of a capture in archive `number`."""
    page = page_of_capture(
        capture, task.plan.uid_of(number, capture.number), task.plan.inputs[number].url, task.config.warc
    )
    found, late = read(page), late_of(task)
    found = found if late is None else only_late(found, late)
    for taker in takers:
        taker.take(found)


def write_sizes(task: Task, takers: Sequence[Taker]) -> None:
    """Where slices are cut depends on the bytes of all that is taken."""
    sizes = sum((taker.sizes for taker in takers), np.zeros(task.plan.partitions, np.int64))
    put_sizes(task, sizes)


def read_archive(archive: Input, config: BuildConfig, tally: Tally) -> Iterator[Capture]:
    """The captures of one archive, by what the kinds of the build want of it."""
    with fsspec.open(archive.url, "rb") as file:
        size = archive.size if archive.size >= 0 else file.seek(0, 2)
        file.seek(0)
        yield from read_captures(file, archive.url, size, warc_settings(config), tally)


def _without_images(
    captures: Iterator[Capture],
    index: int,
    archives: Referred,
    add: Callable[[Capture, int], None],
    tally: Tally,
) -> Iterator[Capture]:
    """The pages; images are added as they pass, those of revisit records where their payload lies."""
    for capture in captures:
        if capture.is_image:
            stored_in = archives.find(capture.stored_in, index) if capture.stored_in else index
            if stored_in is not None:  # else the image is not captured
                add(capture, stored_in)
        else:
            tally.saw("page")
            yield capture


EXTRACT = Phase("extract", "inputs", extract)
