"""The last phases of pairs: those that are equal by their bytes go, scorers judge the rest, and shards are written."""

import itertools
from collections import Counter
from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.kinds.pairs.count import PAIR_COUNTS
from jobs.kinds.pairs.fetch import PAIR_IMAGES
from jobs.kinds.pairs.known import KNOWN_CONTENTS, REPLACES, PairKeysWriter, Replacing, sample_of, slice_of_known
from jobs.kinds.pairs.lists import where_it_was
from jobs.kinds.pairs.pair import FetchedPair, add_pair, staged_pairs
from jobs.kinds.shards import Shards
from jobs.phases.known import bucket_of_known, superseded_writer
from jobs.phases.own_models import texts_said
from jobs.phases.plan import Plan
from jobs.phases.scoring import Hosts, Judge, ModelHost, open_models, screened_by
from jobs.phases.task import Phase, Task
from pipeline.captions import CaptionRules, choose_caption, judge_caption
from schemas.buckets import first_of_each
from schemas.drops import Drop, DropRow, counted, each
from schemas.kinds import PAIRS
from schemas.pairs import Caption
from schemas.shuffle import BucketWriter


def find_equal_pairs(task: Task) -> None:
    """For one bucket of contents: of pairs with the same bytes and caption all but the newest are lost."""
    lost, rows = task.writer("lost", {"id": pa.binary()}), task.rows([PAIR_IMAGES, KNOWN_CONTENTS], "contents")
    replaces = task.writer("replaces", REPLACES)
    if rows is not None:
        rows = first_of_each(rows, "both", [("time", "descending"), ("id", "ascending")])
        again = rows.filter(pc.invert(rows.column("first")))
        new = again.filter(pc.field("slice") >= 0)
        lost.add_table(new.column("slice").to_numpy(), new)
        if task.plan.onto is not None:
            _tell_replaced(task, rows, replaces)


def _tell_replaced(task: Task, rows: pa.Table, replaces: BucketWriter) -> None:
    """Which samples the newest pair of each content replaces; also those that one which lost to it would have."""
    slices, first = rows.column("slice").to_numpy(), rows.column("first").to_numpy()
    winners = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0)).tolist()
    ids, inherited = rows.column("id"), rows.column("replaces")
    for place in np.flatnonzero(~first).tolist():
        by = winners[place]
        if slices[place] < 0:
            there = [(bucket_of_known(task, slice_of_known(int(slices[place]))), sample_of(ids[place].as_py()))]
        else:
            there = msgspec.json.decode(inherited[place].as_py() or b"[]", type=list[tuple[int, str]])
        for group, sample in there if slices[by] >= 0 else ():
            detail = "a newer one has the same bytes and its caption"
            replaces.add(int(slices[by]), ids[by].as_py(), group, sample, detail, size=200)


PAIR_CONTENTS = Phase("pair-contents", "buckets", find_equal_pairs, counts_again=True)


def write_pairs(task: Task, hosts: Hosts) -> None:
    """Write the pairs of one slice, less what repeats others by its content, and what scorers refuse."""
    plan, tally = task.plan, task.tally
    partition = plan.partition_of(PAIRS.name, task.index)
    shards = Shards(task.attempt, PAIRS, partition, plan.config.shards, plan.config_hash, tally)
    task.finish_shards = shards.finish
    keys = PairKeysWriter(task)
    told = [(PAIR_COUNTS, task.slice.partition), (PAIR_CONTENTS, task.index)]
    replacing, superseded = Replacing(task, told), superseded_writer(task)
    again: set[bytes] = set()
    for table in task.groups(PAIR_CONTENTS, "lost"):
        again.update(table.column("id").to_pylist())
    staged = counted(staged_pairs(task, PAIR_IMAGES), "pair", tally)
    pairs = each(partial(_refuse_again, plan, again), staged, tally)
    for pair in score_pairs(task, pairs, hosts):
        tally.kept("pair")
        keys.add_pair(shards.next_key, pair)
        add_pair(shards, pair, plan.config_hash)
        for group, sample, detail in replacing.of(pair.ref.id):
            if superseded is not None:
                superseded.add(group, sample, "duplicate_pair", detail, size=100)


def _refuse_again(plan: Plan, again: set[bytes], pair: FetchedPair) -> FetchedPair:
    if pair.ref.id in again:
        raise Drop("duplicate_pair", where_it_was(plan, pair.ref, "by its bytes"))
    return pair


def score_pairs(task: Task, pairs: Iterator[FetchedPair], hosts: Hosts) -> Iterator[FetchedPair]:
    """Pairs with their scores, less those that these drop; as they are where no model is configured."""
    config, models = task.config, open_models(task, hosts)
    if models is None:
        yield from pairs
        return
    # a caption is what a paragraph is to a page: one row of text for one of images
    judge = Judge(task, msgspec.structs.replace(config.scorers, min_similarity=config.pairs.min_similarity))
    while batch := list(itertools.islice(pairs, config.scorers.batch_size)):
        if config.caption_with:
            batch = _captioned(task, batch, models)
        if not batch:
            continue
        captions = [pair.ref.caption for pair in batch]
        seen = models.score([pair.image.data for pair in batch], captions, captions)
        for place, pair in enumerate(batch):
            own = slice(place, place + 1)
            try:
                scores = judge(seen.only(own, own), 0)
            except Drop as drop:
                _drop(task, pair, drop)
            else:
                yield msgspec.structs.replace(pair, scores=scores, screened=screened_by(judge.settings))


def _captioned(task: Task, batch: list[FetchedPair], models: ModelHost) -> list[FetchedPair]:
    """Pairs with the candidates of the user's captioners, and the caption that is chosen among all."""
    answers = models.caption([pair.image.data for pair in batch], [pair.ref.caption for pair in batch])
    kept = []
    for pair, own in zip(batch, answers, strict=True):
        try:
            texts, redacted = texts_said(own)
            for what, count in redacted.items():
                task.tally.redacted(what, count)
            kept.append(_with_candidates(pair, texts, redacted, task.config.pairs.caption))
        except Drop as drop:
            _drop(task, pair, drop)
    return kept


def _with_candidates(
    pair: FetchedPair, texts: dict[str, str], redacted: Counter[str], rules: CaptionRules
) -> FetchedPair:
    """Raises those `Drop`s of captions."""
    found = [Caption(text, name) for name, text in texts.items()]
    captions = (*pair.ref.captions, *found)
    chosen = choose_caption(captions, rules) if any(one.source in rules.sources for one in found) else None
    counts = dict(sorted((Counter(pair.ref.redacted) + redacted).items()))
    ref = msgspec.structs.replace(pair.ref, captions=captions, redacted=counts)
    if chosen is not None:
        language, score = judge_caption(chosen.text, rules)
        ref = msgspec.structs.replace(
            ref, caption=chosen.text, caption_source=chosen.source, language=language, language_score=score
        )
    if not ref.caption:
        raise Drop("no_caption")
    return msgspec.structs.replace(pair, ref=ref)


def _drop(task: Task, pair: FetchedPair, drop: Drop) -> None:
    detail = where_it_was(task.plan, pair.ref, f"{drop.detail}: {pair.ref.caption[:80]}")
    task.tally.drop(DropRow(pair.url, "pair", drop.reason, detail, pair.page_url))


PAIR_PUBLISH = Phase("pair-publish", "slices", write_pairs, counts_again=True)
