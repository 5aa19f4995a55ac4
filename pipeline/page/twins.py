"""Words that a page has twice, once for the eye and once for screen readers, as shops write names and prices.

What is shown is then hidden from the readers, by `aria-hidden`: elsewhere that says of scraps that nobody sees them.
"""

from bisect import bisect_left
from collections import defaultdict

from pipeline.page.markup import Markup
from pipeline.page.names import is_for_readers

_HIDDEN = ' aria-hidden="true"'
_NEAR = 40  # tags between the two
_TAGS, _LENGTH = 16, 300  # of each: tags in it, and characters


def show_twins(markup: Markup) -> None:
    """Takes the attribute from elements that say what one for screen readers near them says."""
    if _HIDDEN not in markup.html:
        return
    said: defaultdict[str, list[int]] = defaultdict(list)
    for at, written in enumerate(markup.attributes):
        if written and is_for_readers(written) and (text := _text(markup, at)):
            said[text].append(at)
    if not said:
        return
    for at, written in enumerate(markup.attributes):
        if written and _HIDDEN in written and (twins := said.get(_text(markup, at))):
            nearest = bisect_left(twins, at - _NEAR)
            if nearest < len(twins) and twins[nearest] <= at + _NEAR:
                markup.attributes[at] = written.replace(_HIDDEN, "")


def _text(markup: Markup, at: int) -> str:
    """What an element says, without the whitespace that its parts may add; "" if that is long, or made of many."""
    end = markup.end_of(at, _TAGS)
    said = "".join("".join(markup.texts[at + 1 : end + 1]).split())
    return said if end < at + _TAGS and len(said) <= _LENGTH else ""
