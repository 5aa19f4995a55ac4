"""One pass over a page's DOM, in reading order, into flat lists: the containers, and the texts and media they hold.

Iterative, so that no depth of nesting overflows a stack. What is main content is not decided here; see
`pipeline.content`.
"""

import re
from collections.abc import Mapping

from selectolax.lexbor import LexborNode

from pipeline.decoration import decoration
from pipeline.image_refs import candidates, is_image_url
from pipeline.leaves import Container, Leaf, Media, Text
from pipeline.tokens import names_of, tokens
from schemas.urls import resolve

SKIPPED = frozenset(
    "script style template svg math head title meta link select option textarea input object applet canvas "
    "datalist dialog map noframes progress meter".split()
)
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
BLOCKS = (
    frozenset(
        "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form "
        "header hgroup hr html legend li main menu nav ol p pre search section summary table tbody td tfoot th thead "
        "tr ul caption colgroup".split()
    )
    | HEADINGS
)
_HANDLED = BLOCKS | {
    "a",
    "br",
    "img",
    "amp-img",
    "source",
    "picture",
    "noscript",
    "button",
    "video",
    "iframe",
    "embed",
    "audio",
}
_CELLS = frozenset(("td", "th"))
_FIGURES = frozenset(("figure", "figcaption"))
_SECTIONS = frozenset(("article", "main", "section", "body"))
_NO_NAMES: frozenset[str] = frozenset()
_ROLES = {"li": "list", "dd": "list", "dt": "list", "tr": "table", "pre": "code", "blockquote": "quote"}
_BREAK = "\u2028"  # a `<br>`, until line ends of the source have become spaces
_CELL_END = "\u2029"  # of a table row
_INVISIBLE = ("\u00ad", "\u200b", "\ufeff")  # soft hyphen, zero-width space, stray byte order mark
_CAPTION_TEXT = frozenset(("caption", "figcaption", "credit", "legend", "cutline"))


class Walk:
    """Walks a tree on construction; `containers` and `leaves` are its outcome, both in document order."""

    def __init__(self, root: LexborNode, base: str, min_declared_px: int = 50) -> None:
        self._min_declared_px = min_declared_px
        self.containers: list[Container] = [Container("root", -1, frozenset(), False)]
        self.leaves: list[Leaf] = []
        self._base = base
        self._container = 0
        self._figure = -1
        self._buffer: list[str] = []
        self._link_chars = 0
        self._links: list[str] = []  # hrefs of the open <a>, outermost first
        self._preformatted = 0
        self._noscript = 0
        self._mute = 0  # open elements whose text is not for reading
        self._in_picture = False
        self._caption_of = -1  # container of the open caption
        self._figures: list[tuple[int, int, int]] = []  # open ones: container, and the figure and caption around it
        self._sources: list[Mapping[str, str | None]] = []
        self._run(root)
        if self._buffer:
            self._flush()

    def _run(self, root: LexborNode) -> None:
        node: LexborNode | None = root
        above: list[tuple[LexborNode, str]] = []  # open elements, with their tag if leaving them needs something done
        while node is not None:
            tag = node.tag or ""
            child = None
            if tag == "-text":
                self._text(node.text_content or "")
            elif tag in _HANDLED:
                child = node.first_child if self._enter(node, tag) else None
                if child is None:
                    self._leave(tag)
            elif tag not in SKIPPED and tag[:1].isalpha():
                child, tag = self._inline(node)
            if child is not None:
                above.append((node, tag))
                node = child
                continue
            following = node.next if node is not root else None
            while following is None and above:
                node, tag = above.pop()
                if tag:
                    self._leave(tag)
                following = node.next if node is not root else None
            node = following

    def _inline(self, node: LexborNode) -> tuple[LexborNode | None, str]:
        """The first child of an element that only marks its text, unless it is hidden."""
        attributes = node.attributes
        if attributes and _is_hidden(attributes):
            return None, ""
        return node.first_child, ""

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Open an element; False if its children are not to be walked."""
        if tag in BLOCKS:
            self._open_block(node, tag)
            return True
        match tag:
            case "a":
                self._links.append(node.attributes.get("href") or "")
            case "br":
                self._buffer.append("\n" if self._preformatted else _BREAK)
            case "img" | "amp-img":
                self._image(node.attributes)
            case "source" | "picture":
                self._source(tag, node.attributes)
            case "noscript":
                self._noscript += 1
                self._mute += 1
            case "button":  # its words are for clicking; its image may be one that it enlarges
                self._mute += 1
            case _:
                self._embed(node, tag)
                return False
        return True

    def _open_block(self, node: LexborNode, tag: str) -> None:
        if self._buffer and tag not in _CELLS:
            self._flush()
        attributes = node.attributes
        above = self._container
        self._container = len(self.containers)
        if not attributes:
            self.containers.append(Container(tag, above, _NO_NAMES, False))
        else:
            stated = [value for value in map(attributes.get, ("class", "id", "role")) if value]
            names = names_of(" ".join(stated)) if stated else _NO_NAMES
            self.containers.append(Container(tag, above, names, _is_hidden(attributes)))
        if tag in _FIGURES or (attributes and tag not in _SECTIONS and not names.isdisjoint(_CAPTION_TEXT)):
            self._figures.append((self._container, self._figure, self._caption_of))
            self._open_figure(node, tag, attributes)
        if tag == "pre":
            self._preformatted += 1

    def _open_figure(self, node: LexborNode, tag: str, attributes: Mapping[str, str | None]) -> None:
        """A figure, its caption, or a part named caption: the caption itself, or what holds it with its image."""
        if tag == "figure":
            self._figure = self._container
            self._image_of_empty_figure(node, attributes)
        elif tag == "figcaption":
            self._caption_of = self._container
        elif self._caption_of < 0:
            if node.css_first("img") is None:
                self._caption_of = self._container
            elif self._figure < 0:
                self._figure = self._container

    def _leave(self, tag: str) -> None:
        if tag in BLOCKS:
            if self._buffer:
                if tag in _CELLS:
                    self._buffer.append(_CELL_END)
                else:
                    self._flush()
            if tag == "pre":
                self._preformatted -= 1
            if self._figures and self._figures[-1][0] == self._container:
                _, self._figure, self._caption_of = self._figures.pop()
            self._container = self.containers[self._container].parent
        elif tag == "a":
            self._links.pop()
        elif tag == "noscript":
            self._noscript -= 1
            self._mute -= 1
        elif tag == "button":
            self._mute -= 1
        elif tag == "picture":
            self._sources, self._in_picture = [], False

    def _text(self, text: str) -> None:
        if self._mute or (not self._buffer and not self._preformatted and text.isspace()):
            return
        self._buffer.append(text)
        if self._links and not _is_anchor(self._links[-1]):
            self._link_chars += len(text.strip())

    def _flush(self) -> None:
        text = "".join(self._buffer)
        if not text.isascii():
            for invisible in _INVISIBLE:
                text = text.replace(invisible, "")
        link_chars, self._buffer, self._link_chars = self._link_chars, [], 0
        if self._preformatted:
            text = text.strip("\n").rstrip()
        elif _BREAK in text:
            text = "\n".join(line for line in map(_collapse_row, text.split(_BREAK)) if line)
        else:
            text = _collapse_row(text)
        if text:
            self.leaves.append(Text(text, self._role(), self._container, link_chars, self._figure))

    def _role(self) -> str:
        if self._caption_of >= 0:
            return "caption"
        at = self._container
        while at > 0:
            tag = self.containers[at].tag
            if tag in HEADINGS:
                return "heading"
            if tag in _ROLES:
                return _ROLES[tag]
            if tag in ("article", "section", "main", "body", "td"):
                break
            at = self.containers[at].parent
        return "paragraph"

    def _source(self, tag: str, attributes: Mapping[str, str | None]) -> None:
        if tag == "picture":
            self._sources, self._in_picture = [], True
        elif self._in_picture:
            self._sources.append(dict(attributes))

    def _image(self, attributes: Mapping[str, str | None]) -> None:
        found = candidates(attributes, self._sources, self._base)
        last = self.leaves[-1] if self.leaves and not any(part.strip() for part in self._buffer) else None
        if self._noscript and isinstance(last, Media) and last.kind == "image" and not last.has_twin and found:
            last.candidates = tuple(dict.fromkeys(last.candidates + found))  # the twin of a lazy image
            last.alt = last.alt or (attributes.get("alt") or "")
            last.has_twin = True
            return
        media = Media("image", found, self._container, self._figure)
        media.has_twin = bool(self._noscript)
        media.alt, media.title = (collapse(attributes.get(name) or "") for name in ("alt", "title"))
        media.width, media.height = (_pixels(attributes.get(name)) for name in ("width", "height"))
        named = " ".join(attributes.get(name) or "" for name in ("class", "id"))
        media.names = tokens(named) if named.strip() else media.names
        media.link = resolve(self._base, self._links[-1]) if self._links and self._links[-1] else ""
        url = found[0] if found else ""
        media.decoration = decoration(media.names, (media.width, media.height), url, self._min_declared_px)
        if not media.decoration:  # an icon in a sentence does not cut it in two
            self._buffer_before_media()
        self.leaves.append(media)

    def _image_of_empty_figure(self, node: LexborNode, attributes: Mapping[str, str | None]) -> None:
        """A figure whose `<img>` a script will make often names its image in an attribute."""
        named = [value for value in attributes.values() if value and is_image_url(value)] if len(attributes) > 1 else []
        if named and node.css_first("img, picture, video, noscript") is None:
            self._image({"src": named[0]})

    def _embed(self, node: LexborNode, tag: str) -> None:
        if tag == "audio" or self._noscript:
            return
        attributes = node.attributes
        stated = [attributes.get("src"), attributes.get("data-src")]
        stated += [source.attributes.get("src") for source in node.css("source")] if tag == "video" else []
        found = tuple(dict.fromkeys(url for url in (resolve(self._base, src) for src in stated if src) if url))
        if found:
            self._buffer_before_media()
            media = Media("video", found, self._container, self._figure)
            media.title = collapse(attributes.get("title") or attributes.get("aria-label") or "")
            media.link = resolve(self._base, attributes.get("poster") or "") if attributes.get("poster") else ""
            self.leaves.append(media)

    def _buffer_before_media(self) -> None:
        """An image inside a paragraph cuts it in two: what stands before it is its own block."""
        if any(part.strip() for part in self._buffer):
            self._flush()


def collapse(text: str) -> str:
    """White space as a browser shows it: runs, no-break spaces among them, become one space, none at the ends."""
    return " ".join(text.split())


def _collapse_row(text: str) -> str:
    """The same; the cells of a table row are divided by bars."""
    if _CELL_END not in text:
        return collapse(text)
    cells = [collapse(cell) for cell in text.split(_CELL_END)]
    while cells and not cells[-1]:
        cells.pop()
    return " |".join(f" {cell}" if cell else "" for cell in cells).strip()


def _is_anchor(href: str) -> bool:
    """A link to a place in the same page: a footnote or a heading's own address, not a way off."""
    return len(href) > 1 and href[0] == "#"


def _is_hidden(attributes: Mapping[str, str | None]) -> bool:
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    if not style:
        return False
    plain = style.replace(" ", "").lower()
    return "display:none" in plain or "visibility:hidden" in plain


def _pixels(value: str | None) -> int:
    match = re.match(r"\s*(\d{1,5})(?:\.\d+)?\s*(?:px)?\s*$", value or "")
    return int(match[1]) if match else 0
