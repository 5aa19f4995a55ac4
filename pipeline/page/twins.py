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
#: One of these stands in the classes of one of the two, and one of all in those of the other.
_ON_ONE = (":hidden", "d-none d-", "elementor-hidden-", "visible-xs", "for-small")
_SIGNS = ("-none", "hidden", "visible-", "-for-")


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
    if not any(map(markup.written_with, _ON_ONE)):
        return found
    said = functools.cache(lambda at: _text(markup, at))
    near: list[tuple[int, tuple[bool, bool]]] = []  # the last such elements
    for at in markup.bearing(*_SIGNS)[:_MOST]:
        screens = _screens(markup.attributes[at])
        if not any(screens):
            continue
        near = [(other, others) for other, others in near if at - other <= _NEAR]
        for other, others in near:
            if others != screens and said(at) and said(at) == said(other) and not _is_inside(markup, other, at):
                found.add(min(at, other, key=lambda some: (_pictures(markup, some), -some)))
        near.append((at, screens))
    return found


def _is_inside(markup: Markup, around: int, at: int) -> bool:
    return at < markup.end_of(around, _TAGS)


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
