"""A page becomes a draft: the text blocks and media references of its main content, in reading order."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from pipeline.charset import utf8_html
from pipeline.content import ContentSettings, judge
from pipeline.decoration import file_name
from pipeline.hostile import refuse_hostile
from pipeline.leaves import Leaf, Media, Text
from pipeline.markup import Markup
from pipeline.metadata import Metadata, read_metadata
from pipeline.walk import Walk
from schemas.consent import merge_consent, read_consent
from schemas.documents import Block, Draft, ImageRef, Page, TextBlock, VideoRef
from schemas.drops import Drop, DropRow


class ExtractSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a page becomes its draft."""

    content: ContentSettings = ContentSettings()
    min_declared_px: int = 50
    """An image that declares a side below this is an icon or a tracker. Undeclared sizes are judged after decoding."""
    lead_image: bool = True
    """Keep the image that og:image or JSON-LD name when it stands above the content region."""
    max_blocks: int = 20_000
    """A page of more texts and images than this is dropped as hostile."""


@contextmanager
def _paused_gc() -> Iterator[None]:
    """No search for reference cycles while a page's many small objects are made: 6 % faster, and none is in a cycle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_paused_gc()
def extract_page(page: Page, settings: ExtractSettings = ExtractSettings()) -> Draft:
    """Parse a page and keep its main content. Raises `Drop`: hostile_html, no_text."""
    html = utf8_html(page.html, page.charset)
    refuse_hostile(html)
    markup = Markup(html)
    metadata = read_metadata(markup, page.url)
    walk = Walk(markup, metadata.base, settings.min_declared_px, settings.content.chrome_share)
    if len(walk.leaves) > settings.max_blocks:
        raise Drop("hostile_html", f"{len(walk.leaves)} blocks")
    verdicts = judge(walk, settings.content, metadata.title, metadata.author)
    leaves = [leaf for leaf, verdict in zip(walk.leaves, verdicts, strict=True) if verdict is None]
    if not any(isinstance(leaf, Text) for leaf in leaves):
        raise Drop("no_text")
    lead = None
    if settings.lead_image:
        lead = _lead(leaves, walk.places[verdicts.index(None)], markup, metadata, settings.min_declared_px)
    blocks, let_go = _blocks([lead, *leaves] if lead is not None else leaves, lead, page.url)
    headers = read_consent(page.robots_header, page.tdm_header, page.tdm_policy_header)
    return Draft(
        uid=page.uid,
        url=page.url,
        blocks=tuple(blocks),
        title=metadata.title,
        canonical_url=metadata.canonical_url,
        author=metadata.author,
        date=metadata.date,
        language_hint=metadata.language,
        licence=metadata.licence,
        consent=merge_consent(headers, metadata.consent),
        fetch_time=page.fetch_time,
        warc_file=page.warc_file,
        warc_offset=page.warc_offset,
        warc_length=page.warc_length,
        let_go=tuple(let_go),
    )


def _blocks(leaves: list[Leaf], lead: Media | None, page_url: str) -> tuple[list[Block], list[DropRow]]:
    captions = _captions(leaves)
    refusals = _refusals(leaves)
    shown = {leaf.figure for leaf in leaves if isinstance(leaf, Media) and id(leaf) not in refusals}
    bare = {leaf.figure for leaf in leaves if id(leaf) in refusals} - shown  # figures of icons alone
    blocks: list[Block] = []
    let_go: list[DropRow] = []
    for leaf in leaves:
        if isinstance(leaf, Text):
            if leaf.role != "caption" or leaf.figure not in bare:
                blocks.append(TextBlock(leaf.text, leaf.role, leaf.mark))
        elif drop := refusals.get(id(leaf)):
            url = leaf.candidates[0] if leaf.candidates else ""
            detail = ", ".join(filter(None, (drop.detail, f"on {page_url}")))
            let_go.append(DropRow(url, "image", drop.reason, detail))
        elif leaf.kind == "video":
            blocks.append(VideoRef(leaf.candidates, leaf.link, captions.get(leaf.figure, ""), leaf.title))
        else:
            blocks.append(_image_ref(leaf, captions.get(leaf.figure, ""), "lead" if leaf is lead else "body"))
    return blocks, let_go


def _refusals(leaves: list[Leaf]) -> dict[int, Drop]:
    """The image references that are not taken, by the id of their leaf, and why by what their markup says."""
    refusals: dict[int, Drop] = {}
    seen: set[str] = set()
    for leaf in leaves:
        if isinstance(leaf, Media) and leaf.kind == "image":
            if not leaf.candidates:
                refusals[id(leaf)] = Drop("no_address")
            elif leaf.decoration:
                refusals[id(leaf)] = Drop("icon", leaf.decoration)
            elif leaf.candidates[0] in seen:
                refusals[id(leaf)] = Drop("repeated_image")
            else:
                seen.update(leaf.candidates)
    return refusals


def _captions(leaves: list[Leaf]) -> dict[int, str]:
    """The caption of each figure, by its container; text that stands in no figure belongs to none."""
    captions: dict[int, str] = {}
    for leaf in leaves:
        if isinstance(leaf, Text) and leaf.role == "caption" and leaf.figure >= 0:
            captions[leaf.figure] = f"{captions[leaf.figure]} {leaf.text}" if leaf.figure in captions else leaf.text
    return captions


def _image_ref(leaf: Media, caption: str, source: str) -> ImageRef:
    return ImageRef(leaf.candidates, leaf.alt, leaf.title, caption, leaf.link, leaf.width, leaf.height, source)


def _lead(leaves: list[Leaf], content_at: int, markup: Markup, metadata: Metadata, min_px: int) -> Media | None:
    """The image that the page states as its own, if it is shown above the content, wherever, and not in it."""
    stated = {name for url in metadata.lead_images if (name := file_name(url))}
    if not stated or any(isinstance(leaf, Media) and _file_names(leaf) & stated for leaf in leaves):
        return None
    for at in markup.places("img"):
        if at >= content_at:
            break
        first = at
        while markup.tags[first - 1] == "source":
            first -= 1
        *sources, written = markup.attributes[first : at + 1]
        if any(name in attributes for name in stated for attributes in (written, *sources)):
            leaf = Media.image(written, sources, "", metadata.base, (0, -1), min_px)
            if _file_names(leaf) & stated:
                return leaf
    return None


def _file_names(leaf: Media) -> set[str]:
    return {file_name(url) for url in leaf.candidates}
