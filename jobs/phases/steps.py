"""The steps of a recipe: what has a name, and what is done with one page or image."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import msgspec

from crawlers.captured import Media
from jobs.config import BuildConfig
from jobs.phases.own_steps import OwnFunction
from pipeline.c2pa import c2pa_signals
from pipeline.consent import honour_image_consent
from pipeline.image.codec import ImageEncoding, decode, store
from pipeline.image.rights import read_rights
from pipeline.image.rights_back import with_rights
from pipeline.image.rules import ImageRules
from pipeline.page.extract import draft_of
from pipeline.page.parsed import ParsedPage
from pipeline.pairs import PagePairs
from schemas.consent import ConsentSettings
from schemas.documents import Draft, Page, StoredImage
from schemas.drops import Drop, DropRow
from schemas.hash_lists import refuse_listed, refuse_listed_look
from schemas.videos import VideoDraft


class Step(msgspec.Struct, frozen=True):
    """A step by its name: a place of weft's, or the `module:function` of an own one."""

    name: str
    function: Callable[[Any], Any]
    is_own: bool = False

    def __call__(self, item: Any) -> Any:
        return self.function(item)


class Extracted(msgspec.Struct, frozen=True):
    """What one parse of a page gave: its draft or why there is none, its pairs, its videos."""

    draft: Draft | None = None
    drop: tuple[str, str] = ("", "")
    pairs: PagePairs = PagePairs()
    videos: tuple[VideoDraft, ...] = ()
    dropped_videos: tuple[DropRow, ...] = ()


def own_step(function: OwnFunction) -> Step:
    return Step(function.use, function, is_own=True)


def extract_draft(config: BuildConfig, page: Page) -> Draft:
    return draft_of(ParsedPage(page, config.extract), page)


def image_step(
    consent: ConsentSettings,
    rules: ImageRules,
    encoding: ImageEncoding,
    min_bytes: int,
    own: Sequence[OwnFunction],
    media: Media,
) -> StoredImage:
    """Raises `Drop`: hash_listed, opt_out, no_opt_in, few_bytes, and those of `decode`."""
    refuse_listed(media.body, consent.hash_lists)
    stated, rights = read_rights(media.body, media.time)
    inside = stated + c2pa_signals(media.body, media.time)
    signals = honour_image_consent(media.headers, consent, media.url, media.time, media.signals + inside)
    if len(media.body) < min_bytes:
        raise Drop("few_bytes", f"{len(media.body)} < {min_bytes}")
    decoded = decode(media.body, rules, encoding, media.url)
    refuse_listed_look(decoded.pixels, consent.hash_lists)
    stored = store(chain(own, decoded), encoding)
    stored = msgspec.structs.replace(stored, signals=signals, rights=rights)
    return with_rights(stored) if encoding.keep_rights else stored


def chain(steps: Sequence[Callable[[Any], Any]], item: Any) -> Any:
    """The item after all steps. Raises the `Drop` of the one that ends it."""
    return reduce(lambda value, step: step(value), steps, item)
