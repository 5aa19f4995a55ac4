"""What the corpus has too often: paragraphs of a domain, image addresses, sets of images, and images by their content.

Each is counted exactly, in two steps: the tasks that open drafts write keys with their counts, grouped by key; the task
of a bucket of keys adds up and tells the slices that have a frequent key, so that each reads only what concerns it.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.config import BuildConfig
from jobs.phases.duplicates import TEXTS, URLS, Losers
from jobs.phases.known import bucket_of_known
from jobs.phases.known_pages import CountedKeys, known_pages
from jobs.phases.near_duplicates import SIMILAR
from jobs.phases.slices import read_drafts
from jobs.phases.task import Phase, Task
from pipeline.corpus_rules import image_keys, image_set_key, paragraph_keys
from schemas.buckets import bucket_of
from schemas.documents import Draft

COUNTED = {"key": pa.binary(), "slice": pa.int32(), "count": pa.int64()}
IMAGE_SETS = {
    "key": pa.binary(),
    "time": pa.string(),
    "uid": pa.int64(),
    "partition": pa.int32(),
    "url": pa.string(),
}
FREQUENT = {"key": pa.binary()}
NO_SLICE = -1  # in `COUNTED`, of what is there already and is not judged anew


def compares_addresses(config: BuildConfig) -> bool:
    """Whether any rule counts before images are opened."""
    rules = config.corpus
    limits = (rules.max_paragraph_repeats, rules.max_image_documents, rules.min_image_set)
    return any(limit is not None for limit in limits)


def losing_phases(config: BuildConfig) -> list[Phase]:
    """The phases that drop pages by comparing them."""
    return [URLS, TEXTS, *([SIMILAR] if config.near_duplicates else [])]


def all_losing_phases(config: BuildConfig) -> list[Phase]:
    """The same and the one that counts."""
    return [*losing_phases(config), *([FREQUENT_KEYS] if compares_addresses(config) else [])]


def count_keys(task: Task) -> None:
    """For one slice: the keys of its paragraphs, images and sets of images, with their counts."""
    plan, rules = task.plan, task.config.corpus
    paragraphs: Counter[bytes] = Counter()
    images: Counter[bytes] = Counter()
    sets, kept = task.writer("sets", IMAGE_SETS), CountedKeys(task)
    for draft in read_drafts(task, losing_phases(task.config), tells=True):
        own_paragraphs, own_images = list(paragraph_keys(draft)), image_keys(draft)
        kept.add(draft.uid, own_paragraphs, own_images)
        if rules.max_paragraph_repeats is not None:
            paragraphs.update(own_paragraphs)
        if rules.max_image_documents is not None:
            images.update(own_images)
        if rules.min_image_set is not None:
            key = _set_key(draft, own_images, rules.min_image_set)
            row = (key, draft.fetch_time, draft.uid, task.slice.partition, draft.url)
            sets.add(bucket_of(key, plan.buckets), *row, size=300)
    for name, counts in (("paragraphs", paragraphs), ("images", images)):
        add_counts(task, name, counts)


def _set_key(draft: Draft, keys: set[bytes], min_images: int) -> bytes:
    """Equal for pages with the same images; a page with too few to judge by is like no other."""
    return image_set_key(keys) if len(keys) >= min_images else hashlib.blake2b(b"%d" % draft.uid).digest()


def count_known_keys(task: Task) -> None:
    """For one group of shards that a build adds to: the same of the pages that it has not replaced so far."""
    rules, losing = task.config.corpus, losing_phases(task.config)
    lost = [table.column("uid") for table in task.groups(losing, "losers", bucket_of_known(task, task.index))]
    sets, counts = (
        task.writer("sets", IMAGE_SETS),
        {name: Counter[bytes]() for name in ("paragraphs", "images", "places")},
    )
    for page in known_pages(task, {uid for uids in lost for uid in uids.to_pylist()}):
        counts["paragraphs"].update(page.paragraphs)
        counts["images"].update(page.images)
        counts["places"].update(page.contents)
        if rules.min_image_set is not None and len(page.images) >= rules.min_image_set:
            key = image_set_key(set(page.images))
            row = (key, page.time, page.uid, bucket_of_known(task, task.index), page.url)
            sets.add(bucket_of(key, task.plan.buckets), *row, size=300)
    for name, of_name in counts.items():
        add_counts(task, name, of_name, of_slice=NO_SLICE)


def add_counts(task: Task, name: str, counts: Counter[bytes], of_slice: int | None = None) -> None:
    """The counts of a slice, by default the task's, in the form of `COUNTED`, in the order of their keys."""
    writer, number = task.writer(name, COUNTED), task.index if of_slice is None else of_slice
    for key, count in sorted(counts.items()):
        writer.add(bucket_of(key, task.plan.buckets), key, number, count, size=100)


def find_frequent(task: Task) -> None:
    """For one bucket of keys: which paragraphs and images stand in too many places, and which pages show the same."""
    rules, losers, counted = task.config.corpus, Losers(task), [COUNTS, KNOWN_COUNTS]
    sets = task.rows(counted, "sets")
    if sets is not None:
        losers.keep_newest(sets, "key", "same_images")
    _add_frequent(task, "paragraphs", counted, "paragraphs", rules.max_paragraph_repeats)
    _add_frequent(task, "images", counted, "images", rules.max_image_documents)


def find_frequent_content(task: Task, staged: Phase) -> None:
    """For one bucket of image contents, as the phase `staged` has counted them: which stand in too many places."""
    _add_frequent(task, "images", [staged, KNOWN_COUNTS], "places", task.config.corpus.max_image_places)


def _add_frequent(task: Task, name: str, counted: Sequence[Phase], counts: str, limit: int | None) -> None:
    """The keys of a bucket whose counts add up to more than `limit`, a row for each slice that has one."""
    writer, rows = task.writer(name, FREQUENT), task.rows(counted, counts)
    if rows is None or limit is None:
        return
    sums = rows.group_by("key").aggregate([("count", "sum")])
    frequent = sums.filter(pc.field("count_sum") > limit)
    rows = rows.filter(pc.is_in(rows.column("key"), frequent.column("key").combine_chunks()))
    rows = rows.filter(pc.field("slice") >= 0)
    rows = rows.sort_by([("slice", "ascending"), ("key", "ascending")])
    writer.add_table(rows.column("slice").to_numpy(), rows)


def frequent_keys(task: Task, phase: Phase, name: str) -> set[Any]:
    """The frequent keys that the task's slice has."""
    rows = task.rows(phase, name)
    return set() if rows is None else set(rows.column("key").to_pylist())


COUNTS = Phase("counts", "slices", count_keys)
KNOWN_COUNTS = Phase("known-counts", "known_pages", count_known_keys)
FREQUENT_KEYS = Phase("frequent", "buckets", find_frequent)
CONTENTS = Phase("contents", "buckets", find_frequent_content)
