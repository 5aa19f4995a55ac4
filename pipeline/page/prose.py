"""What tells prose from the labels of a page, where it stands, and what a heading shares with the title."""

import functools
import re

from pipeline.image.refs import is_image_page
from pipeline.page.elements import NARROW
from pipeline.page.leaves import Leaf, Media, Text
from pipeline.page.walk import Walk

#: The share of a heading's letters in words of the page's title that make it the title.
TITLE_SHARE = 0.75
_LINE = 30  # characters of a sentence that is set as a heading and needs no section
_STATEMENT_ENDS = (".", "。", "।")
_WORD = re.compile(r"\w+")
SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", "…", ":", "”", '"')
ENDS = frozenset(SENTENCE_ENDS)  # each is one character: the last of a text is looked up faster than all are tried


def is_prose(leaf: Leaf) -> bool:
    """Whether a leaf is a paragraph or the like of some length outside links."""
    if not isinstance(leaf, Text) or leaf.role == "heading":
        return False
    return leaf.said - 2 * leaf.link_chars >= 80


def says_sentence(leaf: Leaf, least: int = 80) -> bool:
    """Whether a text of any kind has so many characters outside links and ends as sentences do.

    Designers set what comes first, or stands alone, as a heading.
    """
    if not isinstance(leaf, Text) or leaf.text[-1:] not in ENDS:
        return False
    return leaf.said - leaf.link_chars >= least


def is_statement(leaf: Leaf) -> bool:
    """Whether a text is a sentence of some length that neither asks nor calls: a firm's, below its name."""
    return says_sentence(leaf, _LINE) and getattr(leaf, "text", "").endswith(_STATEMENT_ENDS)


def home_of(walk: Walk, leaf: Leaf) -> int:
    """The part that a paragraph or item and its neighbours stand in."""
    at = leaf.container
    while at > 0 and walk.containers[at].tag in NARROW:
        at = walk.containers[at].parent
    return at


def leads_away(leaf: Media) -> bool:
    """Whether an image outside figures is the link to another page, not to a larger copy of it or a page about it."""
    return leaf.figure < 0 and bool(leaf.link) and not is_image_page(leaf.link)


def shared(heading: str, title: str) -> float:
    """The share of a heading's letters that stand in words of the title too."""
    words = [word.casefold() for word in _WORD.findall(heading)]
    stated = _words_of(title)
    shared = sum(len(word) for word in words if word in stated)
    return shared / max(1, sum(map(len, words)))


@functools.lru_cache(maxsize=16)
def _words_of(title: str) -> frozenset[str]:
    return frozenset(map(str.casefold, _WORD.findall(title)))
