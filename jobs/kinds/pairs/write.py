"""The last phases of pairs: those that are equal by their bytes go, scorers judge the rest, and shards are written."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from jobs.kinds.pairs.fetch import counted, read_staged_pairs
from jobs.kinds.pairs.shards import FetchedPair, PairShards
from jobs.phases.duplicates import open_writer, work_files
from jobs.phases.plan import read_plan
from jobs.phases.scoring import evaluation_embeddings, judge_image, open_scorer, screened_by
from jobs.phases.slices import read_slices
from model.scorers import Scored
from schemas.buckets import first_of_each, read_bucket, read_groups
from schemas.commits import Attempt, Commit
from schemas.drop_files import DropFile
from schemas.drops import Counts, Drop, DropRow, Tally, each
from schemas.storage import Store


def find_equal_pairs(output: str, bucket: int) -> Commit:
    """For one bucket of contents: of pairs with the same bytes and caption all but the newest are lost."""
    store = Store(output)
    names = work_files("pair-images", len(read_slices(output)), "contents")
    with Attempt(store, "pair-contents", bucket) as attempt:
        with ExitStack() as stack:
            lost = open_writer(attempt, stack, "pair-contents", bucket, "lost", {"id": pa.binary()})
            rows = read_bucket(store, names, bucket)
            if rows is not None:
                rows = first_of_each(rows, "both", [("time", "descending"), ("id", "ascending")])
                again = rows.filter(pc.invert(rows.column("first")))
                lost.add_table(again.column("slice").to_numpy(), again)
        return attempt.commit(Counts())


def publish_pairs(output: str, actors: tuple[Any, ...], index: int) -> Commit:
    """For one slice: pairs into shards, less what repeats others by its content, and what scorers refuse."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "pair-publish", index) as attempt:
        with DropFile(attempt, f"drops/pair-publish-{index:06d}.parquet") as drops:
            tally = Tally(drops.add)
            shards = PairShards(attempt, index, plan.config.shards, plan.config_hash, tally)
            again: set[bytes] = set()
            for table in read_groups(store, work_files("pair-contents", plan.buckets, "lost"), index):
                again.update(table.column("id").to_pylist())
            staged = counted(read_staged_pairs(store, index), tally)
            pairs = each(partial(_refuse_again, again), staged, tally)
            for pair in score_pairs(pairs, output, actors, index, tally):
                tally.kept("pair")
                shards.add(pair)
            finished = shards.finish()
        return attempt.commit(tally.counts(), finished)


def _refuse_again(again: set[bytes], pair: FetchedPair) -> FetchedPair:
    if pair.ref.id in again:
        raise Drop("duplicate_pair", f"by its bytes, on {pair.ref.page_url}")
    return pair


def score_pairs(
    pairs: Iterator[FetchedPair], output: str, actors: tuple[Any, ...], index: int, tally: Tally
) -> Iterator[FetchedPair]:
    """Pairs with their scores, less those that these let go; as they are where no model is configured."""
    config = read_plan(output).config
    score = open_scorer(config.scorers, actors, index)
    if score is None:
        yield from pairs
        return
    evaluation = evaluation_embeddings(output)
    # a caption is what a paragraph is to a page: one row of text for one of images
    rules = msgspec.structs.replace(config.scorers, min_similarity=config.pairs.min_similarity)
    batch: list[FetchedPair] = []

    def judged() -> Iterator[FetchedPair]:
        scored = score([pair.image.data for pair in batch], [pair.ref.caption for pair in batch])
        for place, pair in enumerate(batch):
            own = slice(place, place + 1)
            one = Scored(
                scored.image_embeddings[own], scored.text_embeddings[own], scored.nsfw[own], scored.aesthetic[own]
            )
            try:
                scores = judge_image(rules, evaluation, one, 0)
            except Drop as drop:
                tally.drop(DropRow(pair.url, "pair", drop.reason, f"{drop.detail}: {pair.ref.caption[:80]}"))
            else:
                yield msgspec.structs.replace(pair, scores=scores, screened=screened_by(rules))

    for pair in pairs:
        batch.append(pair)
        if len(batch) >= rules.batch_size:
            yield from judged()
            batch.clear()
    if batch:
        yield from judged()
