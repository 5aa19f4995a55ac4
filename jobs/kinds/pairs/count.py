"""Exact counts over the pairs of the whole input: what is repeated, too frequent or too rare, before images are opened.

*pair-counts* and *pair-words* work on buckets of keys, and tell each slice what it must let go.
"""

from collections import Counter
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.phases.duplicates import open_writer, work_files
from jobs.phases.plan import Plan, read_plan
from schemas.buckets import BucketWriter, first_of_each, read_bucket
from schemas.commits import Attempt, Commit
from schemas.drops import Counts
from schemas.storage import Store

LOST = {"id": pa.binary(), "reason": pa.string(), "detail": pa.string()}
RARE = {"token": pa.int64()}


def count_pair_keys(output: str, bucket: int) -> Commit:
    """For one bucket of keys: repeated pairs, images and captions that are too frequent, and the counts of words."""
    plan, store = read_plan(output), Store(output)
    rules, inputs = plan.config.pairs, len(plan.inputs)
    with Attempt(store, "pair-counts", bucket) as attempt:
        with ExitStack() as stack:
            lost = open_writer(attempt, stack, "pair-counts", bucket, "lost", LOST)
            links = read_bucket(store, work_files("extract", inputs, "pair-images"), bucket)
            if links is not None:
                _lose(lost, _frequent(links, "image", "text", rules.max_texts_per_image), "many_texts", "captions")
                repeated = first_of_each(links, "both", [("time", "descending"), ("id", "ascending")])
                _lose(lost, repeated.filter(pc.invert(repeated.column("first"))), "duplicate_pair", "")
            texts = read_bucket(store, work_files("extract", inputs, "pair-texts"), bucket)
            if texts is not None:
                _lose(lost, _frequent(texts, "text", "image", rules.max_images_per_text), "frequent_text", "images")
        sums = _token_sums(store, plan, bucket)
        values, numbers = np.unique(sums.column("count_sum").to_numpy(), return_counts=True)
        attempt.put(f"work/pair-counts/{bucket:06d}.histogram", np.stack([values, numbers]).astype("<i8").tobytes())
        return attempt.commit(Counts())


def _frequent(links: pa.Table, key: str, other: str, limit: int | None) -> pa.Table:
    """The rows whose key has more than `limit` different others, with their number as `count`."""
    if limit is None:
        return links.slice(0, 0)
    counts = links.group_by(key).aggregate([(other, "count_distinct")])
    counts = counts.filter(pc.field(f"{other}_count_distinct") > limit)
    counts = counts.select([key, f"{other}_count_distinct"]).rename_columns([key, "count"])
    return links.join(counts, key, join_type="inner").sort_by("id") if len(counts) else links.slice(0, 0)


def _lose(lost: BucketWriter, rows: pa.Table, reason: str, what: str) -> None:
    for start in range(0, len(rows), 100_000):
        part = rows.slice(start, 100_000)
        details = [f"{count} {what}" for count in part.column("count").to_pylist()] if what else [""] * len(part)
        table = pa.table({"id": part.column("id"), "reason": [reason] * len(part), "detail": details})
        lost.add_table(part.column("partition").to_numpy(), table)


def _token_sums(store: Store, plan: Plan, bucket: int) -> pa.Table:
    names = work_files("extract", len(plan.inputs), "pair-tokens")
    rows = read_bucket(store, names, bucket)
    if rows is None:
        return pa.table({"token": pa.array([], pa.int64()), "count_sum": pa.array([], pa.int64())})
    return rows.group_by("token").aggregate([("count", "sum")])


def find_rare_tokens(output: str, bucket: int) -> Commit:
    """For one bucket of words: which are not among the most frequent of all, for each partition that has them."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "pair-words", bucket) as attempt:
        with ExitStack() as stack:
            rare = open_writer(attempt, stack, "pair-words", bucket, "rare", RARE)
            names = work_files("extract", len(plan.inputs), "pair-tokens")
            rows = read_bucket(store, names, bucket)
            least = _least_count(store, plan)
            if rows is not None and least > 1:
                sums = _token_sums(store, plan, bucket)
                few = sums.filter(pc.field("count_sum") < least).column("token").combine_chunks()
                rows = rows.filter(pc.is_in(rows.column("token"), few)).group_by(["partition", "token"]).aggregate([])
                rows = rows.sort_by([("partition", "ascending"), ("token", "ascending")])
                rare.add_table(rows.column("partition").to_numpy(), rows)
        return attempt.commit(Counts())


def _least_count(store: Store, plan: Plan) -> int:
    """How often a word must occur to be among the `max_tokens` most frequent, or as frequent as the last of them."""
    most = plan.config.pairs.max_tokens
    assert most is not None
    numbers: Counter[int] = Counter()
    for bucket in range(plan.buckets):
        values, counts = np.frombuffer(store.read(f"work/pair-counts/{bucket:06d}.histogram"), "<i8").reshape(2, -1)
        numbers.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    taken = 0
    for value in sorted(numbers, reverse=True):
        taken += numbers[value]
        if taken >= most:
            return value
    return 1
