"""One page, block by block: what is kept of it, what is not, and the rule and number that decided."""

import msgspec

from pipeline.page.evidence import Floats
from pipeline.page.images import figures_without_image, refuse_images
from pipeline.page.leaves import Leaf, Text
from pipeline.page.names import CHROME_NAMES, COMMENT_NAMES, WEAK_NAMES
from pipeline.page.parsed import ExtractSettings, ParsedPage, captions_of
from pipeline.page.scorer import telling
from pipeline.page.verdicts import Verdict
from schemas.documents import Page
from schemas.drops import Drop


class TextItem(msgspec.Struct, frozen=True, tag="text", tag_field="kind"):
    """A block of text; `reason` is "" for what is kept."""

    text: str
    kept: bool
    reason: str
    role: str
    mark: str


class ImageItem(msgspec.Struct, frozen=True, tag="image", tag_field="kind"):
    """A reference to an image; `url` is the first of its candidates."""

    url: str
    candidates: tuple[str, ...]
    alt: str
    caption: str
    kept: bool
    reason: str
    title: str


class VideoItem(msgspec.Struct, frozen=True, tag="video", tag_field="kind"):
    """A reference to a video or embed."""

    url: str
    candidates: tuple[str, ...]
    caption: str
    kept: bool
    reason: str
    title: str
    poster: str


Item = TextItem | ImageItem | VideoItem


class Explanation(msgspec.Struct, frozen=True):
    """A page's parts in reading order, and how clear the decision on them was, from 0 to 1."""

    url: str
    title: str
    items: list[Item]
    confidence: float = 0.0


def explain_page(page: Page, settings: ExtractSettings = ExtractSettings()) -> Explanation:
    """What `extract_page` keeps of a page, and why not the rest. Raises `Drop("hostile_html")`."""
    parsed = ParsedPage(page, settings)
    walk, verdicts = parsed.full()
    kept = [leaf for leaf, verdict in zip(walk.leaves, verdicts, strict=True) if verdict is None]
    refusals, captions = refuse_images(kept), captions_of(walk.leaves)
    bare = figures_without_image(kept, refusals)
    rows = {id(parsed.walk.leaves[index]): row for index, row in parsed.rows.items()}
    items: list[Item] = []
    for leaf, verdict in zip(walk.leaves, verdicts, strict=True):
        if verdict is not None and verdict.rule == "evidence":
            reason = _weighed(verdict, rows.get(id(leaf)))
        elif verdict is not None:
            reason = _describe(verdict, settings)
        elif drop := refusals.get(id(leaf)):
            reason = reason_of(drop)
        elif isinstance(leaf, Text) and leaf.role == "caption" and leaf.figure in bare:
            reason = "caption: no image of its figure is kept"
        else:
            reason = ""
        items.append(_item(leaf, reason, captions))
    return Explanation(page.url, parsed.metadata.title, items, parsed.confidence)


def _item(leaf: Leaf, reason: str, captions: dict[int, str]) -> Item:
    if isinstance(leaf, Text):
        return TextItem(leaf.text, not reason, reason, leaf.role, leaf.mark)
    url, caption = leaf.candidates[0] if leaf.candidates else "", captions.get(leaf.figure, "")
    if leaf.kind == "video":
        return VideoItem(url, leaf.candidates, caption, not reason, reason, leaf.title, leaf.link)
    return ImageItem(url, leaf.candidates, leaf.alt, caption, not reason, reason, leaf.title)


def reason_of(drop: Drop) -> str:
    """A drop as one line: its reason code, and its number."""
    return f"{drop.reason}: {drop.detail}" if drop.detail else drop.reason


def _weighed(verdict: Verdict, row: Floats | None) -> str:
    """What the evidence says of a text, and which of it most; an image goes with the texts around it."""
    if row is None:
        return "evidence: none of the texts around it is content"
    if not verdict.number:
        return "evidence: what it stands in is no part of an article"
    column, value = telling(row, verdict.number)
    return f"evidence: its chance to be content is {verdict.number:.2f}, most against it: {column}, {value:.2f}"


def _describe(verdict: Verdict, settings: ExtractSettings) -> str:
    """The rule, what it looked at, and the limit, by the name of its setting where it has one."""
    content, number = settings.content, verdict.number
    element = f"<{verdict.container.tag}>" if verdict.container else ""
    telling = WEAK_NAMES if verdict.rule == "little_prose" else CHROME_NAMES | COMMENT_NAMES
    if verdict.container and (names := verdict.container.names.words & telling):
        element += f" named {' '.join(sorted(names))}"
    of_comments = verdict.container and verdict.container.names.comments
    share = f"{content.comment_share:g} (comment_share)" if of_comments else f"{content.chrome_share:g} (chrome_share)"
    said = {
        "hidden": f"{element} is not shown",
        "chrome": f"{element} holds {number:.2f} of the page's text outside links, content would be more than {share}",
        "little_prose": f"{element} holds {number:.0f} characters of prose,"
        f" content would be more than {content.weak_chrome_characters:g} (weak_chrome_characters)",
        "teasers": f"{number:.0f} linked headings with little text in {element},"
        f" at most {content.teaser_share:g} of the content's weight (teaser_share)",
        "outside": "outside the part that holds the main content",
        "links": f"{number:.2f} of the characters in {element} stand in links,"
        f" at most {content.max_link_share:g} may (max_link_share)",
        "repeated_text": f"{number:.0f} characters that stand on the page before, in another part",
        "title": f"{number:.2f} of its letters are in words of the page's title",
        "byline": f"{number:.0f} characters before the text that hold a date or the author",
        "label": "words of an advertisement or of a link to elsewhere, by themselves",
        "author": "its words are the author's name",
        "head": "a picture before the text, in another part, that links to another page",
        "tail": "after the text, and a scrap or a link to another page",
        "empty_section": "nothing of its section is kept",
    }
    return f"{verdict.rule}: {said[verdict.rule]}"
