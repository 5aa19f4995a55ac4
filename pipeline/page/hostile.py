"""Markup that no author writes and that takes every parser minutes is refused before it is parsed."""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.drops import Drop

_MAX_DEPTH, _MAX_ATTRIBUTES = 2_000, 5_000  # no real page comes near; parsers take a second at ten times as much
_LONG_TAG = 1 << 16  # bytes; below, no tag is looked at closer
_MAX_OPENED_AGAIN = 300_000  # elements
_NESTING = re.compile(rb"<(/?)([a-z][^\s/>]*)")
_DRAWING = re.compile(rb"<svg[\s>](?:[^<]|<(?!/svg|foreignobject|desc|title))*+")
_CLOSED = re.compile(rb"<[a-z][^<>]*/>")
_TAG_TO_ITS_END = re.compile(rb"[a-zA-Z](?:[^>\"']|\"[^\"]*\"|'[^']*'|[\"'])*")  # a quote left open is a character
_QUOTED = re.compile(rb"\"[^\"]*\"|'[^']*'")
# Left open, each is opened again in every block that follows; of those that are equal, the last three.
_STYLING = re.compile(rb"<(?i:b|big|code|em|font|i|s|small|strike|strong|tt|u)[\s/][^>]*+")
_STYLES = frozenset(b"b big code em font i s small strike strong tt u".split())
# Of those that surely are no styles it tells nothing but that there is one.
_WHOLE_TAG = re.compile(rb"<(?:(/?)([bcefistuBCEFISTU][a-zA-Z]{0,5}+)(?=[\s/>]|\Z)([^>]*+)|/?[a-zA-Z][^>]*+)")
_EQUAL = 3
_CODED = 8  # letters of a name that make its code
#: Elements that hold nothing, or that the next of their kind ends: left open by the thousand, they nest nowhere.
_NEVER_DEEP = frozenset(
    b"area base br col embed hr img input link meta param source track wbr p li dt dd tr td th tbody thead tfoot "
    b"option optgroup rp rt".split()
)


def _table(names: Iterable[bytes]) -> NDArray[np.bool_]:
    """By two bytes: those that a tag begins with behind its "<", if it has one of these names or one that begins so."""
    table = np.zeros(1 << 16, np.bool_)
    for name in names:
        second = (name[1:2], name[1:2].upper()) if len(name) > 1 else _ENDS
        table[[int.from_bytes(one + two) for one in (name[:1], name[:1].upper()) for two in second]] = True
    return table


_ENDS = (b" ", b"\t", b"\n", b"\r", b"\f", b"\v", b"/", b">")
_IS_END = np.isin(np.arange(256), [ord(end) for end in _ENDS])
_IS_LETTER = np.isin(np.arange(256), list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_NEVER_DEEP_OF_1, _NEVER_DEEP_OF_2 = (_table(name for name in _NEVER_DEEP if len(name) == n) for n in (1, 2))
_STYLE_BEGINS = _table(_STYLES)
_CODES_NEVER_DEEP = np.array([int.from_bytes(name, "little") for name in _NEVER_DEEP], np.uint64)


class _Tags:
    """Where tags may begin in a page, and counts of them, which no tag is read for."""

    def __init__(self, html: bytes) -> None:
        self._html, letters = html, np.frombuffer(html, np.uint8)
        self._at = np.flatnonzero(letters[:-3] == ord("<"))
        self._begins = letters[self._at + 1].astype(np.uint16) << 8 | letters[self._at + 2]
        self._third = letters[self._at + 3]
        self._count = len(self._at)

    def may_be_deep(self) -> bool:
        """Whether more than `_MAX_DEPTH` elements may nest."""
        if self._count <= _MAX_DEPTH:
            return False
        never_deep = _NEVER_DEEP_OF_1[self._begins] | (_NEVER_DEEP_OF_2[self._begins] & _IS_END[self._third])
        if np.count_nonzero(_IS_LETTER[self._begins >> 8] & ~never_deep) <= _MAX_DEPTH:
            return False
        return _most_depth(self._html, self._at[self._outside_scripts() & ~never_deep]) > _MAX_DEPTH

    def may_style(self) -> bool:
        """Whether there are so many kinds of tags that style what follows that many may be opened again."""
        most = _MAX_OPENED_AGAIN // _EQUAL // max(self._count, 1)
        if self._count <= most:
            return False
        places = self._at[_STYLE_BEGINS[self._begins]].tolist()
        if len(places) <= most:
            return False
        return len({found[0] for place in places if (found := _STYLING.match(self._html, place))}) > most

    def has_long_list(self) -> bool:
        """Whether there is a tag of more than `_MAX_ATTRIBUTES` attributes."""
        ends = np.append(self._at[1:], len(self._html))
        long = ends - self._at > _LONG_TAG
        spans = zip((self._at[long] + 1).tolist(), ends[long].tolist(), strict=True)
        return any(_attributes(self._html, first, end) > _MAX_ATTRIBUTES for first, end in spans)

    def _outside_scripts(self) -> NDArray[np.bool_]:
        """Which stand neither in a script nor in a style: a "<" in these begins no tag."""
        outside = np.ones(self._count, np.bool_)
        for name in (b"script", b"style"):
            ends, last = [end for end in self._named(b"</" + name) if outside[end]], -1
            for first in self._named(b"<" + name):
                if first > last and outside[first]:
                    end = bisect(ends, first)
                    last = ends[end] if end < len(ends) else self._count
                    outside[first : last + 1] = False
        return outside

    def _named(self, begin: bytes) -> list[int]:
        """The numbers of the tags that begin so, in small letters or large ones."""
        alike = (self._begins | 0x2020 == int.from_bytes(begin[1:3])) & (self._third | 0x20 == begin[3])
        numbers = np.flatnonzero(alike)
        places = zip(numbers.tolist(), self._at[numbers].tolist(), strict=True)
        return [number for number, at in places if self._html[at : at + len(begin)].lower() == begin]


def refuse_hostile(html: bytes) -> None:
    """Raise `Drop("hostile_html")` for markup that takes every parser minutes.

    100,000 attributes in one tag take more than a minute, 100,000 nested elements half of one.
    """
    tags = _Tags(html)
    if tags.may_be_deep() and _depth(html) > _MAX_DEPTH:
        raise Drop("hostile_html", f"more than {_MAX_DEPTH} elements deep")
    if tags.may_style() and _opened_again(html) > _MAX_OPENED_AGAIN:
        raise Drop("hostile_html", f"more than {_MAX_OPENED_AGAIN} elements opened again")
    if _has_long_tag(html) and tags.has_long_list() and _Tags(_without_scripts(html.lower())).has_long_list():
        raise Drop("hostile_html", f"a tag of more than {_MAX_ATTRIBUTES} attributes")


def _has_long_tag(html: bytes) -> bool:
    """Whether anything may lie as far from the next "<" as that: it fills a span of half its length."""
    half = _LONG_TAG // 2
    return any(html.find(b"<", start, start + half) < 0 for start in range(0, len(html) - half + 1, half))


def _depth(html: bytes) -> int:
    """About how deep the elements of a page nest, estimated from its tags alone."""
    html = _without_scripts(html.lower())
    numbers: dict[bytes, int] = {}
    number = numbers.setdefault
    codes = [
        2 * number(name, len(numbers)) + (end == b"/")
        for end, name in _NESTING.findall(_without_drawings(html))
        if name not in _NEVER_DEEP
    ]
    told = np.array(codes, np.int32)
    return _deepest(told >> 1, 1 - 2 * (told & 1))


def _most_depth(html: bytes, at: NDArray[np.intp]) -> int:
    """No more than that nest by the tags that begin there, found faster: names of more than eight letters are taken to
    have no end."""
    letters = np.frombuffer(html + b" " * (_CODED + 2), np.uint8)
    is_end = letters[at + 1] == ord("/")
    at = at + 1 + is_end
    words = np.ndarray(len(html), np.uint64, letters, strides=(1,))  # the eight letters from each place on
    names = np.frombuffer(words[at].tobytes().lower(), np.uint8).reshape(-1, _CODED)
    goes_on = ~_IS_END[names]
    goes_on[:, 0] = _IS_LETTER[names[:, 0]]
    for place in range(1, _CODED):
        goes_on[:, place] &= goes_on[:, place - 1]
    kinds = np.where(goes_on, names, 0).view(np.uint64).ravel()
    is_long = goes_on[:, -1] & ~_IS_END[letters[at + _CODED]]
    kinds[is_long] = 0
    is_tag = goes_on[:, 0] & ~(is_long & is_end) & ~np.isin(kinds, _CODES_NEVER_DEEP)
    return _deepest(kinds[is_tag], 1 - 2 * is_end[is_tag].astype(np.int64))


def _deepest(kinds: NDArray[Any], steps: NDArray[Any]) -> int:
    """How deep tags of some kinds nest that begin (1) or end (-1) an element."""
    if not len(kinds):
        return 0
    order = np.argsort(kinds, kind="stable")
    steps = steps[order]
    begins = np.append(True, np.diff(kinds[order]) != 0)  # of each kind
    kind = begins.cumsum() - 1
    level = steps.cumsum()
    level -= (level - steps)[begins][kind]
    lower = kind * (len(steps) + 1)  # each kind by itself is lower than those before it
    level -= np.minimum(0, np.minimum.accumulate(level - lower) + lower)  # an end tag that ends nothing is ignored
    steps = np.diff(level, prepend=0)
    steps[begins] = level[begins]
    deep = np.empty_like(steps)
    deep[order] = steps
    return int(deep.cumsum().max())


def _without_scripts(html: bytes) -> bytes:
    """A page in small letters without what its scripts and styles say: a "<" in them begins no tag."""
    for name in (b"script", b"style"):
        parts, at = list[bytes](), 0
        while (start := html.find(b"<" + name, at)) >= 0:
            parts.append(html[at:start])
            end = html.find(b"</" + name, start)
            at = len(html) if end < 0 else end + len(name) + 2
        html = b"".join((*parts, html[at:])) if parts else html
    return html


def _without_drawings(html: bytes) -> bytes:
    """The same without what `/>` closes inside `<svg>`: a drawing may have 12,000 paths, side by side."""
    return _DRAWING.sub(lambda found: _CLOSED.sub(b"", found[0]), html) if b"<svg" in html else html


def _opened_again(html: bytes) -> int:
    """About how many elements a parser adds for styles that are left open; stops counting beyond the cap."""
    still_open: dict[bytes, list[bytes]] = {}  # attributes by name
    equal: Counter[tuple[bytes, bytes]] = Counter()
    active = again = 0
    for end, name, attributes in _WHOLE_TAG.findall(html):
        again += active
        if again > _MAX_OPENED_AGAIN:
            break
        if name and (name := name.lower()) in _STYLES and (not end or still_open.get(name)):
            style = (name, still_open[name].pop() if end else attributes)
            before = min(equal[style], _EQUAL)
            equal[style] += -1 if end else 1
            active += min(equal[style], _EQUAL) - before
            if not end:
                still_open.setdefault(name, []).append(attributes)
    return again


def _attributes(html: bytes, first: int, end: int) -> int:
    """How many attributes the tag has that begins there, its "<" left out; the next may begin at `end`."""
    tag = _TAG_TO_ITS_END.match(html, first, end)
    return len(_QUOTED.sub(b" ", tag[0]).split()) if tag else 0
