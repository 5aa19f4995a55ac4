"""Words that a page has twice: once for the eye and once for screen readers, or for small screens and for large ones.

Shops write names and prices so. What is shown is then hidden from the readers, by `aria-hidden`: elsewhere that says of
scraps that nobody sees them.
"""

import functools
import re

import msgspec

from pipeline.page.elements import BLOCKS, CELLS
from pipeline.page.markup import Markup
from pipeline.page.names import is_for_readers, is_hidden

_HIDDEN = ' aria-hidden="true"'
_ICONS = frozenset(("i", "svg", "img"))  # most of what is hidden so says nothing
_CLASS = re.compile(r' class="([^"]*+)"')
_MOST = 2_000  # elements of such classes that are looked at
_NEAR = 40  # tags between the two
_TAGS, _LENGTH = 16, 300  # of each: tags in it, and characters
#: Classes of frameworks by which an element is shown on small screens alone, and on larger ones.
_ON_SMALL = re.compile(
    r"(?<![\w:@-])(?:d-(?:sm|md|lg)-none|(?:md|lg):hidden|visible-(?:xs|sm)(?:-block|-inline)?|"
    r"show-for-small(?:-only)?|hide-for-(?:medium|large)(?:-up)?|elementor-hidden-desktop)(?![\w:@-])"
)
_ON_LARGE = re.compile(
    r"(?<![\w:@-])(?:d-(?:sm|md|lg|xl|xxl)-(?:block|flex|grid|inline|inline-block|inline-flex)|"
    r"(?:sm|md|lg|xl|2xl):(?:block|flex|grid|inline|inline-block|inline-flex)|hidden-(?:xs|sm)(?:-down)?|"
    r"hide-for-small(?:-only)?|show-for-(?:medium|large)(?:-up)?|elementor-hidden-(?:mobile|phone))(?![\w:@-])"
)
#: One of these stands in the classes of one of the two, and one of all in those of the other.
_ON_ONE = (":hidden", "d-none d-", "elementor-hidden-", "visible-xs", "for-small")
_SIGNS = ("-none", "hidden", "visible-", "-for-")
_Screens = tuple[tuple[str, ...], tuple[str, ...]]


def is_shown_twin(markup: Markup, at: int, written: str) -> bool:
    """Whether what opens at a tag is hidden from screen readers alone, to which another element near says the same."""
    if markup.tags[at] in _ICONS or not is_hidden_from_readers_alone(written):
        return False
    if not (said := text_of(markup, at)):
        return False
    near = range(max(0, at - _NEAR), min(at + _NEAR, len(markup.attributes)))
    told = (other for other in near if (names := markup.attributes[other]) and is_for_readers(names))
    return any(said in text_of(markup, other) for other in told)  # Price £25


@functools.lru_cache(maxsize=4096)
def is_hidden_from_readers_alone(written: str) -> bool:
    return _HIDDEN in written and not is_hidden(written.replace(_HIDDEN, ""))


class _Twins(msgspec.Struct):
    """Elements that say the same on screens of different sizes: the first, the one that is read, and their classes."""

    first: int
    read: int
    screens: list[_Screens]


def copies_for_screens(markup: Markup) -> dict[int, int]:
    """Of elements near each other that say the same, each on screens of another size, all but one; with that one.

    It is the first, or has more pictures. The next item of a list may say the same again: each has twins of its own.
    Of two words in a line, *Arsenal* and *ARS*, those of large screens are read.
    """
    found: dict[int, int] = {}
    if not any(map(markup.written_with, _ON_ONE)):
        return found
    said = functools.cache(lambda at: text_of(markup, at))
    near: list[_Twins] = []
    for at in markup.bearing(*_SIGNS)[:_MOST]:
        screens = _screens(markup.attributes[at])
        if not any(screens) or markup.tags[at] in CELLS or not said(at):  # a row without a cell would be another row
            continue
        near = [twins for twins in near if at - twins.first <= _NEAR]
        others = (some for some in near if all(_differ(screens, other) for other in some.screens))
        alike = (some for some in others if said(at) == said(some.read) or _is_beside(markup, some.read, at))
        if (twins := next(alike, None)) is None:
            near.append(_Twins(at, at, [screens]))
            continue
        is_better = _pictures(markup, at) > _pictures(markup, twins.read)
        if is_better or (said(at) != said(twins.read) and not screens[0]):
            found[twins.read], twins.read = at, at
        else:
            found[at] = twins.read
        twins.screens.append(screens)
    return found


def _differ(some: _Screens, other: _Screens) -> bool:
    """Whether what has such classes is shown on other screens than what has those."""
    if (bool(some[0]), bool(some[1])) != (bool(other[0]), bool(other[1])):
        return True
    return some[0] != other[0] and all(name.startswith("visible-") for name in some[0] + other[0])


def _is_beside(markup: Markup, other: int, at: int) -> bool:
    """Whether words of a line follow such of it with nothing between."""
    if markup.tags[at] in BLOCKS or markup.tags[at] != markup.tags[other]:
        return False
    return markup.end_of(other, _TAGS) + 1 == at and not markup.texts[at].strip()


def _pictures(markup: Markup, at: int) -> int:
    return markup.tags[at : markup.end_of(at, _TAGS)].count("img")


@functools.lru_cache(maxsize=16384)
def _screens(written: str) -> _Screens:
    """The classes by which a tag is shown on small screens alone, and those by which on large ones."""
    named = _CLASS.search(written)
    return (tuple(_ON_SMALL.findall(named[1])), tuple(_ON_LARGE.findall(named[1]))) if named else ((), ())


def text_of(markup: Markup, at: int) -> str:
    """What an element says, without the whitespace that its parts may add; "" if that is long, or made of many."""
    end = markup.end_of(at, _TAGS)
    said = "".join("".join(markup.texts[at + 1 : end + 1]).split())
    return said if end < at + _TAGS and len(said) <= _LENGTH else ""
