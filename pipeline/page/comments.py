"""What readers wrote below an article, where no name says so but the heading above it does."""

import re
from collections import Counter
from itertools import islice

from pipeline.page.elements import NEVER_CHROME
from pipeline.page.leaves import Container, Leaf, Text
from pipeline.page.names import Names
from pipeline.text.words import phrase_list

_HEADING = 40  # characters; a longer one says more than that comments follow
_MOST = 20  # such headings are looked at
_NO_WORDS = re.compile(r"[\W\d_]+")
_ITEMS = frozenset(("li", "div", "article", "section"))


def headed_comments(containers: list[Container], leaves: list[Leaf]) -> list[int]:
    """The containers that begin with a heading that announces comments: these are their name from now on.

    A manual may have a chapter of that name: where the heading counts nothing, several alike parts must stand below it.
    """
    found: list[int] = []
    end = 0
    for index in islice(filter(lambda index: _announces(leaves[index]), range(len(leaves))), _MOST):
        if index < end or (at := _headed_by(containers, leaves, index)) <= 0:
            continue
        if any(map(str.isdigit, getattr(leaves[index], "text", ""))) or _holds_items(containers, at):
            container = containers[at]
            container.names = Names(container.names.words | {"comments"}, container.names.is_hidden)
            found.append(at)
            end = container.last
    return found


def _announces(leaf: Leaf) -> bool:
    if not isinstance(leaf, Text) or leaf.role != "heading" or len(leaf.text) > _HEADING:
        return False
    return _NO_WORDS.sub(" ", leaf.text).strip().lower() in phrase_list("comments")


def _headed_by(containers: list[Container], leaves: list[Leaf], index: int) -> int:
    """The widest container that begins with a leaf, and holds more; 0 for none."""
    found, at = 0, leaves[index].container
    while at > 0 and containers[at].first == index and containers[at].tag not in NEVER_CHROME:
        if containers[at].last > index + 1:
            found = at
        at = containers[at].parent
    return found


def _holds_items(containers: list[Container], at: int) -> bool:
    inside = containers[at + 1 : containers[at].end]
    rows = Counter((part.parent, part.tag) for part in inside if part.tag in _ITEMS and part.last > part.first)
    return max(rows.values(), default=0) > 1
