"""One page, block by block: what is kept of it, what is not, and the rule and number that decided."""

import msgspec
import numpy as np

from pipeline.page.images import figures_without_image, refuse_images
from pipeline.page.leaves import Leaf, Text
from pipeline.page.parsed import ExtractSettings, ParsedPage, captions_of
from pipeline.page.reasons import of_evidence, why
from pipeline.page.scorer import chances, telling
from pipeline.page.verdicts import Verdict
from schemas.documents import Page
from schemas.drops import Drop


class TextItem(msgspec.Struct, frozen=True, tag="text", tag_field="kind"):
    """A block of text; `reason` is "" for what is kept. `likely`: its chance to be content, if it was weighed."""

    text: str
    kept: bool
    reason: str
    role: str
    mark: str
    likely: float | None = None


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
    text_source: str = ""
    """Where the text stood if the markup held next to none: json_ld or state."""


def explain_page(page: Page, settings: ExtractSettings = ExtractSettings()) -> Explanation:
    """What `extract_page` keeps of a page, and why not the rest. Raises `Drop("hostile_html")`."""
    parsed = ParsedPage(page, settings)
    walk, verdicts = parsed.full()
    kept = [leaf for leaf, verdict in zip(walk.leaves, verdicts, strict=True) if verdict is None]
    refusals, captions = refuse_images(kept), captions_of(walk.leaves)
    bare = figures_without_image(kept, refusals)
    weighed = _Weighed(parsed)
    items: list[Item] = []
    for leaf, verdict in zip(walk.leaves, verdicts, strict=True):
        if verdict is not None:
            reason = weighed.why(leaf, verdict)
        elif drop := refusals.get(id(leaf)):
            reason = reason_of(drop)
        elif isinstance(leaf, Text) and leaf.role == "caption" and leaf.figure in bare:
            reason = "caption: no image of its figure is kept"
        else:
            reason = ""
        items.append(_item(leaf, reason, captions, weighed.chance_of(leaf)))
    return Explanation(page.url, parsed.metadata.title, items, parsed.confidence, parsed.source)


def _item(leaf: Leaf, reason: str, captions: dict[int, str], likely: float | None) -> Item:
    if isinstance(leaf, Text):
        return TextItem(leaf.text, not reason, reason, leaf.role, leaf.mark, likely)
    url, caption = leaf.candidates[0] if leaf.candidates else "", captions.get(leaf.figure, "")
    if leaf.kind == "video":
        return VideoItem(url, leaf.candidates, caption, not reason, reason, leaf.title, leaf.link)
    return ImageItem(url, leaf.candidates, leaf.alt, caption, not reason, reason, leaf.title)


def reason_of(drop: Drop) -> str:
    """A drop as one line: its reason code, and its number."""
    return f"{drop.reason}: {drop.detail}" if drop.detail else drop.reason


class _Weighed:
    """What the evidence says of the texts of a page, beside what the rules say."""

    def __init__(self, parsed: ParsedPage) -> None:
        self._settings = parsed.settings.content
        leaves, rows = parsed.walk.leaves, parsed.rows
        self._rows = {id(leaves[index]): row for index, row in rows.items()}
        found = chances(np.array(list(rows.values()))).tolist() if rows else []
        self._chances = {id(leaves[index]): chance for index, chance in zip(rows, found, strict=True)}
        kept = (self._chances[id(leaves[index])] for index in rows if parsed.verdicts[index] is None)
        self._least = min(kept, default=1.0)
        self._decides = len(rows) >= self._settings.min_texts

    def chance_of(self, leaf: Leaf) -> float | None:
        """None on a page too small for evidence, and of what is no text or was passed over."""
        chance = self._chances.get(id(leaf))
        return round(chance, 3) if chance is not None and self._decides else None

    def why(self, leaf: Leaf, verdict: Verdict) -> str:
        chance = self._chances.get(id(leaf))
        if verdict.rule != "evidence" or chance is None:
            return why(verdict, self._settings)
        if not verdict.number:
            return "evidence: what it stands in is no part of an article, and all else does not speak for it"
        return of_evidence(chance, self._least, *telling(self._rows[id(leaf)], chance))
