"""Words that a page has twice, once for the eye and once for screen readers, as shops write names and prices.

What is shown is then hidden from the readers, by `aria-hidden`: elsewhere that says of scraps that nobody sees them.
"""

from pipeline.page.markup import Markup
from pipeline.page.names import is_for_readers

_HIDDEN = ' aria-hidden="true"'
_ICONS = frozenset(("i", "svg", "img"))  # most of what is hidden so says nothing
_NEAR = 40  # tags between the two
_TAGS, _LENGTH = 16, 300  # of each: tags in it, and characters


def show_twins(markup: Markup) -> None:
    """Takes the attribute from elements that say what one for screen readers near them says."""
    if _HIDDEN not in markup.html:
        return
    for at in [at for at, written in enumerate(markup.attributes) if written and _HIDDEN in written]:
        if markup.tags[at] in _ICONS:
            continue
        if (said := _text(markup, at)) and _is_said_to_readers(markup, at, said):
            markup.attributes[at] = markup.attributes[at].replace(_HIDDEN, "")


def _is_said_to_readers(markup: Markup, at: int, said: str) -> bool:
    """Whether an element for screen readers near a tag says the same."""
    for near in range(max(0, at - _NEAR), min(at + _NEAR, len(markup.attributes))):
        written = markup.attributes[near]
        if written and is_for_readers(written) and _text(markup, near) == said:
            return True
    return False


def _text(markup: Markup, at: int) -> str:
    """What an element says, without the whitespace that its parts may add; "" if that is long, or made of many."""
    end = markup.end_of(at, _TAGS)
    said = "".join("".join(markup.texts[at + 1 : end + 1]).split())
    return said if end < at + _TAGS and len(said) <= _LENGTH else ""
