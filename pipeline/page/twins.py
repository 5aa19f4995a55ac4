"""Words that a page has twice, once for the eye and once for screen readers, as shops write names and prices.

What is shown is then hidden from the readers, by `aria-hidden`: elsewhere that says of scraps that nobody sees them.
"""

import functools

from pipeline.page.markup import Markup
from pipeline.page.names import is_for_readers, is_hidden

_HIDDEN = ' aria-hidden="true"'
_ICONS = frozenset(("i", "svg", "img"))  # most of what is hidden so says nothing
_NEAR = 40  # tags between the two
_TAGS, _LENGTH = 16, 300  # of each: tags in it, and characters


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


def _text(markup: Markup, at: int) -> str:
    """What an element says, without the whitespace that its parts may add; "" if that is long, or made of many."""
    end = markup.end_of(at, _TAGS)
    said = "".join("".join(markup.texts[at + 1 : end + 1]).split())
    return said if end < at + _TAGS and len(said) <= _LENGTH else ""
