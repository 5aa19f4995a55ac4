"""A page becomes a draft: the text blocks and media references of its main content, in reading order."""

import re

import msgspec
from selectolax.lexbor import LexborHTMLParser

from pipeline.charset import decode_html
from pipeline.content import ContentSettings, content_leaves
from pipeline.metadata import Metadata, read_metadata
from pipeline.tokens import tokens
from pipeline.walk import Leaf, Media, Text, Walk
from schemas.consent import merge_consent, read_consent
from schemas.documents import Block, Draft, ImageRef, Page, TextBlock, VideoRef
from schemas.drops import Drop, DropRow

DECORATION = frozenset(
    "avatar badge beacon button emoji emoticon favicon gravatar icon icons logo logos pixel smiley spacer sprite "
    "tracker tracking".split()
)
_MANY_TAGS, _MANY_ATTRIBUTES = 10_000, 5_000  # below, no page takes a parser more than a second; counting is cheap
_ATTRIBUTES = re.compile(r"<[a-zA-Z](?:[^<>=]{1,200}=){5000}")
_DEEP = re.compile(r"(?:<(?:div|span|b|i|font|table|ul|li|p|a)\b[^>]{0,80}>\s*){2000}", re.IGNORECASE)


class ExtractSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a page becomes its draft."""

    content: ContentSettings = ContentSettings()
    min_declared_px: int = 50
    """An image that declares a side below this is an icon or a tracker. Undeclared sizes are judged after decoding."""
    lead_image: bool = True
    """Keep the image that og:image or JSON-LD name when it stands above the content region."""
    max_blocks: int = 20_000
    """A page of more texts and images than this is dropped as hostile."""


def extract_page(page: Page, settings: ExtractSettings = ExtractSettings()) -> Draft:
    """Parse a page and keep its main content. Raises `Drop`: hostile_html, no_text."""
    html = decode_html(page.html, page.charset)
    refuse_hostile(html)
    tree = LexborHTMLParser(html)
    metadata = read_metadata(tree, page.url)
    if tree.body is None:
        raise Drop("no_text", "no body")
    walk = Walk(tree.body, metadata.base)
    if len(walk.leaves) > settings.max_blocks:
        raise Drop("hostile_html", f"{len(walk.leaves)} blocks")
    leaves = content_leaves(walk, settings.content)
    if not any(isinstance(leaf, Text) for leaf in leaves):
        raise Drop("no_text")
    if settings.lead_image:
        leaves = _with_lead(leaves, walk, metadata)
    blocks, let_go = _blocks(leaves, settings, page.url)
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


def refuse_hostile(html: str) -> None:
    """Raise `Drop("hostile_html")` for markup that takes every parser minutes.

    100,000 attributes in one tag take more than a minute, 100,000 nested elements half of one.
    """
    if html.count("<") > _MANY_TAGS and _DEEP.search(html):
        raise Drop("hostile_html", "thousands of elements opened in a row")
    if html.count("=") > _MANY_ATTRIBUTES and _ATTRIBUTES.search(html):
        raise Drop("hostile_html", "a tag of thousands of attributes")


def _blocks(leaves: list[Leaf], settings: ExtractSettings, page_url: str) -> tuple[list[Block], list[DropRow]]:
    captions = _captions(leaves)
    blocks: list[Block] = []
    seen: set[str] = set()
    let_go: list[DropRow] = []
    for leaf in leaves:
        if isinstance(leaf, Text):
            blocks.append(TextBlock(leaf.text, leaf.role))
        elif leaf.kind == "video":
            blocks.append(VideoRef(leaf.candidates, leaf.link, captions.get(leaf.figure, ""), leaf.title))
        elif drop := _refusal(leaf, seen, settings.min_declared_px):
            url = leaf.candidates[0] if leaf.candidates else ""
            let_go.append(DropRow(url, "image", drop.reason, ", ".join(filter(None, (drop.detail, f"on {page_url}")))))
        else:
            seen.update(leaf.candidates)
            blocks.append(_image_ref(leaf, captions.get(leaf.figure, "")))
    return blocks, let_go


def _captions(leaves: list[Leaf]) -> dict[int, str]:
    """The caption of each figure, by its container; text that stands in no figure belongs to none."""
    captions: dict[int, str] = {}
    for leaf in leaves:
        if isinstance(leaf, Text) and leaf.role == "caption" and leaf.figure >= 0:
            captions[leaf.figure] = f"{captions[leaf.figure]} {leaf.text}" if leaf.figure in captions else leaf.text
    return captions


def _image_ref(leaf: Media, caption: str, source: str = "body") -> ImageRef:
    return ImageRef(leaf.candidates, leaf.alt, leaf.title, caption, leaf.link, leaf.width, leaf.height, source)


def _refusal(leaf: Media, seen: set[str], min_px: int) -> Drop | None:
    """Why a reference is not taken, by what its markup says."""
    if not leaf.candidates:
        return Drop("no_address")
    if leaf.candidates[0] in seen:
        return Drop("repeated_image")
    decoration = _decoration(leaf, min_px)
    return Drop("icon", decoration) if decoration else None


def _decoration(leaf: Media, min_px: int) -> str:
    """What marks an image as an icon, spacer, tracker or avatar; "" if nothing does."""
    for side, value in (("width", leaf.width), ("height", leaf.height)):
        if 0 < value < min_px:
            return f"declared {side} {value}"
    if named := DECORATION & leaf.names:
        return f"named {min(named)}"
    if named := DECORATION & tokens(leaf.candidates[0].rpartition("/")[2].partition("?")[0]):
        return f"file named {min(named)}"
    return ""


def _with_lead(leaves: list[Leaf], walk: Walk, metadata: Metadata) -> list[Leaf]:
    """Put first the image that the page states as its own, if it is shown above the content and not in it."""
    stated = {_file_name(url) for url in metadata.lead_images}
    if not stated or any(isinstance(leaf, Media) and _file_names(leaf) & stated for leaf in leaves):
        return leaves
    for leaf in walk.leaves:
        if leaf is leaves[0]:
            break
        if isinstance(leaf, Media) and leaf.kind == "image" and _file_names(leaf) & stated:
            return [leaf, *leaves]
    return leaves


def _file_names(leaf: Media) -> set[str]:
    return {_file_name(url) for url in leaf.candidates}


def _file_name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
