"""A page is read: parsed, walked, and its main content separated from the rest."""

from collections.abc import Iterator

from pipeline.page.charset import query_codec, utf8_html
from pipeline.page.chrome import leave_out_chrome
from pipeline.page.content_settings import ContentSettings
from pipeline.page.evidence import Floats
from pipeline.page.hostile import refuse_hostile
from pipeline.page.images import is_among, stated_images
from pipeline.page.judgement import rules_for, weigh
from pipeline.page.leaves import Leaf, Media, Text
from pipeline.page.markup import Markup
from pipeline.page.metadata import Metadata, read_metadata
from pipeline.page.pictures import keep_galleries, keep_pictures_with_words
from pipeline.page.stated_text import stated_text
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk
from schemas.documents import Page
from schemas.drops import Drop
from schemas.settings import Settings

_LITTLE = 400  # characters that a page keeps; below, what it states is looked for
_LEAST_STATED, _TIMES = 300, 3  # characters of that, and how many times those of what it keeps
_MAX_CAPTION = 5_000  # characters; a longer text is none, and each image of its figure would bear it


class ExtractSettings(Settings, frozen=True):
    """What of a page becomes its draft."""

    content: ContentSettings = ContentSettings()
    min_declared_px: int = 50
    """An image that declares a side below this is an icon or a tracker. Undeclared sizes are judged after decoding."""
    lead_image: bool = True
    """Keep the images that og:image or JSON-LD name, wherever the page shows them, if its content has none of them."""
    min_confidence: float = 0.0
    """A page whose content is less clear than this is dropped."""
    max_blocks: int = 20_000
    """A page of more texts and images than this is dropped as hostile."""


class ParsedPage:
    """What was read of a page: `verdicts` has for each leaf of `walk` why it is not content, None if it is.

    Where its markup holds little, but its data a text, that is read instead: `source` says where it stood.
    """

    def __init__(self, page: Page, settings: ExtractSettings) -> None:
        """Raises `Drop("hostile_html")`."""
        html = utf8_html(page.html, page.charset)
        refuse_hostile(html)
        self.markup, self.settings = Markup(html), settings
        self.metadata: Metadata = read_metadata(self.markup, page.url, lambda: query_codec(page.html, page.charset))
        self.source = ""
        self.verdicts: Verdicts = []
        self.rows: dict[int, Floats] = {}
        self.lead: Media | None = None  # stated by the page, and shown above its content
        self._stated: list[tuple[int, Media]] = []  # and shown in a part that was passed over, by the number of the tag
        if page.whole:
            self._read_whole()
            return
        self._read()
        held = sum(len(leaf.text) for leaf in self.leaves if isinstance(leaf, Text))
        if held < _LITTLE:
            self._read_stated(html, max(_LEAST_STATED, _TIMES * held))

    def _read_whole(self) -> None:
        """Of a page that was made of a document: nothing of it is anything else."""
        self.walk = self._walk(passes_over=False)
        self.verdicts, self.confidence = [None] * len(self.walk.leaves), 1.0
        self.leaves = self._kept()

    def _read(self) -> None:
        settings = self.settings
        self.walk = self._walk(passes_over=True)
        if len(self.walk.leaves) > settings.max_blocks:
            raise Drop("hostile_html", f"{len(self.walk.leaves)} blocks")
        judgement = weigh(self.walk, settings.content, self.metadata)
        self.verdicts = judgement.verdicts
        self.confidence, self.rows = judgement.confidence, judgement.rows
        keep_pictures_with_words(self.walk, self.verdicts, self.metadata)
        self.lead, self._stated = None, []
        if settings.lead_image:
            self._keep_stated()
            keep_galleries(self.walk, self.verdicts, self.metadata)
        self.leaves = self._kept()

    def _read_stated(self, html: bytes, least: int) -> None:
        """Reads what the page states as its text instead of its markup, if that has as many characters as `least`."""
        written, source = stated_text(html, self.markup.json_ld, self.metadata.lead_images, least)
        if written:
            stated = written.encode("utf-8", "replace")
            refuse_hostile(stated)
            self.markup, self.source = Markup(stated), source
            self._read()

    def require_clear(self) -> None:
        """Raise `Drop("unclear_content")` for a page whose content is less clear than the settings ask."""
        if self.confidence < self.settings.min_confidence:
            raise Drop("unclear_content", f"{self.confidence:.2f}")

    def full(self) -> tuple[Walk, Verdicts]:
        """A walk that passes nothing over, and for its leaves the same verdicts."""
        walk, read = self._walk(passes_over=False), {}
        for leaf, at, verdict in zip(self.walk.leaves, self.walk.places, self.verdicts, strict=True):
            read[at, leaf.kind] = leaf, verdict
        verdicts = leave_out_chrome(walk, rules_for(self.metadata, self.settings.content))
        read |= {(at, image.kind): (image, None) for at, image in self._stated}
        for index, (leaf, at) in enumerate(zip(walk.leaves, walk.places, strict=True)):
            if (at, leaf.kind) in read:
                walk.leaves[index], verdicts[index] = read[at, leaf.kind]
        return walk, verdicts

    def _walk(self, passes_over: bool) -> Walk:
        content = self.settings.content
        return Walk(
            self.markup,
            self.metadata.base,
            self.settings.min_declared_px,
            content.chrome_share,
            passes_over,
        )

    def _keep_stated(self) -> None:
        """Where the content has none of the images that the page states as its own, those that it shows are kept.

        They may stand in a part that was passed over, and so are looked for in the markup.
        """
        walk, verdicts, metadata = self.walk, self.verdicts, self.metadata
        first = next((at for at, leaf in self._placed() if isinstance(leaf, Text)), None)
        if first is None or not metadata.lead_images:
            return
        stated = stated_images(self.markup, metadata.lead_images, metadata.base, self.settings.min_declared_px)
        if not stated or is_among([image for _, image in stated], self._kept()):
            return
        walked = {at: index for index, at in enumerate(walk.places) if isinstance(walk.leaves[index], Media)}
        for at, image in stated:
            index = walked.get(at, -1)
            shown = walk.leaves[index] if index >= 0 else None
            if isinstance(shown, Media):
                shown.absorb(image)
                verdicts[index], image = None, shown
            else:
                self._stated.append((at, image))
            if at < first and self.lead is None:
                self.lead = image

    def _kept(self) -> list[Leaf]:
        """What is content, in reading order."""
        if not self._stated:
            return [leaf for leaf, verdict in zip(self.walk.leaves, self.verdicts, strict=True) if verdict is None]
        return [leaf for _, leaf in sorted([*self._placed(), *self._stated], key=lambda placed: placed[0])]

    def _placed(self) -> Iterator[tuple[int, Leaf]]:
        """What the walk found of it, and where."""
        kept = zip(self.walk.places, self.walk.leaves, self.verdicts, strict=True)
        return ((at, leaf) for at, leaf, verdict in kept if verdict is None)


def captions_of(leaves: list[Leaf]) -> dict[int, str]:
    """The caption of each figure, by the number of its tag; text that stands in no figure belongs to none.

    Nor is it one if it is longer than any caption.
    """
    captions: dict[int, list[str]] = {}
    for leaf in leaves:
        if isinstance(leaf, Text) and leaf.role == "caption" and leaf.figure >= 0:
            captions.setdefault(leaf.figure, []).append(leaf.text)
    return {figure: " ".join(texts) for figure, texts in captions.items() if sum(map(len, texts)) <= _MAX_CAPTION}
