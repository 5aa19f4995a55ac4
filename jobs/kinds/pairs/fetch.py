"""The pairs of one slice get their images; what the counts over the corpus decided is left out before."""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import pyarrow as pa

from crawlers.captured import Media, MediaSource
from crawlers.img2dataset import Img2datasetMedia
from jobs.engine.isolation import Isolated
from jobs.kinds.pairs.count import PAIR_COUNTS, PAIR_WORDS
from jobs.kinds.pairs.known import CONTENTS, Replacing
from jobs.kinds.pairs.lists import first_phase, where_it_was
from jobs.kinds.pairs.pair import FetchedPair, stage
from jobs.kinds.pairs.take import image_text_key, token_keys
from jobs.kinds.staging import Staging
from jobs.phases.fetch import Asks
from jobs.phases.media import Located, first_good, open_media, read_locations, unless_denied
from jobs.phases.plan import Plan
from jobs.phases.recipe import Recipe
from jobs.phases.references import image_index, text_index
from jobs.phases.slices import rows_of_slice
from jobs.phases.task import Phase, Task, silent_tally
from pipeline.decontamination import checked
from pipeline.text.keys import text_key
from schemas.buckets import bucket_of
from schemas.deny import DenyList, read_deny_list
from schemas.documents import StoredImage
from schemas.drops import Drop, Guarded, Tally, counted, each
from schemas.pairs import PairRef
from schemas.urls import media_key


def fetch_pair_images(task: Task, recipe: Recipe) -> None:
    """Leave out what is denied or was counted, and give the rest their images."""
    tally, deny = task.tally, read_deny_list(task.store)
    media = _open_source(task)
    decode = Guarded(task.enter(Isolated(recipe.pair_image(), task.config.isolation)))
    use = unless_denied(deny.hashes, checked(decode, task.memory.once(image_index)))
    staging, contents = Staging(task), task.writer("contents", CONTENTS)
    replacing = Replacing(task, [(PAIR_COUNTS, task.slice.partition)])

    pairs = media.prefetch(_to_open(task, tally, deny), lambda ref: [ref.candidates])
    for fetched in each(partial(fetch_pair, task.plan, media, use), pairs, tally):
        tally.kept("pair")
        stage(staging, fetched)
        key = image_text_key(fetched.image.original_sha256.encode(), text_key(fetched.ref.caption))
        replaced = [one[:2] for one in replacing.of(fetched.ref.id)]
        packed = msgspec.json.encode(replaced) if replaced else b""
        row = (key, fetched.ref.id, task.index, fetched.ref.fetch_time, fetched.image_url, packed)
        contents.add(bucket_of(key, task.plan.buckets), *row, size=300)


def ask_for_pair_images(task: Task) -> None:
    """Tell what the pairs of one slice want of the web."""
    deny = read_deny_list(task.store)
    asks = Asks(task, deny, _located(task, fetched=False).places)
    for ref in _survivors(task, silent_tally(), deny):  # who opens the images counts them
        asks.add(ref.candidates, "image")


def _to_open(task: Task, tally: Tally, deny: DenyList) -> Iterator[PairRef]:
    """The pairs of a slice whose images are opened. Those that are made again were judged when they came."""
    if not task.plan.retries:
        return _survivors(task, tally, deny)
    return counted(_survivors(task, silent_tally(), deny), "pair", tally)


def _survivors(task: Task, tally: Tally, deny: DenyList) -> Iterator[PairRef]:
    """The pairs of a slice whose images are wanted, in the order of their samples."""
    return each(_judge(task, deny), counted(_pairs(task, tells=True), "pair", tally), tally)


def _open_source(task: Task) -> MediaSource:
    """Where the images of a slice come from: archives, or img2dataset."""
    config = task.config
    if task.plan.source == "lists" and config.lists.downloader == "img2dataset":
        return Img2datasetMedia(config.lists, config.media.fetch)
    return open_media(task, _located(task))


def _located(task: Task, fetched: bool = True) -> Located:
    """Where the images of a slice lie."""
    piece = task.slice
    refs = () if piece.is_whole else _pairs(task)
    wanted = {media_key(url) for ref in refs for url in ref.candidates}
    return read_locations(task, piece.partition, None if piece.is_whole else wanted, fetched)


def _pairs(task: Task, tells: bool = False) -> Iterator[PairRef]:
    """The pairs of a slice, in the order of their samples; with `tells` it is told how far they are."""
    tables = list(rows_of_slice(task, first_phase(task.plan), "pairs"))
    if tables:
        table = pa.concat_tables(tables).sort_by([("order", "ascending"), ("id", "ascending")])
        for place, packed in enumerate(table.column("pair")):
            if tells:
                task.at(place, len(table))
            yield msgspec.json.decode(packed.as_py(), type=PairRef)


def _judge(task: Task, deny: DenyList) -> Callable[[PairRef], PairRef]:
    """The step that drops pairs for what was counted, or for what lists and evaluation sets hold."""
    texts, rules, partition = task.memory.once(text_index), task.config.decontamination, task.slice.partition
    lost: dict[bytes, tuple[str, str]] = {}
    for table in task.groups(PAIR_COUNTS, "lost", partition):
        for row in table.to_pylist():
            lost.setdefault(row["id"], (row["reason"], row["detail"]))
    rare: set[int] = set()
    if task.config.pairs.max_tokens is not None:
        for table in task.groups(PAIR_WORDS, "rare", partition):
            rare.update(table.column("token").to_pylist())

    def judge(ref: PairRef) -> PairRef:
        if any(map(deny.denies, (ref.page_url, *ref.candidates))):
            raise Drop("denied", where_it_was(task.plan, ref, ""))
        if ref.id in lost:
            reason, detail = lost[ref.id]
            said = ", ".join(filter(None, (detail, ref.caption[:80])))
            raise Drop(reason, where_it_was(task.plan, ref, said))
        if rare and not rare.isdisjoint(token_keys(ref.caption)):
            raise Drop("rare_words", where_it_was(task.plan, ref, ref.caption[:80]))
        if texts is not None:
            shared, name = texts.shared(ref.caption)
            if shared >= rules.min_shared:
                raise Drop("evaluation_text", where_it_was(task.plan, ref, f"{shared} n-grams of {name}"))
        return ref

    return judge


def fetch_pair(plan: Plan, media: MediaSource, use: Callable[[Media], StoredImage], ref: PairRef) -> FetchedPair:
    """The pair with its image. Raises the `Drop` of `first_good`."""
    try:
        return FetchedPair(ref, *first_good(media, use, ref.candidates))
    except Drop as drop:
        raise Drop(drop.reason, where_it_was(plan, ref, drop.detail)) from None


ASK_PAIR_IMAGES = Phase("ask-pair-images", "slices", ask_for_pair_images)
PAIR_IMAGES = Phase("pair-images", "slices", fetch_pair_images, counts_again=True)
