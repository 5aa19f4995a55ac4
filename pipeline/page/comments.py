"""What stands below a text or a product and is no part of it, where no name says so but the heading above it does.

That is what readers wrote of an article, and customers of a product; other products or stories; how all goods of a shop
are sent.
"""

import re
from collections import Counter
from itertools import islice

from pipeline.page.elements import NEVER_CHROME
from pipeline.page.leaves import Container, Leaf, Text
from pipeline.page.names import DELIVERY, Names
from pipeline.text.words import phrase_list

_HEADING = 60  # characters; a longer one says more than what follows
_MOST = 40  # such headings are looked at
_NO_WORDS = re.compile(r"[\W\d_]+")
_ITEMS = frozenset(("li", "div", "article", "section"))
#: What a part is named by its heading, by the list of phrases that has it.
_NAMES = {"comments": "comments", "reviews": "reviews", "related": "related", "delivery": DELIVERY}
_BY_LINES = ("reviews", "related")  # what shops write above them often is a heading to the eye only


def headed_comments(containers: list[Container], leaves: list[Leaf]) -> list[int]:
    """The containers that begin with a heading that announces such: it is their name from now on.

    A manual may have a chapter of that name: where the heading counts nothing, several alike parts must stand below it,
    but for terms of delivery, which are chrome only beside a product.
    """
    found: list[int] = []
    end = 0
    for index, kind in islice(((at, kind) for at, leaf in enumerate(leaves) if (kind := _announced(leaf))), _MOST):
        if index < end or (at := _headed_by(containers, leaves, index, kind)) <= 0:
            continue
        is_counted = kind != "related" and any(map(str.isdigit, getattr(leaves[index], "text", "")))
        if kind == "delivery" or is_counted or _holds_items(containers, at):
            container = containers[at]
            container.names = Names(container.names.words | {_NAMES[kind]}, container.names.is_hidden)
            found.append(at)
            end = container.last
    return found


def announces_others(leaf: Leaf) -> bool:
    """Whether a text is the heading of other products or stories."""
    return _announced(leaf) == "related"


def _announced(leaf: Leaf) -> str:
    """The list of phrases that a heading is of; "" for any other text."""
    if not isinstance(leaf, Text) or len(leaf.text) > _HEADING:
        return ""
    if leaf.role == "paragraph":
        said = leaf.text.strip(" :!…").lower()
        return next((kind for kind in _BY_LINES if said in phrase_list(kind)), "")
    if leaf.role != "heading":
        return ""
    said = _NO_WORDS.sub(" ", leaf.text).strip().lower()
    return next((kind for kind in _NAMES if said in phrase_list(kind)), "")


def _headed_by(containers: list[Container], leaves: list[Leaf], index: int, kind: str) -> int:
    """The widest container that begins with a leaf, and holds more, but no other section; 0 for none."""
    found, at = 0, leaves[index].container
    last = len(leaves) if kind == "comments" else _end_of_section(leaves, index)
    while at > 0 and containers[at].first == index and containers[at].tag not in NEVER_CHROME:
        if index + 1 < containers[at].last <= last:
            found = at
        at = containers[at].parent
    return found


def _end_of_section(leaves: list[Leaf], index: int) -> int:
    """The leaf at which the next section of the same level begins."""
    level = _level(leaves[index])
    behind = range(index + 1, len(leaves))
    return next((at for at in behind if 0 < _level(leaves[at]) <= level), len(leaves))


def _level(leaf: Leaf) -> int:
    return leaf.mark.count("#") if isinstance(leaf, Text) and leaf.role == "heading" else 0


def _holds_items(containers: list[Container], at: int) -> bool:
    inside = containers[at + 1 : containers[at].end]
    rows = Counter((part.parent, part.tag) for part in inside if part.tag in _ITEMS and part.last > part.first)
    return max(rows.values(), default=0) > 1
