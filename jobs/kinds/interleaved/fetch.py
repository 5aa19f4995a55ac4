"""The drafts of one slice get their images; what the counts over the corpus found too often is left out before."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from crawlers.captured import Media, MediaSource
from jobs.engine.isolation import Isolated
from jobs.kinds.interleaved.page import PageWithImages, keys_of_image, stage
from jobs.kinds.staging import Staging
from jobs.phases.fetch import Asks
from jobs.phases.frequency import (
    FREQUENT_KEYS,
    add_counts,
    all_losing_phases,
    compares_addresses,
    frequent_keys,
    losing_phases,
)
from jobs.phases.late import is_late, late_of
from jobs.phases.media import first_good, open_media, read_locations, unless_denied
from jobs.phases.recipe import Recipe
from jobs.phases.references import image_index
from jobs.phases.slices import read_drafts
from jobs.phases.task import Phase, Task, silent_tally
from pipeline.corpus_rules import without_frequent
from pipeline.decontamination import checked
from pipeline.interleave import Illustration
from pipeline.text.rules import text_rules
from schemas.deny import DenyList, read_deny_list
from schemas.documents import Draft, StoredImage
from schemas.drops import Drop, DropRow, Guarded, Tally, counted, each, on_page
from schemas.urls import media_key


def fetch_images(task: Task, recipe: Recipe) -> None:
    """Give the pages of one slice their images."""
    tally, deny = task.tally, read_deny_list(task.store)
    wanted = None if task.slice.is_whole else _wanted(task)
    media = open_media(task, read_locations(task, task.slice.partition, wanted))
    decode = Guarded(task.enter(Isolated(recipe.page_image(), task.config.isolation)))
    use = unless_denied(deny.hashes, checked(decode, task.memory.once(image_index)))
    staging, contents = Staging(task), Counter[bytes]()

    is_new = is_late(late_of(task))
    drafts = media.prefetch(_to_make(task, tally, deny), lambda draft: [ref.candidates for ref in draft.images])
    for page in each(partial(attach_images, media, use, tally, deny=deny, is_new=is_new), drafts, tally):
        tally.kept("page")
        stage(staging, page)
        for item in page.shown:
            contents.update(keys_of_image(item.image))
    add_counts(task, "places", contents)


def ask_for_images(task: Task) -> None:
    """Tell what the pages of one slice want of the web."""
    deny = read_deny_list(task.store)
    captured = read_locations(task, task.slice.partition, None if task.slice.is_whole else _wanted(task), fetched=False)
    asks = Asks(task, deny, captured.places)
    for draft in _survivors(task, silent_tally(), deny):  # who opens the images counts them
        for image in draft.images:
            asks.add(image.candidates, "image")


def _to_make(task: Task, tally: Tally, deny: DenyList) -> Iterator[Draft]:
    """The drafts of a slice whose images are opened. Those that are made again were judged when they came."""
    if not task.plan.retries:
        return _survivors(task, tally, deny)
    return counted(_survivors(task, silent_tally(), deny), "page", tally)


def _survivors(task: Task, tally: Tally, deny: DenyList) -> Iterator[Draft]:
    """The drafts of a slice whose images are wanted, in the order of their samples."""
    drafts = each(partial(refuse_denied, deny), _drafts(task, tally), tally)
    return each(_rule_on_frequency(task, tally), drafts, tally)


def refuse_denied(deny: DenyList, draft: Draft) -> Draft:
    """Raises `Drop("denied")` for a page that the list denies, under its own address or the one it names canonical."""
    if deny.denies(draft.url) or (draft.canonical_url and deny.denies(draft.canonical_url)):
        raise Drop("denied")
    return draft


def attach_images(
    media: MediaSource,
    use: Callable[[Media], StoredImage],
    tally: Tally,
    draft: Draft,
    deny: DenyList = DenyList(),
    is_new: Callable[[Iterable[str]], bool] = lambda urls: True,
) -> PageWithImages:
    """Give a draft its images. One that fails is dropped alone; raises `Drop("no_image_left")` when none is left.
    Images by whose addresses they are not new were counted by another build."""
    shown, silent = {}, silent_tally()
    for ref in draft.images:
        told = tally if is_new(ref.candidates) else silent
        told.saw("image")
        try:
            if any(deny.denies(url) for url in ref.candidates):
                raise Drop("denied")
            url, image = first_good(media, use, ref.candidates)
        except Drop as drop:
            told.drop(DropRow(ref.url, "image", drop.reason, on_page(drop.detail, draft.url), draft.url))
        else:
            told.kept("image")
            shown[ref] = Illustration(ref, url, image)
    if not shown:
        raise Drop("no_image_left", f"of {len(draft.images)}")
    return PageWithImages(draft, [shown[ref] for ref in draft.images if ref in shown])


def _drafts(task: Task, tally: Tally) -> Iterator[Draft]:
    """The drafts of a slice that comparing pages left, in the order of their samples."""
    seen = []
    for draft in read_drafts(task, all_losing_phases(task.config), tells=True):
        tally.saw("page")
        seen.append(draft.uid)
        yield draft
    if task.plan.onto is not None:
        task.put("uids", msgspec.json.encode(seen))


def _rule_on_frequency(task: Task, tally: Tally) -> Callable[[Draft], Draft]:
    """The step that takes frequent paragraphs and images from drafts, and judges anew what it has changed."""
    config = task.config
    if not compares_addresses(config):
        return lambda draft: draft
    paragraphs = frequent_keys(task, FREQUENT_KEYS, "paragraphs")
    images = frequent_keys(task, FREQUENT_KEYS, "images")

    def step(draft: Draft) -> Draft:
        left = without_frequent(draft, paragraphs, images)
        tally.saw("paragraph", len(draft.texts))
        tally.kept("paragraph", len(left.texts))
        tally.saw("image", len(draft.images) - len(left.images))
        for row in left.dropped:
            tally.drop(row)
        return text_rules(left, config.text) if left.dropped else left

    return step


def _wanted(task: Task) -> set[bytes]:
    """The images that a part of a partition asks for: the locations of the whole may be many times more."""
    drafts = read_drafts(task, losing_phases(task.config))
    return {media_key(url) for draft in drafts for image in draft.images for url in image.candidates}


ASK_IMAGES = Phase("ask-images", "slices", ask_for_images)
ASSEMBLE = Phase("assemble", "slices", fetch_images, counts_again=True)
