"""Markup that no author writes and that takes every parser minutes is refused before it is parsed."""

import re
from collections import Counter
from collections.abc import Iterable

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
_WHOLE_TAG = re.compile(rb"<(/?)([a-zA-Z][^\s/>]*)([^>]*+)")
_EQUAL = 3
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


class _Tags:
    """Where tags may begin in a page, and counts of them, which no tag is read for."""

    def __init__(self, html: bytes) -> None:
        self._html, letters = html, np.frombuffer(html, np.uint8)
        self._at = np.flatnonzero(letters[:-3] == ord("<"))
        self._begins = letters[self._at + 1].astype(np.uint16) << 8 | letters[self._at + 2]
        self._third = letters[self._at + 3]
        self.count = len(self._at)

    def deepest(self) -> int:
        """No more elements than this nest."""
        never_deep = _NEVER_DEEP_OF_1[self._begins] | (_NEVER_DEEP_OF_2[self._begins] & _IS_END[self._third])
        return int(np.count_nonzero(_IS_LETTER[self._begins >> 8] & ~never_deep))

    def styles(self) -> int:
        """How many kinds of tags style what follows."""
        places = self._at[_STYLE_BEGINS[self._begins]].tolist()
        return len({found[0] for place in places if (found := _STYLING.match(self._html, place))})


def refuse_hostile(html: bytes) -> None:
    """Raise `Drop("hostile_html")` for markup that takes every parser minutes.

    100,000 attributes in one tag take more than a minute, 100,000 nested elements half of one.
    """
    tags = _Tags(html)
    if tags.deepest() > _MAX_DEPTH and _depth(html) > _MAX_DEPTH:
        raise Drop("hostile_html", f"more than {_MAX_DEPTH} elements deep")
    most = _MAX_OPENED_AGAIN // _EQUAL  # tags times kinds of styles
    if tags.count**2 > most and tags.styles() * tags.count > most and _opened_again(html) > _MAX_OPENED_AGAIN:
        raise Drop("hostile_html", f"more than {_MAX_OPENED_AGAIN} elements opened again")
    if _has_long_tag(html) and _has_long_list(html) and _has_long_list(_without_scripts(html.lower())):
        raise Drop("hostile_html", f"a tag of more than {_MAX_ATTRIBUTES} attributes")


def _has_long_list(html: bytes) -> bool:
    pieces = (piece for piece in html.split(b"<") if len(piece) > _LONG_TAG)
    return any(_attributes(piece) > _MAX_ATTRIBUTES for piece in pieces)


def _has_long_tag(html: bytes) -> bool:
    """Whether anything may lie as far from the next "<" as that: it fills a span of half its length."""
    half = _LONG_TAG // 2
    return any(html.find(b"<", start, start + half) < 0 for start in range(0, len(html) - half + 1, half))


def _depth(html: bytes) -> int:
    """About how deep the elements of a page nest, estimated from its tags alone."""
    numbers: dict[bytes, int] = {}
    number = numbers.setdefault
    codes = [
        2 * number(name, len(numbers)) + (end == b"/")
        for end, name in _NESTING.findall(_without_drawings(_without_scripts(html.lower())))
        if name not in _NEVER_DEEP
    ]
    if len(codes) <= _MAX_DEPTH:
        return len(codes)
    told = np.array(codes, np.int32)
    kinds, steps = told >> 1, 1 - 2 * (told & 1)
    order = np.argsort(kinds, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(kinds[order])) + 1):
        level = steps[at].cumsum()
        level -= np.minimum(0, np.minimum.accumulate(level))  # an end tag that ends nothing is ignored
        steps[at] = np.diff(level, prepend=0)
    return int(steps.cumsum().max())


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
        name = name.lower()
        again += active
        if again > _MAX_OPENED_AGAIN:
            break
        if name in _STYLES and (not end or still_open.get(name)):
            style = (name, still_open[name].pop() if end else attributes)
            before = min(equal[style], _EQUAL)
            equal[style] += -1 if end else 1
            active += min(equal[style], _EQUAL) - before
            if not end:
                still_open.setdefault(name, []).append(attributes)
    return again


def _attributes(piece: bytes) -> int:
    """How many attributes the tag has that `piece`, without its "<", begins with."""
    tag = _TAG_TO_ITS_END.match(piece)
    return len(_QUOTED.sub(b" ", tag[0]).split()) if tag else 0
