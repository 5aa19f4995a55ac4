"""What a walk over a page finds: containers, and the texts and media they hold."""

import functools
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from pipeline.image.assets import asset_of, look_of, original_of, told_width
from pipeline.image.refs import BEST_WIDTH, candidates
from pipeline.page.decoration import decoration, unseen
from pipeline.page.markup import read_attributes
from pipeline.page.names import Names
from pipeline.page.numbering import Numbering
from pipeline.text.tokens import tokens
from schemas.urls import resolve

_PIXELS = re.compile(r"\s*+(\d{1,5})(?:\.\d++)?\s*+(?:px)?\s*+")

_WIDE = re.compile(r"\s(?:[6-9]\d\d|\d{4})w\b")  # one of the widths that an image is offered in
_MAX_LINK = 4_096  # characters
#: Chinese, Japanese and Korean: a letter says what two to three say in an alphabet.
_DENSE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_LETTERS = 2.5


class Container(msgspec.Struct, gc=False):
    """A block element, and what its author named it by.

    Containers and leaves are numbered in document order: what is inside this one are the containers up to `end` and
    the leaves from `first` up to `last`, those two excluded.
    """

    tag: str
    parent: int
    role: str  # of the texts inside; see TextBlock
    names: Names
    first: int
    last: int = 0
    end: int = 0
    chrome: float = -1.0  # its share of the page's prose if it is chrome
    numbering: Numbering | None = None  # of an ordered list


def children(containers: Sequence[Container], at: int) -> Iterator[int]:
    """The containers right inside one."""
    child, end = at + 1, containers[at].end
    while child < end:
        yield child
        child = containers[child].end


def upward(containers: Sequence[Container], at: int) -> Iterator[int]:
    """A container and those around it, the root left out."""
    while at > 0:
        yield at
        at = containers[at].parent


class Text(msgspec.Struct, gc=False):
    """A run of text between two block boundaries."""

    text: str
    role: str
    mark: str
    container: int
    link_chars: int
    figure: int
    said: float = 0
    """How many characters the text would have in an alphabet: what is short is so in every script."""

    def __post_init__(self) -> None:
        self.rewrite(self.text)

    @property
    def kind(self) -> str:
        return "text"

    def rewrite(self, text: str) -> None:
        """Gives it another text."""
        self.text, self.said = text, len(text)
        if not text.isascii():
            self.said += (_LETTERS - 1) * len(_DENSE.findall(text))


class Media:
    """An `<img>` or an embed where it stands.

    Most images of a page are never asked for anything: what the attributes say is read when the first field is.
    """

    __slots__ = (
        "_attributes",
        "_base",
        "_min_px",
        "_open_link",
        "_runs",
        "_sources",
        "_written",
        "alt",
        "candidates",
        "container",
        "decoration",
        "figure",
        "has_twin",
        "height",
        "kind",
        "link",
        "title",
        "width",
    )

    alt: str
    title: str
    candidates: tuple[str, ...]

    def __init__(self, kind: str, container: int, figure: int, base: str) -> None:
        self.kind, self.container, self.figure, self._base = kind, container, figure, base
        self._written: list[str] = []  # of the <img>, and of its twin
        self._attributes: list[dict[str, str]] = []  # the same, as far as they are read
        self._sources: list[str] = []
        self._runs: deque[tuple[str, ...]] | None = None  # the addresses of each copy, until they are joined
        self._open_link, self._min_px = "", 0
        self.has_twin = False  # its <noscript> twin was met, or it stands in <noscript> itself

    @classmethod
    def image(
        cls, written: str, sources: list[str], link: str, base: str, place: tuple[int, int], min_px: int
    ) -> "Media":
        """Of an `<img>` as written, the `<source>`s of its `<picture>`, and the `<a>` around it.

        One that declares a side below `min_px` is decoration.
        """
        media = cls("image", *place, base)
        media._written.append(written)
        media._sources, media._open_link, media._min_px = sources, link, min_px
        return media

    @classmethod
    def video(cls, written: list[str], base: str, place: tuple[int, int]) -> "Media":
        """Of a `<video>` and its sources, or an `<iframe>` or `<embed>`."""
        media = cls("video", *place, base)
        attributes, *sources = map(read_attributes, written)
        stated = [attributes.get("src"), attributes.get("data-src"), *(source.get("src") for source in sources)]
        media.candidates = tuple(dict.fromkeys(url for url in (resolve(base, src) for src in stated if src) if url))
        media.alt = media.decoration = ""
        media.title = collapse(attributes.get("title") or attributes.get("aria-label") or "")
        media.link = resolve(base, attributes.get("poster", "")) if attributes.get("poster") else ""  # of the poster
        media.width, media.height = pixels(attributes.get("width", "")), pixels(attributes.get("height", ""))
        return media

    def take_twin(self, written: str) -> bool:
        """Whether an `<img>` in the `<noscript>` behind an image is that image once more; then its addresses join."""
        twin = Media("image", self.container, self.figure, self._base)
        twin._written.append(written)
        if self.candidates and twin.candidates and not self._shows(twin):
            return False
        self._written.append(written)
        self.has_twin = True
        self._read_words()
        self._read_addresses()
        return True

    def _shows(self, twin: "Media") -> bool:
        """Whether its address is of the same asset, or stands in for it until a script has run."""
        if len(self.candidates) == 1 and "lazy" in self._written[0]:
            return True
        looks = {look_of(asset_of(url)) for url in self.candidates}
        return any(look_of(asset_of(url)) in looks for url in twin.candidates)

    def absorb(self, copy: "Media") -> None:
        """Another image of the same asset: its addresses follow, or come first if they say to be of a better size."""
        others = copy.candidates
        if self._runs is None:  # joined when they are asked for: a page may show an image thousands of times
            self._runs = deque((self.candidates,))
            del self.candidates
        if others and (not self._runs[0] or _size(others[0]) > _size(self._runs[0][0])):
            self._runs.appendleft(others)
        else:
            self._runs.append(others)
        self.alt, self.title = self.alt or copy.alt, self.title or copy.title
        self.figure = copy.figure if self.figure < 0 else self.figure  # which has its caption

    def mentions(self, text: str) -> bool:
        """Whether an image's attributes contain this, without reading them."""
        for written in self._written:
            if text in written:
                return True
        return any(text in written for written in self._sources)

    def __getattr__(self, name: str) -> Any:  # of a slot that is not filled yet
        if name not in Media.__slots__ or name.startswith("_"):
            raise AttributeError(name)
        if name == "link":
            self.link = _address_of(self._open_link, self._base)
        elif name == "candidates":
            self._read_addresses()
        elif name == "decoration":
            self._read_decoration()
        else:
            self._read_words()
        return object.__getattribute__(self, name)

    def _read(self) -> list[dict[str, str]]:
        """The attributes of the `<img>`, and of its twin."""
        for written in self._written[len(self._attributes) :]:
            self._attributes.append(read_attributes(written))
        return self._attributes

    def _read_words(self) -> None:
        attributes, *twins = self._read()
        self.alt = collapse(attributes.get("alt") or next((twin["alt"] for twin in twins if "alt" in twin), ""))
        self.title = collapse(attributes.get("title", ""))
        self.width, self.height = pixels(attributes.get("width", "")), pixels(attributes.get("height", ""))

    def _read_addresses(self) -> None:
        if self._runs:
            self.candidates, self._runs = tuple(dict.fromkeys(chain.from_iterable(self._runs))), None
            return
        attributes, *twins = self._read()
        found = candidates(attributes, [read_attributes(source) for source in self._sources], self._base)
        for twin in twins:
            found = tuple(dict.fromkeys(found + candidates(twin, [], self._base)))
        self.candidates = found

    def _read_decoration(self) -> None:
        attributes, found = self._read()[0], self.candidates
        named = f"{attributes.get('class', '')} {attributes.get('id', '')}"
        sides = (self.width, self.height)
        #: why it is an icon or the like; "" if it is not
        alt = self.alt if self.figure < 0 else None
        stands_in_noscript = self.has_twin and len(self._written) == 1
        if unseen_by := unseen(attributes, found[0] if found else "", stands_in_noscript):
            self.decoration = unseen_by
            return
        is_wide = bool(_WIDE.search(attributes.get("srcset") or attributes.get("data-srcset") or ""))
        address = original_of(found[0]) if found else ""
        self.decoration = decoration(tokens(named), sides, address, self._min_px, alt, is_wide)


def _size(url: str) -> int:
    """What an address is worth by the width that it tells; one that tells none is likely to be the original, unless it
    says that it is a small copy."""
    told = told_width(url) or (1 if not _SMALL.isdisjoint(tokens(url)) else BEST_WIDTH // 2)
    return told if told <= BEST_WIDTH else BEST_WIDTH - 1


@functools.lru_cache(maxsize=8)
def _address_of(link: str, base: str) -> str:
    """Where an `<a>` leads, "" for a place in the same page; thousands of images may stand in one."""
    href = read_attributes(link).get("href", "").strip()
    address = resolve(base, href) if href and href[0] != "#" else ""
    return address if len(address) <= _MAX_LINK else ""


#: Words in the addresses of small copies.
_SMALL = frozenset("blur blurred lqip lowres placeholder preview small thumb thumbnail thumbnails thumbs tiny".split())

Leaf = Text | Media


def titles_of(leaves: list[Leaf]) -> list[int]:
    """Which leaves are an `<h1>`."""
    return [index for index, leaf in enumerate(leaves) if isinstance(leaf, Text) and leaf.mark == "# "]


def collapse(text: str) -> str:
    """White space as a browser shows it: runs, no-break spaces among them, become one space, none at the ends."""
    return " ".join(text.split())


def pixels(value: str) -> int:
    """A declared width or height in CSS pixels; 0 for another unit or none."""
    match = _PIXELS.fullmatch(value)
    return int(match[1]) if match else 0
