"""What the corpus has too often: paragraphs of a domain, image addresses, sets of images, and images by their content.

Each is counted exactly, in two steps: the tasks that open drafts write keys with their counts, grouped by key; the task
of a bucket of keys adds up and tells the slices that have a frequent key, so that each reads only what concerns it.
"""

import hashlib
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.config import BuildConfig
from jobs.phases.duplicates import LOSERS, keep_newest, open_writer, work_files
from jobs.phases.plan import Plan, read_plan
from jobs.phases.slices import read_drafts, read_slices
from pipeline.corpus_rules import image_keys, image_set_key, paragraph_keys
from schemas.buckets import BucketWriter, bucket_of, read_bucket
from schemas.commits import Attempt, Commit
from schemas.documents import Draft
from schemas.drop_files import DropFile
from schemas.drops import Counts, Tally
from schemas.storage import Store

COUNTED = {"key": pa.binary(), "slice": pa.int32(), "count": pa.int64()}
IMAGE_SETS = {
    "key": pa.binary(),
    "time": pa.string(),
    "uid": pa.int64(),
    "partition": pa.int32(),
    "url": pa.string(),
}
FREQUENT = {"key": pa.binary()}


def compares_addresses(config: BuildConfig) -> bool:
    """Whether any rule counts before images are opened."""
    rules = config.corpus
    limits = (rules.max_paragraph_repeats, rules.max_image_documents, rules.min_image_set)
    return any(limit is not None for limit in limits)


def losing_phases(config: BuildConfig) -> list[str]:
    """The phases that let pages go by comparing them."""
    phases = ["urls", "texts"]
    phases += ["similar"] if config.near_duplicates else []
    return phases


def count_keys(output: str, index: int) -> Commit:
    """For one slice: the keys of its paragraphs, images and sets of images, with their counts."""
    plan, store = read_plan(output), Store(output)
    piece, rules = read_slices(output)[index], plan.config.corpus
    with Attempt(store, "counts", index) as attempt:
        with ExitStack() as stack:
            paragraphs: Counter[bytes] = Counter()
            images: Counter[bytes] = Counter()
            sets = open_writer(attempt, stack, "counts", index, "sets", IMAGE_SETS)
            for draft in read_drafts(store, plan, piece, losing_phases(plan.config)):
                if rules.max_paragraph_repeats is not None:
                    paragraphs.update(paragraph_keys(draft))
                if rules.max_image_documents is not None:
                    images.update(image_keys(draft))
                if rules.min_image_set is not None:
                    key = _set_key(draft, rules.min_image_set)
                    row = (key, draft.fetch_time, draft.uid, piece.partition, draft.url)
                    sets.add(bucket_of(key, plan.buckets), *row, size=300)
            for name, counts in (("paragraphs", paragraphs), ("images", images)):
                add_counts(open_writer(attempt, stack, "counts", index, name, COUNTED), counts, index, plan)
        return attempt.commit(Counts())


def _set_key(draft: Draft, min_images: int) -> bytes:
    """Equal for pages with the same images; a page with too few to judge by is like no other."""
    keys = image_keys(draft)
    return image_set_key(keys) if len(keys) >= min_images else hashlib.blake2b(b"%d" % draft.uid).digest()


def add_counts(writer: BucketWriter, counts: Counter[bytes], index: int, plan: Plan) -> None:
    """The counts of a slice, in the form of `COUNTED`, in the order of their keys."""
    for key, count in sorted(counts.items()):
        writer.add(bucket_of(key, plan.buckets), key, index, count, size=100)


def find_frequent(output: str, bucket: int) -> Commit:
    """For one bucket of keys: which paragraphs and images stand in too many places, and which pages show the same."""
    plan, store = read_plan(output), Store(output)
    slices, rules = len(read_slices(output)), plan.config.corpus
    with Attempt(store, "frequent", bucket) as attempt:
        with DropFile(attempt, f"drops/frequent-{bucket:06d}.parquet") as drops, ExitStack() as stack:
            tally = Tally(drops.add)
            losers = open_writer(attempt, stack, "frequent", bucket, "losers", LOSERS)
            sets = read_bucket(store, work_files("counts", slices, "sets"), bucket)
            if sets is not None:
                keep_newest(sets, "key", "same_images", losers, tally)
            limits = {"paragraphs": rules.max_paragraph_repeats, "images": rules.max_image_documents}
            for name, limit in limits.items():
                writer = open_writer(attempt, stack, "frequent", bucket, name, FREQUENT)
                _add_frequent(writer, store, work_files("counts", slices, name), bucket, limit)
        return attempt.commit(tally.counts())


def find_frequent_content(output: str, bucket: int) -> Commit:
    """For one bucket of image contents: which stand in too many places."""
    plan, store = read_plan(output), Store(output)
    names = work_files("assemble", len(read_slices(output)), "places")
    with Attempt(store, "contents", bucket) as attempt:
        with ExitStack() as stack:
            writer = open_writer(attempt, stack, "contents", bucket, "images", FREQUENT)
            _add_frequent(writer, store, names, bucket, plan.config.corpus.max_image_places)
        return attempt.commit(Counts())


def _add_frequent(writer: BucketWriter, store: Store, names: list[str], bucket: int, limit: int | None) -> None:
    """The keys of a bucket whose counts add up to more than `limit`, a row for each slice that has one."""
    rows = read_bucket(store, names, bucket)
    if rows is None or limit is None:
        return
    sums = rows.group_by("key").aggregate([("count", "sum")])
    frequent = sums.filter(pc.field("count_sum") > limit)
    rows = rows.filter(pc.is_in(rows.column("key"), frequent.column("key").combine_chunks()))
    rows = rows.sort_by([("slice", "ascending"), ("key", "ascending")])
    writer.add_table(rows.column("slice").to_numpy(), rows)


def frequent_keys(store: Store, plan: Plan, phase: str, name: str, index: int) -> set[Any]:
    """The frequent keys that a slice has."""
    rows = read_bucket(store, work_files(phase, plan.buckets, name), index)
    return set() if rows is None else set(rows.column("key").to_pylist())
