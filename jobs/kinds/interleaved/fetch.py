"""The drafts of one slice get their images, from the archives; what was let go for its frequency is left out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

from crawlers.captured import CapturedMedia, Location, Media, MediaSource
from crawlers.web_media import WebMedia
from jobs.config import BuildConfig
from jobs.engine.isolation import Isolated
from jobs.kinds.interleaved.staging import Staging
from jobs.phases.frequency import compares_addresses, frequent_keys, losing_phases
from jobs.phases.plan import Plan, read_plan
from jobs.phases.references import image_index
from jobs.phases.slices import Slice, read_drafts, read_slices
from pipeline.consent import honour_image_consent
from pipeline.corpus_rules import without_frequent
from pipeline.decontamination import ImageIndex
from pipeline.image.codec import decode_image
from pipeline.interleave import Illustration
from pipeline.text.rules import text_rules
from schemas.buckets import read_groups
from schemas.commits import Attempt, Commit
from schemas.deny import DenyList, read_deny_list
from schemas.documents import Draft, ImageRef, StoredImage
from schemas.drop_files import DropFile
from schemas.drops import Drop, DropRow, Tally, each, guarded
from schemas.storage import Store
from schemas.urls import media_key

T = TypeVar("T")


def assemble(output: str, index: int) -> Commit:
    """Run the phase on slice `index` of the build at `output`."""
    plan, store = read_plan(output), Store(output)
    config, piece = plan.config, read_slices(output)[index]
    archives = [archive.url for archive in plan.inputs]
    deny = read_deny_list(store)
    wanted = None if piece.is_whole else _wanted(store, plan, piece)
    with Attempt(store, "assemble", index) as attempt:
        with (
            DropFile(attempt, f"drops/assemble-{index:06d}.parquet") as drops,
            CapturedMedia(
                archives, read_locations(store, plan, piece, wanted), config.warc.max_image_bytes
            ) as captured,
            open_media(captured, config, deny) as media,
            Isolated(partial(image_recipe, config), config.isolation) as decode,
            Staging(attempt, index, plan) as staging,
        ):
            tally = Tally(drops.add)
            recipe = _checked(decode, image_index(output))
            drafts = each(partial(refuse_denied, deny), _drafts(store, plan, piece, tally), tally)
            drafts = each(_rule_on_frequency(store, plan, index, tally), drafts, tally)
            drafts = asked_ahead(drafts, media, _addresses, config.media.pages_ahead)
            illustrated = each(partial(illustrate, media, recipe, tally, deny=deny), drafts, tally)
            for draft, illustrations in illustrated:
                tally.kept("page")
                staging.add(draft, illustrations)
        return attempt.commit(tally.counts())


def _checked(decode: Callable[[Media], StoredImage], images: ImageIndex | None) -> Callable[[Media], StoredImage]:
    """Decode, and refuse what evaluation sets hold."""
    return decode if images is None else lambda media: images.check(decode(media))


def open_media(captured: CapturedMedia, config: BuildConfig, deny: DenyList) -> AbstractContextManager[MediaSource]:
    """The archives, and the web where the settings say so."""
    return WebMedia(captured, config.media, config.consent, deny) if config.media.from_web else nullcontext(captured)


def refuse_denied(deny: DenyList, draft: Draft) -> Draft:
    """Raises `Drop("denied")` for a page that the list denies, under its own address or the one it names canonical."""
    if deny.denies(draft.url) or (draft.canonical_url and deny.denies(draft.canonical_url)):
        raise Drop("denied")
    return draft


def asked_ahead(
    items: Iterator[T], media: MediaSource, addresses: Callable[[T], Iterable[Sequence[str]]], ahead: int
) -> Iterator[T]:
    """The same items; images that the web must give are asked for `ahead` items early: nobody waits for the network."""
    if not isinstance(media, WebMedia):
        yield from items
        return
    waiting: deque[T] = deque()
    for item in items:
        for candidates in addresses(item):
            media.ahead(candidates)
        waiting.append(item)
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


def _addresses(draft: Draft) -> list[tuple[str, ...]]:
    return [ref.candidates for ref in draft.images]


def image_recipe(config: BuildConfig, media: Media) -> StoredImage:
    """All that is decided from one image alone."""
    honour_image_consent(media.headers, config.consent)
    return decode_image(media.body, config.image, config.encoding)


def illustrate(
    media: MediaSource,
    recipe: Callable[[Media], StoredImage],
    tally: Tally,
    draft: Draft,
    deny: DenyList = DenyList(),
) -> tuple[Draft, dict[ImageRef, Illustration]]:
    """Give a draft its images. One that fails is let go alone; raises `Drop("no_image_left")` when none is left."""
    illustrations: dict[ImageRef, Illustration] = {}
    tally.saw("image", len(draft.images))
    for ref in draft.images:
        try:
            if any(deny.denies(url) for url in ref.candidates):
                raise Drop("denied")
            illustrations[ref] = _first_good(media, recipe, ref)
        except Drop as drop:
            tally.drop(
                DropRow(ref.url, "image", drop.reason, ", ".join(filter(None, (drop.detail, f"on {draft.url}"))))
            )
        else:
            tally.kept("image")
    if not illustrations:
        raise Drop("no_image_left", f"of {len(draft.images)}")
    return draft, illustrations


def _first_good(media: MediaSource, recipe: Callable[[Media], StoredImage], ref: ImageRef) -> Illustration:
    """The first of the candidates that gives an image. Raises the `Drop` that says most: bad over lost."""
    failure = Drop("not_captured")
    for url in media.order(ref.candidates):
        try:
            return Illustration(ref, url, guarded(recipe, media.get(url)))
        except Drop as drop:
            failure = drop if failure.reason == "not_captured" else failure
    raise failure


def _drafts(store: Store, plan: Plan, piece: Slice, tally: Tally) -> Iterator[Draft]:
    """The drafts of a slice that comparing pages left, in the order of their samples."""
    phases = losing_phases(plan.config) + (["frequent"] if compares_addresses(plan.config) else [])
    for draft in read_drafts(store, plan, piece, phases):
        tally.saw("page")
        yield draft


def _rule_on_frequency(store: Store, plan: Plan, index: int, tally: Tally) -> Callable[[Draft], Draft]:
    """The step that takes frequent paragraphs and images from drafts, and judges anew what it has changed."""
    config = plan.config
    if not compares_addresses(config):
        return lambda draft: draft
    paragraphs = frequent_keys(store, plan, "frequent", "paragraphs", index)
    images = frequent_keys(store, plan, "frequent", "images", index)

    def step(draft: Draft) -> Draft:
        left = without_frequent(draft, paragraphs, images)
        tally.saw("paragraph", len(draft.texts))
        tally.kept("paragraph", len(left.texts))
        tally.saw("image", len(draft.images) - len(left.images))
        for row in left.dropped:
            tally.drop(row)
        return text_rules(left, config.text) if left.dropped else left

    return step


def read_locations(store: Store, plan: Plan, piece: Slice, wanted: set[bytes] | None) -> dict[bytes, Location]:
    """Where the images of a slice lie; of these alone where they are named."""
    names = [f"work/urls/{bucket:06d}.locations.parquet" for bucket in range(plan.buckets)]
    found: dict[bytes, Location] = {}
    for table in read_groups(store, names, piece.partition):
        columns = (table.column(name).to_pylist() for name in ("key", "archive", "offset", "length", "record_url"))
        for key, *place in zip(*columns, strict=True):
            if wanted is None or key in wanted:
                found[key] = Location(*place)
    return found


def _wanted(store: Store, plan: Plan, piece: Slice) -> set[bytes]:
    """The images that a part of a partition asks for: the locations of the whole may be many times more."""
    drafts = read_drafts(store, plan, piece, losing_phases(plan.config))
    return {media_key(url) for draft in drafts for image in draft.images for url in image.candidates}
