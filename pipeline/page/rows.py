"""Rows of a page: siblings of one tag, such as the posts of a thread or the cards of a shop, and the texts that stand
at the same place in each of them."""

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter

import msgspec

from pipeline.page.elements import HEADINGS
from pipeline.page.leaves import Container, Text

_NEVER_ROWS = frozenset("p td th br dt dd tbody thead".split()) | HEADINGS
_ROWS = 3  # so many siblings of one tag are rows
_MOST = 0.4  # of the rows have a text at a place that is one: they may be of two kinds in turn
_LOOKS = 20  # at each text, on average: rows of no real page nest as deep


class Rows(msgspec.Struct, gc=False):
    """Some of them: the containers, and the texts from `start` up to `stop`, that excluded."""

    tag: str
    members: list[int]
    start: int
    stop: int


def siblings(containers: Sequence[Container]) -> list[list[int]]:
    """The containers of one tag that stand in one, where these are at least three; those of outer parts come first."""
    kinds: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for at, container in enumerate(containers):
        kinds[container.parent, container.tag].append(at)
    rows = [(parent, some) for (parent, _), some in kinds.items() if len(some) >= _ROWS]
    return [some for _, some in sorted(rows, key=itemgetter(0))]


def rows_of(
    containers: Sequence[Container], alike: Sequence[list[int]], first: Sequence[int], last: Sequence[int]
) -> list[Rows]:
    """All rows of a page, of its `siblings`, those that span the fewest texts first; the texts of a container are those
    from `first` up to `last`."""
    found: list[Rows] = []
    for row in alike:
        tag = containers[row[0]].tag
        some = [] if tag in _NEVER_ROWS else [at for at in row if first[at] < last[at]]
        if len(some) >= _ROWS:
            found.append(Rows(tag, some, first[some[0]], last[some[-1]]))
    found.sort(key=lambda rows: (rows.stop - rows.start, rows.start))
    return found


def same_places(
    containers: Sequence[Container],
    texts: Sequence[Text],
    rows: Sequence[Rows],
    first: Sequence[int],
    last: Sequence[int],
) -> list[list[int]]:
    """Groups of texts, by their numbers, that stand at one place in most rows: of those in which they do the most
    numerous, and of these the outermost. The fields of a card may be more than the cards.

    A place is the way to it from the row on: the tags of the parts on it and the words of their names.
    """
    found: list[list[int]] = []
    free, homes = bytearray(b"\1") * len(texts), [text.container for text in texts]
    looks = _LOOKS * len(texts)
    for some in sorted(rows, key=lambda some: (-len(some.members), some.start - some.stop)):
        looks -= some.stop - some.start
        if looks < 0:
            break
        least = max(_ROWS, _MOST * len(some.members))
        if free.count(1, some.start, some.stop) < least:
            continue
        ways = {at: hash(containers[at].names.plain) for at in some.members}
        groups: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for at in some.members:
            for text in range(first[at], last[at]):
                if free[text]:
                    home = homes[text]
                    way = ways[home] if home in ways else _way(containers, home, ways)
                    groups[way, texts[text].role].append(text)
        for group in groups.values():
            if len(group) >= least:
                found.append(group)
                for text in group:
                    free[text] = 0
    return found


def _way(containers: Sequence[Container], at: int, known: dict[int, int]) -> int:
    """The number of the way from a row to a container, noted for all on it."""
    passed = []
    while at > 0 and at not in known:
        passed.append(at)
        at = containers[at].parent
    way = known.get(at, -1)
    for at in reversed(passed):
        way = known[at] = hash((way, containers[at].tag, containers[at].names.plain))
    return way
