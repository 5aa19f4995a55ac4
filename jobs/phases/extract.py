"""Phase 1: one archive becomes drafts, grouped by domain, and an index of its images, grouped by address."""

import hashlib
import posixpath
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial, reduce
from typing import Any

import fsspec
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crawlers.inputs import Input
from crawlers.warc import Capture, page_of, read_captures
from jobs.config import BuildConfig, warc_settings
from jobs.engine.isolation import Isolated
from jobs.kinds.clips.take import VideoShuffle
from jobs.kinds.pairs.take import PairShuffle, count_pairs
from jobs.phases.plan import Plan, read_plan
from jobs.phases.references import text_index
from jobs.phases.slices import sizes_name
from pipeline.consent import honour_consent, refuse_opt_out
from pipeline.decontamination import decontaminate_text
from pipeline.page.extract import consent_of, draft_of, extract_page, paused_gc
from pipeline.page.parsed import ParsedPage
from pipeline.pairs import PagePairs, take_pairs
from pipeline.text.language import keep_language
from pipeline.text.minhash import band_keys
from pipeline.text.pii import redact
from pipeline.text.rules import text_rules
from pipeline.url_rules import refuse_url
from pipeline.video.refs import may_show_video, take_videos
from schemas.buckets import BucketWriter, bucket_of
from schemas.commits import Attempt, Commit
from schemas.documents import Draft, Page
from schemas.drop_files import DropFile
from schemas.drops import Drop, Tally, each
from schemas.pairs import PairRef
from schemas.storage import Store
from schemas.urls import canonical_url, host_of, media_key, registered_domain
from schemas.videos import VideoDraft

DRAFTS = {"uid": pa.int64(), "order": pa.int64(), "url": pa.string(), "draft": pa.binary()}
CAPTURES = {
    "key": pa.binary(),
    "archive": pa.int32(),
    "offset": pa.int64(),
    "length": pa.int64(),
    "record_url": pa.string(),  # "" if it is the address itself
    "time": pa.string(),
}
WANTED = {"key": pa.binary(), "partition": pa.int32()}
PAGES = {
    "key": pa.binary(),  # of the canonical address
    "text_key": pa.binary(),
    "bands": pa.binary(),  # of the text's MinHash signature; empty where near-duplicates may stay
    "time": pa.string(),
    "uid": pa.int64(),
    "partition": pa.int32(),
    "url": pa.string(),
}


def page_recipe(config: BuildConfig) -> Callable[[Page], Draft]:
    """All that is decided from one page alone, in order."""
    return partial(_chain, page_steps(config))


def page_steps(config: BuildConfig) -> tuple[Callable[[Any], Any], ...]:
    """The steps of the recipe: the second makes the page a draft, those after it take drafts."""
    return (
        partial(refuse_url, rules=config.url),
        partial(extract_page, settings=config.extract),
        partial(honour_consent, settings=config.consent),
        partial(keep_language, rules=config.language),
        partial(text_rules, rules=config.text),
        partial(redact, rules=config.pii),
    )


class Extracted(msgspec.Struct, frozen=True):
    """What one parse of a page gave: its draft or why there is none, its pairs, its videos."""

    draft: Draft | None = None
    drop: tuple[str, str] = ("", "")
    pairs: PagePairs = PagePairs()
    videos: tuple[VideoDraft, ...] = ()


def read_all_kinds(config: BuildConfig, page: Page) -> Extracted:
    """The draft, the pairs and the videos of a page. Raises the `Drop` of a page that gives none of them."""
    refuse_url(page, config.url)
    only_clips = config.kinds == ("clips",)
    if only_clips and not may_show_video(page.html):
        raise Drop("no_video")
    with paused_gc():
        parsed = ParsedPage(page, config.extract)
        consent = consent_of(parsed, page)
        refuse_opt_out(consent, config.consent)
        pairs, videos = PagePairs(), tuple[VideoDraft, ...]()
        if "pairs" in config.kinds:
            pairs = take_pairs(parsed, page, config.pairs, config.pii, consent)
        if "clips" in config.kinds:
            videos = take_videos(parsed, page, config.pii, consent)
        if only_clips and not videos:
            raise Drop("no_video")
        if "interleaved" not in config.kinds:
            return Extracted(pairs=pairs, videos=videos)
        try:
            draft = _chain(page_steps(config)[2:], draft_of(parsed, page))
        except Drop as drop:
            return Extracted(drop=(drop.reason, drop.detail), pairs=pairs, videos=videos)
    return Extracted(draft, pairs=pairs, videos=videos)


def extract(output: str, index: int) -> Commit:
    """Run phase 1 on input `index` of the plan of `output`."""
    plan, store = read_plan(output), Store(output)
    archive, config = plan.inputs[index], plan.config
    with Attempt(store, "extract", index) as attempt:
        with (
            DropFile(attempt, f"drops/extract-{index:06d}.parquet") as drops,
            Shuffle(attempt, index, plan) as shuffle,
            Isolated(_recipe(config), config.isolation) as recipe,
        ):
            tally = Tally(drops.add)
            captures = _captures(archive, config, tally)
            pages = _without_images(captures, index, _by_name(plan), shuffle, tally)
            hand_on = partial(_others_aside, shuffle, tally)
            found = each(partial(_draft, recipe, hand_on, archive.url, index, config), pages, tally)
            drafts = (draft for draft in found if draft is not None)
            for draft in _without_evaluation_texts(drafts, output, plan, tally):
                _count(draft, tally)
                shuffle.add_draft(draft)
        attempt.put(sizes_name(index), shuffle.all_sizes.astype("<i8").tobytes())
        return attempt.commit(tally.counts())


def _captures(archive: Input, config: BuildConfig, tally: Tally) -> Iterator[Capture]:
    with fsspec.open(archive.url, "rb") as file:
        size = archive.size if archive.size >= 0 else file.seek(0, 2)
        file.seek(0)
        yield from read_captures(file, archive.url, size, warc_settings(config), tally)


def _by_name(plan: Plan) -> dict[str, int]:
    """The inputs by the last part of their names, as revisit records of one archive name another."""
    return {posixpath.basename(archive.url): number for number, archive in enumerate(plan.inputs)}


def _without_images(
    captures: Iterator[Capture], index: int, archives: dict[str, int], shuffle: "Shuffle", tally: Tally
) -> Iterator[Capture]:
    """The pages; images are indexed as they pass, those of revisit records where their payload lies."""
    for capture in captures:
        if capture.stored_in and capture.stored_in not in archives:
            continue  # that archive is not among the inputs: the image is not captured
        if capture.is_image:
            shuffle.add_image(capture, archives[capture.stored_in] if capture.stored_in else index)
        else:
            tally.saw("page")
            yield capture


def _recipe(config: BuildConfig) -> Callable[[Page], Draft | Extracted]:
    return page_recipe(config) if config.kinds == ("interleaved",) else partial(read_all_kinds, config)


def _draft(
    recipe: Callable[[Page], Draft | Extracted],
    hand_on: Callable[[Extracted], Draft | None],
    archive: str,
    index: int,
    config: BuildConfig,
    capture: Capture,
) -> Draft | None:
    uid = index << 40 | capture.number
    found = recipe(page_of(capture, uid, archive, config.warc))
    return hand_on(found) if isinstance(found, Extracted) else found


def _others_aside(shuffle: "Shuffle", tally: Tally, found: Extracted) -> Draft | None:
    """The draft of a page whose other kinds are handed on; None where no drafts are made. Raises the draft's `Drop`."""
    count_pairs(found.pairs, tally)
    for ref in found.pairs.pairs:
        shuffle.add_pair(ref)
    for video in found.videos:
        shuffle.add_video(video)
        for what, count in video.redacted.items():
            tally.redacted(what, count)
    tally.saw("video", len(found.videos))
    tally.kept("video", len(found.videos))
    if found.drop[0]:
        raise Drop(*found.drop)
    if found.draft is None:
        tally.kept("page")
    return found.draft


def _without_evaluation_texts(drafts: Iterator[Draft], output: str, plan: Plan, tally: Tally) -> Iterator[Draft]:
    texts = text_index(output)
    if texts is None:
        return drafts
    return each(partial(decontaminate_text, index=texts, rules=plan.config.decontamination), drafts, tally)


def _count(draft: Draft, tally: Tally) -> None:
    tally.kept("page")
    for what, count in draft.redacted.items():
        tally.redacted(what, count)
    for row in draft.dropped:
        tally.saw(row.kind)
        tally.drop(row)
    for kind, kept in (("image", len(draft.images)), ("paragraph", len(draft.texts))):
        tally.saw(kind, kept)
        tally.kept(kind, kept)


def _chain(steps: Sequence[Callable[[Any], Any]], item: Any) -> Any:
    return reduce(lambda value, step: step(value), steps, item)


class Shuffle:
    """What phase 1 hands on, each kind of row in the bucket of the task that will read it."""

    def __init__(self, attempt: Attempt, index: int, plan: Plan) -> None:
        self._plan, self._config = plan, plan.config
        self._stack = ExitStack()
        self.sizes = np.zeros(plan.partitions, np.int64)  # bytes of drafts by partition

        def writer(name: str, columns: dict[str, pa.DataType], order: str | None = None) -> BucketWriter:
            file = attempt.create(f"work/extract/{index:06d}.{name}.parquet")
            return self._stack.enter_context(BucketWriter(file, columns, order=order))

        self._drafts, self._captures = writer("drafts", DRAFTS, "order"), writer("captures", CAPTURES)
        self._wanted, self._pages = writer("wanted", WANTED), writer("pages", PAGES)
        self._pairs: PairShuffle | None = None
        if "pairs" in self._config.kinds:
            self._pairs = self._stack.enter_context(PairShuffle(attempt, index, plan))
        self._videos: VideoShuffle | None = None
        if "clips" in self._config.kinds:
            self._videos = self._stack.enter_context(VideoShuffle(attempt, f"work/extract/{index:06d}", plan))

    def add_draft(self, draft: Draft) -> None:
        """The draft, the images it wants, and the keys by which duplicates are found."""
        partition = bucket_of(registered_domain(host_of(draft.url)).encode(), self._plan.partitions)
        packed = msgspec.json.encode(draft)
        order = _order(self._config.seed, draft.uid)
        self._drafts.add(partition, draft.uid, order, draft.url, packed, size=len(packed) + 200)
        self.sizes[partition] += len(packed)
        for key in dict.fromkeys(media_key(url) for image in draft.images for url in image.candidates):
            self._wanted.add(bucket_of(key, self._plan.buckets), key, partition)
        text = " ".join(block.text for block in draft.texts)
        bands = band_keys(text, self._config.minhash) if self._config.near_duplicates else b""
        key = media_key(canonical_url(draft.canonical_url or draft.url))
        row = (key, text_key(text), bands, draft.fetch_time, draft.uid, partition, draft.url)
        self._pages.add(bucket_of(key, self._plan.buckets), *row, size=500)

    def add_pair(self, ref: PairRef) -> None:
        """A pair, and the images it wants."""
        assert self._pairs is not None
        for key, partition in self._pairs.add(ref):
            self._wanted.add(bucket_of(key, self._plan.buckets), key, partition)

    def add_video(self, video: VideoDraft) -> None:
        """A video, and the files that it wants."""
        assert self._videos is not None
        for key, partition in self._videos.add(video):
            self._wanted.add(bucket_of(key, self._plan.buckets), key, partition)

    @property
    def all_sizes(self) -> NDArray[np.int64]:
        """Bytes of drafts and pairs by partition: where slices are cut depends on both."""
        return self.sizes + self._pairs.sizes if self._pairs is not None else self.sizes

    def add_image(self, capture: Capture, archive: int) -> None:
        """Where an image lies, under its address and those that redirected to it."""
        stored_url = capture.stored_url
        for url in (capture.url, *capture.redirected_from):
            key = media_key(url)
            row = (key, archive, capture.offset, capture.length, stored_url, capture.fetch_time)
            self._captures.add(bucket_of(key, self._plan.buckets), *row, size=200)
            stored_url = capture.stored_url or capture.url

    def __enter__(self) -> "Shuffle":
        return self

    def __exit__(self, failure: type[BaseException] | None, *details: Any) -> None:
        self._stack.__exit__(failure, *details)


def text_key(text: str) -> bytes:
    """16 bytes that are equal for texts that differ at most in case, spacing and Unicode form."""
    normal = unicodedata.normalize("NFKC", " ".join(text.split())).casefold()
    return hashlib.blake2b(normal.encode("utf-8", "replace"), digest_size=16).digest()


def _order(seed: int, uid: int) -> int:
    """Where a sample stands in its partition: random to look at, the same in every run."""
    digest = hashlib.blake2b(b"%d/%d" % (seed, uid), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
