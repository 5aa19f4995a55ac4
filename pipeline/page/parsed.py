"""A page is read: parsed, walked, and its main content separated from the rest."""

from pipeline.page.charset import utf8_html
from pipeline.page.content import ContentSettings, leave_out_chrome
from pipeline.page.decoration import file_name
from pipeline.page.hostile import refuse_hostile
from pipeline.page.judgement import rules_for, weigh
from pipeline.page.leaves import Leaf, Media, Text
from pipeline.page.markup import Markup
from pipeline.page.metadata import Metadata, read_metadata
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk
from schemas.documents import Page
from schemas.drops import Drop
from schemas.settings import Settings

_MAX_CAPTION = 5_000  # characters; a longer text is none, and each image of its figure would bear it
_MAX_LEADS = 100


class ExtractSettings(Settings, frozen=True):
    """What of a page becomes its draft."""

    content: ContentSettings = ContentSettings()
    min_declared_px: int = 50
    """An image that declares a side below this is an icon or a tracker. Undeclared sizes are judged after decoding."""
    lead_image: bool = True
    """Keep the image that og:image or JSON-LD name when it stands above the content region."""
    min_confidence: float = 0.0
    """A page whose content is less clear than this is dropped."""
    max_blocks: int = 20_000
    """A page of more texts and images than this is dropped as hostile."""


class ParsedPage:
    """What was read of a page: `verdicts` has for each leaf of `walk` why it is not content, None if it is."""

    def __init__(self, page: Page, settings: ExtractSettings) -> None:
        """Raises `Drop("hostile_html")`."""
        html = utf8_html(page.html, page.charset)
        refuse_hostile(html)
        self.markup, self._settings = Markup(html), settings
        self.metadata: Metadata = read_metadata(self.markup, page.url)
        self.walk = self._walk(passes_over=True)
        if len(self.walk.leaves) > settings.max_blocks:
            raise Drop("hostile_html", f"{len(self.walk.leaves)} blocks")
        judgement = weigh(self.walk, settings.content, self.metadata)
        self.verdicts: Verdicts = judgement.verdicts
        self.confidence, self.rows = judgement.confidence, judgement.rows
        kept = zip(self.walk.leaves, self.verdicts, strict=True)
        self.leaves = [leaf for leaf, verdict in kept if verdict is None]
        self.lead_at, self.lead = -1, None
        if settings.lead_image and any(isinstance(leaf, Text) for leaf in self.leaves):
            self.lead_at, self.lead = self._find_lead(self.markup, settings.min_declared_px)

    def require_clear(self) -> None:
        """Raise `Drop("unclear_content")` for a page whose content is less clear than the settings ask."""
        if self.confidence < self._settings.min_confidence:
            raise Drop("unclear_content", f"{self.confidence:.2f}")

    def full(self) -> tuple[Walk, Verdicts]:
        """A walk that passes nothing over, and for its leaves the same verdicts."""
        walk, read = self._walk(passes_over=False), {}
        for leaf, at, verdict in zip(self.walk.leaves, self.walk.places, self.verdicts, strict=True):
            read[at, leaf.kind] = leaf, verdict
        verdicts = leave_out_chrome(walk, rules_for(self.metadata, self._settings.content))
        for index, (leaf, at) in enumerate(zip(walk.leaves, walk.places, strict=True)):
            if (at, leaf.kind) in read:
                walk.leaves[index], verdicts[index] = read[at, leaf.kind]
        return walk, verdicts

    def _walk(self, passes_over: bool) -> Walk:
        content = self._settings.content
        return Walk(
            self.markup,
            self.metadata.base,
            self._settings.min_declared_px,
            content.chrome_share,
            passes_over,
        )

    def _find_lead(self, markup: Markup, min_px: int) -> tuple[int, Media | None]:
        """The image that the page states as its own, if it is shown above the content, wherever, and not in it.

        With the number of its tag. Its part of the page may have been passed over: it is looked for in the markup.
        """
        stated = {name for url in self.metadata.lead_images[:_MAX_LEADS] if (name := file_name(url))}
        if not stated or any(isinstance(leaf, Media) and _file_names(leaf) & stated for leaf in self.leaves):
            return -1, None
        content_at = self.walk.places[self.verdicts.index(None)]
        for at in markup.places("img"):
            if at >= content_at:
                break
            first = at
            while markup.tags[first - 1] == "source":
                first -= 1
            *sources, written = markup.attributes[first : at + 1]
            if any(name in attributes for name in stated for attributes in (written, *sources)):
                leaf = Media.image(written, sources, "", self.metadata.base, (0, -1), min_px)
                if _file_names(leaf) & stated:
                    return at, leaf
        return -1, None


def refuse_images(leaves: list[Leaf]) -> dict[int, Drop]:
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


def figures_without_image(leaves: list[Leaf], refusals: dict[int, Drop]) -> set[int]:
    """Figures all of whose images were refused: their captions go with them."""
    shown = {leaf.figure for leaf in leaves if isinstance(leaf, Media) and id(leaf) not in refusals}
    return {leaf.figure for leaf in leaves if id(leaf) in refusals} - shown


def captions_of(leaves: list[Leaf]) -> dict[int, str]:
    """The caption of each figure, by the number of its tag; text that stands in no figure belongs to none.

    Nor is it one if it is longer than any caption.
    """
    captions: dict[int, list[str]] = {}
    for leaf in leaves:
        if isinstance(leaf, Text) and leaf.role == "caption" and leaf.figure >= 0:
            captions.setdefault(leaf.figure, []).append(leaf.text)
    return {figure: " ".join(texts) for figure, texts in captions.items() if sum(map(len, texts)) <= _MAX_CAPTION}


def _file_names(leaf: Media) -> set[str]:
    return {file_name(url) for url in leaf.candidates}
