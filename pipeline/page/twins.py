"""Words that a page has twice: once for the eye and once for screen readers, or for small screens and for large ones.

Shops write names and prices so. What is shown is then hidden from the readers, by `aria-hidden`: elsewhere that says of
scraps that nobody sees them.
"""

import functools
import re

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
#: One of these stands in the classes of one of the two.
_SIGNS = ("d-none d-", "md:hidden", "lg:hidden", "visible-xs", "for-small", "elementor-hidden-")


def is_shown_twin(markup: Markup, at: int, written: str) -> bool:
    """Whether what opens at a tag is hidden from screen readers alone, to which another element near says the same."""
    if markup.tags[at] in _ICONS or not is_hidden_from_readers_alone(written):
        return False
    if not (said := _text(markup, at)):
        return False
    near = range(max(0, at - _NEAR), min(at + _NEAR, len(markup.attributes)))
    told = (other for other in near if (names := markup.attributes[other]) and is_for_readers(names))
    return any(said in _text(markup, other) for other in told)  # Price £25


@functools.lru_cache(maxsize=4096)
def is_hidden_from_readers_alone(written: str) -> bool:
    return _HIDDEN in written and not is_hidden(written.replace(_HIDDEN, ""))


def copies_for_screens(markup: Markup) -> set[int]:
    """Of two elements near each other that say the same, one on small screens and one on large ones, the second.

    Or the one with fewer pictures.
    """
    found = set[int]()
    places = sorted({at for sign in _SIGNS for at in markup.bearing(sign)})[:_MOST]
    said = functools.cache(lambda at: _text(markup, at))
    for at in places:
        screens = _screens(markup.attributes[at])
        if not any(screens) or not said(at):
            continue
        for other in range(max(0, at - _NEAR), min(at + _NEAR, len(markup.attributes))):
            others = _screens(markup.attributes[other] or "")
            if any(others) and others != screens and said(at) == said(other) and not _is_inside(markup, at, other):
                found.add(min(at, other, key=lambda some: (_pictures(markup, some), -some)))
    return found


def _is_inside(markup: Markup, at: int, other: int) -> bool:
    first, second = min(at, other), max(at, other)
    return second < markup.end_of(first, _TAGS)


def _pictures(markup: Markup, at: int) -> int:
    return markup.tags[at : markup.end_of(at, _TAGS)].count("img")


@functools.lru_cache(maxsize=16384)
def _screens(written: str) -> tuple[bool, bool]:
    """Whether a tag's classes say that it is shown on small screens alone, and on large ones."""
    named = _CLASS.search(written)
    return (bool(_ON_SMALL.search(named[1])), bool(_ON_LARGE.search(named[1]))) if named else (False, False)


def _text(markup: Markup, at: int) -> str:
    """What an element says, without the whitespace that its parts may add; "" if that is long, or made of many."""
    end = markup.end_of(at, _TAGS)
    said = "".join("".join(markup.texts[at + 1 : end + 1]).split())
    return said if end < at + _TAGS and len(said) <= _LENGTH else ""
