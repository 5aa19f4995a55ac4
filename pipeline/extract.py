"""A page becomes a draft: the text blocks and media references of its main content, in reading order."""

import re
from collections import Counter

import msgspec
from selectolax.lexbor import LexborHTMLParser

from pipeline.charset import decode_html
from pipeline.content import ContentSettings, content_leaves
from pipeline.decoration import file_name
from pipeline.leaves import Leaf, Media, Text
from pipeline.metadata import Metadata, read_metadata
from pipeline.walk import Walk
from schemas.consent import merge_consent, read_consent
from schemas.documents import Block, Draft, ImageRef, Page, TextBlock, VideoRef
from schemas.drops import Drop, DropRow

_MAX_DEPTH, _MAX_ATTRIBUTES = 2_000, 5_000  # no real page comes near; parsers take a second at ten times as much
_MANY_TAGS, _LONG_TAG = 10_000, 1 << 16  # characters; below, no page is looked at closer
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_TAG_TO_ITS_END = re.compile(r"[a-zA-Z](?:[^>\"']|\"[^\"]*\"|'[^']*'|[\"'])*")  # a quote left open is a character
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
#: Elements that hold nothing, or that the next of their kind ends: left open by the thousand, they nest nowhere.
_NEVER_DEEP = frozenset(
    "area base br col embed hr img input link meta param source track wbr p li dt dd tr td th tbody thead tfoot "
    "option optgroup rp rt".split()
)


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
    walk = Walk(tree.body, metadata.base, settings.min_declared_px)
    if len(walk.leaves) > settings.max_blocks:
        raise Drop("hostile_html", f"{len(walk.leaves)} blocks")
    leaves = content_leaves(walk, settings.content)
    if not any(isinstance(leaf, Text) for leaf in leaves):
        raise Drop("no_text")
    lead = None
    if settings.lead_image:
        lead = _lead(leaves, walk, metadata)
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


def refuse_hostile(html: str) -> None:
    """Raise `Drop("hostile_html")` for markup that takes every parser minutes.

    100,000 attributes in one tag take more than a minute, 100,000 nested elements half of one.
    """
    if html.count("<") > _MANY_TAGS and _depth(html) > _MAX_DEPTH:
        raise Drop("hostile_html", f"more than {_MAX_DEPTH} elements deep")
    if len(html) > _LONG_TAG:
        for piece in html.split("<"):
            if len(piece) > _LONG_TAG and _attributes(piece) > _MAX_ATTRIBUTES:
                raise Drop("hostile_html", f"a tag of more than {_MAX_ATTRIBUTES} attributes")


def _depth(html: str) -> int:
    """About how deep the elements of a page nest, told from its tags alone; stops counting beyond the cap."""
    still_open: Counter[str] = Counter()  # by name: an end tag that ends nothing is ignored
    depth = deepest = 0
    inside = ""  # the script or style whose text this is
    for end, name in _TAG.findall(html):
        name = name.lower()
        if inside or name in ("script", "style"):
            inside = "" if end and name == inside else inside or ("" if end else name)
        elif name not in _NEVER_DEEP and (not end or still_open[name]):
            step = -1 if end else 1
            still_open[name] += step
            depth += step
            deepest = max(deepest, depth)
            if deepest > _MAX_DEPTH:
                break
    return deepest


def _attributes(piece: str) -> int:
    """How many attributes the tag has that `piece`, without its "<", begins with."""
    tag = _TAG_TO_ITS_END.match(piece)
    return len(_QUOTED.sub(" ", tag[0]).split()) if tag else 0


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
                blocks.append(TextBlock(leaf.text, leaf.role))
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


def _lead(leaves: list[Leaf], walk: Walk, metadata: Metadata) -> Media | None:
    """The image that the page states as its own, if it is shown above the content and not in it."""
    stated = {file_name(url) for url in metadata.lead_images}
    if not stated or any(isinstance(leaf, Media) and _file_names(leaf) & stated for leaf in leaves):
        return None
    for leaf in walk.leaves:
        if leaf is leaves[0]:
            break
        if isinstance(leaf, Media) and leaf.kind == "image" and _file_names(leaf) & stated:
            return leaf
    return None


def _file_names(leaf: Media) -> set[str]:
    return {file_name(url) for url in leaf.candidates}
