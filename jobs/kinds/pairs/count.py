"""Exact counts over the pairs of the whole input: what is repeated, too frequent or too rare, before images are opened.

*pair-counts* and *pair-words* work on buckets of keys, and tell each slice what it must drop.
"""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.kinds.pairs.lists import first_phase
from jobs.phases.task import Memory, Phase, Task, file_of
from schemas.buckets import BucketWriter, first_of_each

LOST = {"id": pa.binary(), "reason": pa.string(), "detail": pa.string()}
RARE = {"token": pa.int64()}


def count_pair_keys(task: Task) -> None:
    """For one bucket of keys: repeated pairs, images and captions that are too frequent, and the counts of words."""
    rules, first = task.config.pairs, first_phase(task.plan)
    lost, links = task.writer("lost", LOST), task.rows(first, "pair-images")
    if links is not None:
        _lose(lost, _frequent(links, "image", "text", rules.max_texts_per_image), "many_texts", "captions")
        repeated = first_of_each(links, "both", [("time", "descending"), ("id", "ascending")])
        _lose(lost, repeated.filter(pc.invert(repeated.column("first"))), "duplicate_pair", "")
    texts = task.rows(first, "pair-texts")
    if texts is not None:
        _lose(lost, _frequent(texts, "text", "image", rules.max_images_per_text), "frequent_text", "images")
    sums = _token_sums(task)
    values, numbers = np.unique(sums.column("count_sum").to_numpy(), return_counts=True)
    task.put("histogram", np.stack([values, numbers]).astype("<i8").tobytes())


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


def _token_sums(task: Task) -> pa.Table:
    rows = task.rows(first_phase(task.plan), "pair-tokens")
    if rows is None:
        return pa.table({"token": pa.array([], pa.int64()), "count_sum": pa.array([], pa.int64())})
    return rows.group_by("token").aggregate([("count", "sum")])


def find_rare_tokens(task: Task) -> None:
    """For one bucket of words: which are not among the most frequent of all, for each partition that has them."""
    rare, rows = task.writer("rare", RARE), task.rows(first_phase(task.plan), "pair-tokens")
    least = task.memory.once(_least_count)
    if rows is not None and least > 1:
        sums = _token_sums(task)
        few = sums.filter(pc.field("count_sum") < least).column("token").combine_chunks()
        rows = rows.filter(pc.is_in(rows.column("token"), few)).group_by(["partition", "token"]).aggregate([])
        rows = rows.sort_by([("partition", "ascending"), ("token", "ascending")])
        rare.add_table(rows.column("partition").to_numpy(), rows)


def _least_count(memory: Memory) -> int:
    """How often a word must occur to be among the `max_tokens` most frequent, or as frequent as the last of them."""
    most = memory.plan.config.pairs.max_tokens
    assert most is not None
    numbers: Counter[int] = Counter()
    for data in memory.store.read_all([file_of(PAIR_COUNTS.name, n, "histogram") for n in range(memory.plan.buckets)]):
        values, counts = np.frombuffer(data, "<i8").reshape(2, -1)
        numbers.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    taken = 0
    for value in sorted(numbers, reverse=True):
        taken += numbers[value]
        if taken >= most:
            return value
    return 1


PAIR_COUNTS = Phase("pair-counts", "buckets", count_pair_keys)
PAIR_WORDS = Phase("pair-words", "buckets", find_rare_tokens)
