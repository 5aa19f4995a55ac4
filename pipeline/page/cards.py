"""Whether cards, links with a heading and a description, are what a page itself has to say, as on an index of guides.

Cards that invite to other stories look alike; but they lead beside the page, not to pages below it or of its manual.
"""

import re
from bisect import bisect_left
from functools import cached_property
from itertools import accumulate, islice
from urllib.parse import urlsplit

from pipeline.page.comments import announces_others
from pipeline.page.leaves import Container, Leaf, Text
from pipeline.page.markup import read_attributes
from pipeline.page.names import WEAK_NAMES
from pipeline.page.prose import SENTENCE_ENDS, is_prose
from pipeline.page.rows import siblings
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk
from schemas.urls import host_of, resolve

_INDEX = re.compile(r"/(?:index|default|home)\.\w{1,5}$", re.IGNORECASE)
#: What hosts and folders of manuals are called.
_MANUALS = frozenset("api doc docs documentation developer developers guide guides help manual reference wiki".split())
#: What parts are called that present persons.
_PERSONS = frozenset(
    "attorney attorneys bio crew doctor doctors expert experts faculty instructor instructors lawyer lawyers "
    "leadership member members people person persons physician physicians profile provider providers speaker "
    "speakers staff team teams trainer trainers".split()
)
#: Two to four words that begin with a capital, and a degree: Dr. Ana de la Cruz, MD.
_CAPITAL = "[A-ZÀ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽΑ-ΩЀ-Я]"
_PERSON = re.compile(rf"(?:{_CAPITAL}\S* ){{1,3}}(?:[a-z]{{2,3}} ){{0,2}}{_CAPITAL}[^\s,]*(?:,.{{2,20}})?$")
_OWN = 0.8  # of the links of a part of own cards at least this share leads below the page
_MOST = 200  # links that are looked at
_LEVELS = 3  # up from the words of a card
_DESCRIPTION = 20  # characters
_TITLE = 15  # characters of a link that may be the title of a story, and is no button
_SENTENCES = 500  # characters outside links: a page that has more is more than its cards
_CARD = 12  # texts and pictures of a card
_LINES = 2  # of a card; it has more, its title counted
#: Names of lines about a story or thing, which stand in its card as well.
_FIELDS = frozenset("author byline dateline metadata posted postmeta pubdate published submeta timestamp".split())
_ALIKE = 3  # so many siblings of one tag are cards


class Cards:
    """Tells own cards of a page from others."""

    def __init__(self, walk: Walk) -> None:
        self._walk, self._places = walk, [place for place, _ in walk.links]
        self._known: dict[tuple[int, int], bool] = {}

    def are_own(self, container: Container) -> bool:
        """Whether a part holds links that lead below the page, and for each a description beside its heading.

        Or it is, holds or stands in the cards that all of the page consists of.
        """
        span = container.first, container.last
        if span not in self._known:
            self._known[span] = self._has_descriptions(container) and self._lead_below(container)
        return self._known[span] or (container.first < self.listing[1] and container.last > self.listing[0])

    @cached_property
    def rows(self) -> list[list[int]]:
        """Parts of one tag side by side, by their numbers."""
        return siblings(self._walk.containers)

    @cached_property
    def linked_headings(self) -> list[int]:
        """The leaves that are headings and links."""
        leaves = enumerate(self._walk.leaves)
        return [index for index, leaf in leaves if isinstance(leaf, Text) and is_linked_heading(leaf)]

    @cached_property
    def listing(self) -> tuple[int, int]:
        """The leaves of the cards that all of a page consists of, as a board of jobs does: from one up to another.

        It has hardly a sentence outside links, and each of the cards has lines beside its title.
        """
        walk, headings = self._walk, self.linked_headings
        if len(headings) < _ALIKE:
            return 0, 0
        texts = [leaf if isinstance(leaf, Text) else None for leaf in walk.leaves]
        main = next((part for part in walk.containers if part.tag == "main"), walk.containers[0])
        sentences = accumulate(_sentences(leaf) for leaf in texts[main.first : main.last] if leaf)
        if any(count > _SENTENCES for count in sentences):
            return 0, 0
        said = list(accumulate((len(leaf.text) if leaf else 0 for leaf in texts), initial=0))
        lines = list(accumulate((leaf is not None for leaf in texts), initial=0))

        def of(sums: list[int], part: Container) -> int:
            return sums[part.last] - sums[part.first]

        def is_listing(part: Container) -> bool:
            count = bisect_left(headings, part.last) - bisect_left(headings, part.first)
            return count >= _ALIKE and of(lines, part) > _LINES * count and of(said, part) >= 0.5 * of(said, main)

        found = [(part.first, part.last) for part in walk.containers if is_listing(part)]
        first, last = min(found, key=lambda span: span[1] - span[0], default=(0, 0))
        head = next((at for at in headings if first <= at < last), 0)  # of the first of the cards
        above = (leaf for leaf in reversed(texts[:head]) if leaf and leaf.role == "heading")
        are_others = (heading := next(above, None)) is not None and announces_others(heading)
        return (0, 0) if are_others else (first, last)

    def told(self, verdicts: Verdicts) -> list[int]:
        """Of the cards that all of a page consists of the titles, when and by whom; nothing if it keeps other prose."""
        first, last = self.listing
        if first == last:
            return []
        texts = [leaf if isinstance(leaf, Text) else None for leaf in self._walk.leaves]
        beside = (*range(first), *range(last, len(texts)))
        kept = (leaf for index in beside if verdicts[index] is None and (leaf := texts[index]))
        if sum(map(_sentences, kept)) > _SENTENCES:
            return []
        found = ((index, leaf) for index in range(first, last) if (leaf := texts[index]))
        return [index for index, leaf in found if is_linked_heading(leaf) or _is_field(verdicts[index])]

    def is_among_own(self, at: int) -> bool:
        """The same of a part around a container, or of that itself."""
        containers, level = self._walk.containers, 0
        while at > 0 and level < _LEVELS:
            if self.are_own(containers[at]):
                return True
            at, level = containers[at].parent, level + 1
        return False

    def stay(self, container: Container) -> bool:
        """Whether all headings of a part that are links lead to pages of the same host."""
        walk, host = self._walk, host_of(str(self._walk.base))
        start, stop = (bisect_left(self._places, place) for place in (container.first, container.last))
        for place, written in walk.links[start:stop]:
            leaf = walk.leaves[place]
            if isinstance(leaf, Text) and (is_linked_heading(leaf) or _is_title(leaf)):
                url = resolve(walk.base, read_attributes(written).get("href", ""))
                if url and host_of(url) != host:
                    return False
        return True

    def _has_descriptions(self, container: Container) -> bool:
        leaves = self._walk.leaves[container.first : container.last]
        texts = [leaf for leaf in leaves if isinstance(leaf, Text)]
        links = self._links(container)
        described = sum(leaf.role != "heading" and len(leaf.text) >= _DESCRIPTION for leaf in texts)
        return 1 < links <= described and links < len(texts)

    def _links(self, container: Container) -> int:
        return bisect_left(self._places, container.last) - bisect_left(self._places, container.first)

    def _lead_below(self, container: Container) -> bool:
        start = bisect_left(self._places, container.first)
        links = self._walk.links[start : min(start + _MOST, bisect_left(self._places, container.last))]
        below, missed = _below(self._walk.base), 0
        for _, written in links:
            missed += not resolve(self._walk.base, read_attributes(written).get("href", "")).startswith(below)
            if len(links) - missed < _OWN * len(links):
                return False
        return True


def _sentences(text: Text) -> int:
    """How many characters of a text are sentences outside links."""
    return len(text.text) - text.link_chars if is_prose(text) or text.text.endswith(SENTENCE_ENDS) else 0


def _is_field(verdict: Verdict | None) -> bool:
    """Whether a text was left out by the name of a line that says when or by whom: of a card that belongs."""
    if verdict is None or verdict.rule != "little_prose" or verdict.container is None:
        return False
    return verdict.container.names.words & WEAK_NAMES <= _FIELDS


def are_cards(texts: list[Text]) -> bool:
    """Whether of texts there is a line that is a link, as titles of stories are, for every two that are prose."""
    titles = sum(map(_is_title, texts))
    return titles > 1 and 2 * titles >= sum(map(is_prose, texts))


def _is_title(text: Text) -> bool:
    """Whether a line is a link, as the title of a story is, and no button."""
    return text.said >= _TITLE and text.link_chars > 0.9 * len(text.text)


def titles_of_cards(walk: Walk, rows: list[list[int]]) -> list[int]:
    """The lines that are links, though no headings, and the titles of alike siblings each of which says or shows more.

    No two cards have one title: buttons that lead to stories say the same in all of them.
    """
    found = set[int]()
    for row in rows:
        parts = map(walk.containers.__getitem__, row)
        cards = [part for part in parts if 1 < part.last - part.first <= _CARD]
        titles = {leaf.text: index for index, leaf in filter(None, (_title_of(walk, card) for card in cards))}
        if len(cards) >= _ALIKE and len(titles) >= _OWN * len(cards):
            found.update(titles.values())
    return sorted(found)


def _title_of(walk: Walk, card: Container) -> tuple[int, Text] | None:
    """The first line of a card, or the one behind what it is filed under, if that is a link."""
    inside = range(card.first, card.last)
    texts = ((index, leaf) for index in inside if isinstance(leaf := walk.leaves[index], Text))
    return next(((index, leaf) for index, leaf in islice(texts, 2) if leaf.role != "heading" and _is_title(leaf)), None)


def is_linked_heading(leaf: Text) -> bool:
    return leaf.role == "heading" and leaf.link_chars > 0.5 * len(leaf.text)


def present_persons(walk: Walk, container: Container) -> bool:
    """Whether the linked headings of a part are names of persons: a team whose members have pages of their own.

    Each is said more of than the name, and a part inside or around them is named for persons.
    """
    texts = [leaf for leaf in walk.leaves[container.first : container.last] if isinstance(leaf, Text)]
    titles = [text for text in texts if is_linked_heading(text)]
    persons = sum(_PERSON.match(text.text) is not None for text in titles)
    if len(titles) < _ALIKE or persons < _OWN * len(titles) or len(texts) < _LINES * len(titles):
        return False
    at = titles[0].container
    while at > 0:
        if not walk.containers[at].names.words.isdisjoint(_PERSONS):
            return True
        at = walk.containers[at].parent
    return False


def link_share(texts: list[Text]) -> float:
    shown = sum(len(text.text) for text in texts)
    return sum(text.link_chars for text in texts) / shown if shown else 0.0


def leave_out_rests(walk: Walk, rows: list[list[int]], verdicts: Verdicts) -> None:
    """What stays of cards whose titles were left out as links: prices, ratings and pictures, with nothing they are of.

    That is in each of several alike siblings no heading, and less than was left out.
    """
    linked = (index for index, verdict in enumerate(verdicts) if verdict is not None and verdict.rule == "links")
    titles = {index: size for index in linked if (size := _size(walk.leaves[index])) >= _DESCRIPTION}
    if not titles:
        return
    kept_ones = [leaf if verdict is None else None for leaf, verdict in zip(walk.leaves, verdicts, strict=True)]
    left_out = list(accumulate((titles.get(index, 0) for index in range(len(verdicts))), initial=0))
    kept = list(accumulate(map(_size, kept_ones), initial=0))
    weighty = list(accumulate(map(_is_weighty, kept_ones), initial=0))

    def is_rest(at: int) -> bool:
        first, last = walk.containers[at].first, walk.containers[at].last
        return weighty[last] == weighty[first] and left_out[last] - left_out[first] > kept[last] - kept[first]

    rests: set[int] = set()
    for row in rows:
        found = list(filter(is_rest, row))
        if len(found) > _OWN * len(row):
            rests.update(found)
    settled = 0  # leaves before this are decided on
    for at in sorted(rests):
        item = walk.containers[at]
        for index in range(max(settled, item.first), item.last):
            verdicts[index] = verdicts[index] or Verdict("links", 1.0, item)
        settled = max(settled, item.last)


def _size(leaf: Leaf | None) -> int:
    return len(leaf.text) if isinstance(leaf, Text) else 0


def _is_weighty(leaf: Leaf | None) -> bool:
    return isinstance(leaf, Text) and (leaf.role == "heading" or is_prose(leaf))


def _below(url: str) -> str:
    """What the addresses of pages below this one begin with; of a manual, those of all its pages."""
    parts = urlsplit(url)
    path = _INDEX.sub("/", parts.path)
    if parts.netloc.partition(".")[0] in _MANUALS:
        path = "/"
    elif (first := path.split("/")[1:2]) and first[0] in _MANUALS:
        path = f"/{first[0]}/"
    elif parts.query:  # which names the page where its path does not
        path = url
    return f"{parts.scheme}://{parts.netloc}{path}" + ("" if path.endswith("/") else "/")
