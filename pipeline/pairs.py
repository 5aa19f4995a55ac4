"""A page that has been read gives pairs: its images, and for each all texts that describe it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pipeline.captions import CaptionRules, choose_caption, judge_caption
from pipeline.image.codec import ImageEncoding
from pipeline.image.rules import ImageRules
from pipeline.page.images import refuse_images
from pipeline.page.leaves import Media
from pipeline.page.parsed import ParsedPage, captions_of
from pipeline.stated_captions import stated_captions
from pipeline.text.pii import PiiRules, redact_text
from pipeline.url_rules import hosts_of, in_domains
from schemas.documents import Consent, Page
from schemas.drops import Drop, DropRow, on_page
from schemas.pairs import Caption, PairRef
from schemas.settings import Settings
from schemas.urls import host_of, media_key


class PairRules(Settings, frozen=True):
    """What becomes a pair. The counts are over the whole input, before any image is opened; None turns a rule off."""

    everywhere: bool = False
    """Take all images of a page, as ALIGN does: also those outside its main content, those that are shown again, and
    those that their markup calls icons."""
    domains: tuple[str, ...] = ()
    """Take only pages of these hosts, with everything below them. Empty: of all."""
    caption: CaptionRules = CaptionRules()
    max_texts_per_image: int | None = None
    """An image with more different captions goes. ALIGN: 1,000."""
    max_images_per_text: int | None = None
    """A caption that more different images have goes. ALIGN: 10."""
    max_tokens: int | None = None
    """A caption with a word or pair of neighbouring words that is not among so many most frequent ones goes; those as
    frequent as the last one count. ALIGN: 100,000,000."""
    image: ImageRules = ImageRules()
    min_image_bytes: int = 0
    """An image file smaller than this goes. LAION: 5,000."""
    encoding: ImageEncoding = ImageEncoding(format="jpg")
    min_similarity: float | None = None
    """The least cosine of image and caption, by `scorers.clip`. LAION-2B: 0.28 with CLIP ViT-B/32. Without a model
    nothing is compared."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "domains", hosts_of("domains", self.domains))


class PagePairs(msgspec.Struct, frozen=True):
    """What one page gave."""

    pairs: tuple[PairRef, ...] = ()
    dropped: tuple[DropRow, ...] = ()
    redacted: dict[str, int] = {}


def take_pairs(
    parsed: ParsedPage,
    page: Page,
    rules: PairRules,
    pii: PiiRules,
    consent: Consent,
    may_be_captioned: bool = False,
) -> PagePairs:
    """The pairs of a page, by the rules that look at one alone.

    Where an image may be captioned later, one without a caption stays.
    With `everywhere` a second walk over the same markup shows what the first passed over.
    """
    if rules.domains and not in_domains(host_of(page.url), rules.domains):
        return PagePairs(dropped=(DropRow(page.url, "pair", "site_not_allowed", host_of(page.url), page.url),))
    content = {id(leaf) for leaf in parsed.leaves}
    leaves = parsed.full()[0].leaves if rules.everywhere else parsed.leaves
    stated = stated_captions(parsed.markup, parsed.metadata.base)
    figures, refusals = captions_of(leaves), refuse_images(leaves)
    redacted: Counter[str] = Counter()
    pairs, dropped = [], []
    for place, leaf in enumerate(leaves):
        if not isinstance(leaf, Media) or leaf.kind != "image":
            continue
        counts: Counter[str] = Counter()
        try:
            refusal = refusals.get(id(leaf))
            if refusal is not None and (refusal.reason == "no_address" or not rules.everywhere):
                raise refusal
            captions = [
                Caption(redact_text(text, pii, counts), source) for text, source in _texts(leaf, figures, stated)
            ]
            chosen = _choose(captions, rules.caption, may_be_captioned)
            language, score = judge_caption(chosen.text, rules.caption) if chosen.text else ("", 0.0)
        except Drop as drop:
            url = leaf.candidates[0] if leaf.candidates else ""
            dropped.append(DropRow(url, "pair", drop.reason, on_page(drop.detail, page.url), page.url))
            continue
        redacted += counts
        pairs.append(
            PairRef(
                uid=page.uid,
                place=place,
                candidates=leaf.candidates,
                captions=tuple(captions),
                caption=chosen.text,
                caption_source=chosen.source,
                page_url=page.url,
                in_content=id(leaf) in content,
                language=language,
                language_score=score,
                licence=parsed.metadata.licence,
                consent=consent,
                fetch_time=page.fetch_time,
                warc_file=page.warc_file,
                warc_offset=page.warc_offset,
                warc_length=page.warc_length,
                redacted=dict(sorted(counts.items())),
            )
        )
    return PagePairs(tuple(pairs), tuple(dropped), dict(sorted(redacted.items())))


def _choose(captions: Sequence[Caption], rules: CaptionRules, may_be_captioned: bool) -> Caption:
    try:
        return choose_caption(captions, rules)
    except Drop as drop:
        if may_be_captioned and drop.reason == "no_caption":
            return Caption("", "")
        raise


def _texts(leaf: Media, figures: Mapping[int, str], stated: Mapping[bytes, list[str]]) -> Iterator[tuple[str, str]]:
    """All texts for an image, with their sources."""
    if leaf.alt:
        yield leaf.alt, "alt"
    if leaf.title:
        yield leaf.title, "title"
    if caption := figures.get(leaf.figure):
        yield caption, "figcaption"
    found = dict.fromkeys(text for url in leaf.candidates for text in stated.get(media_key(url), ()))
    yield from ((text, "schema_org") for text in found)
