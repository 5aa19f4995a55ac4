"""Which parts of a walked page are its site's furniture, by what they are called and how much of the page they hold."""

from collections.abc import Collection
from functools import cached_property
from itertools import accumulate

from pipeline.page.cards import is_linked_heading
from pipeline.page.content_settings import ContentSettings
from pipeline.page.elements import CONTENT_TAGS, NEVER_CHROME
from pipeline.page.leaves import Leaf, Media, Text, titles_of
from pipeline.page.names import CHROME_NAMES, NAMES_OF_ITEMS, WEAK_NAMES, Names
from pipeline.page.prose import says_sentence
from pipeline.page.reviews import Reviews
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk
from pipeline.page.weights import Sums

_LINKS = 0.3  # the share of a part that stands in links, if it is no way through the site
_SENTENCE, _CAPTION = 30, 30  # characters, at least
_POSTS = 0.7  # a larger share of the page is no signatures: they may be as long as what they stand below
_PERSONS, _TEAM = frozenset(("author", "bio", "profile")), 3  # names of who wrote a page; so many are a team
_BODIES, _BODY = frozenset(("article", "entry", "hentry")), 500  # names of such parts, and the weight of one
_HEAD = 1000  # characters of prose; a part that says more is more than the head of a page
_TITLES = frozenset(("sidebar", "title", "titlepage"))  # what the title of a box is called, and nothing else
_NEAR = 7  # parts behind the beginning of a box of the text that may hold its title
_AGAINST = CHROME_NAMES | WEAK_NAMES  # what speaks against a part
_ALL = 0.9  # a part with a larger share of the page is around its items, and none of them


def leave_out_chrome(walk: Walk, settings: ContentSettings) -> Verdicts:
    """The verdicts of a page of which nothing is left out but chrome."""
    return chrome_of(walk, Sums(walk), settings)


def chrome_of(walk: Walk, sums: Sums, settings: ContentSettings) -> Verdicts:
    """Of what is hidden, what stands in a part that is chrome, and in a part that is if it holds little prose."""
    verdicts: Verdicts = [None] * len(walk.leaves)
    heads, bodies = _Heads(walk), _Bodies(walk, sums)
    settled = little = 0  # containers before these are decided on, or known to hold little prose
    everywhere = _names_of_most(walk, sums, settings.chrome_share)
    items, ends = _teams(walk) | _items(walk, sums), _ends_of_items(walk)
    reviews = Reviews(walk, sums, settings)
    for at in walk.flagged:
        container = walk.containers[at]
        first, last = container.first, container.last
        if at < settled or first == last:
            continue
        names = container.names
        if not names.is_hidden and (_says_nothing(names, everywhere) or (names.strong and _is_box(walk, at))):
            continue
        if (at in items and not names.is_hidden and not names.strong) or at in ends:
            continue
        is_named = names.strong or names.comments or names.is_bio or reviews.hold(at)
        if container.chrome < 0 and is_named and container.tag not in NEVER_CHROME:
            share = sums.unlinked(at)
            is_longer = names.strong and share <= settings.comment_share
            if share <= most_chrome(names, settings)[0] or (is_longer and bodies.are_beside(at)):
                container.chrome = share
        if names.is_hidden or container.chrome >= 0:
            rule, settled = "hidden" if names.is_hidden else "chrome", container.end
            verdicts[first:last] = [Verdict(rule, container.chrome, container)] * (last - first)
        elif at >= little and container.tag not in NEVER_CHROME and not names.comments and not _is_of_goods(names):
            prose = sums.weight(at)
            if prose <= _HEAD and heads.holds(at):
                continue
            if prose <= settings.weak_chrome_characters and not _holds_quote(walk, at):
                little = container.end
                for index in range(first, last):
                    leaf = walk.leaves[index]
                    if not _is_of_another(leaf) and not _is_picture(leaf, settings.min_weak_image_px):
                        verdicts[index] = Verdict("little_prose", prose, container)
    return verdicts


class _Heads:
    """Parts around the only `<h1>` of a page and words beside it: its head, though builders call it a teaser or widget.

    So are, by the same name, the parts of such a part.
    """

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._end, self._words = 0, frozenset[str]()  # of the last

    @cached_property
    def _title(self) -> int:
        titles = titles_of(self._walk.leaves)
        title = self._walk.leaves[titles[0]] if len(titles) == 1 else None
        is_told = isinstance(title, Text) and not is_linked_heading(title)  # the name of a site leads home
        return titles[0] if is_told else -1

    def holds(self, at: int) -> bool:
        container = self._walk.containers[at]
        words = container.names.words & WEAK_NAMES
        if at < self._end:
            return words <= self._words
        is_head = container.first <= self._title < container.last - 1
        if is_head:
            self._end, self._words = container.end, words
        return is_head


class _Bodies:
    """The parts that markup or names tell to be what a page is about: beside one furniture may be longer than it."""

    def __init__(self, walk: Walk, sums: Sums) -> None:
        self._walk, self._sums = walk, sums

    @cached_property
    def _places(self) -> list[int]:
        parts = enumerate(self._walk.containers)
        named = (at for at, part in parts if part.tag in CONTENT_TAGS or not part.names.words.isdisjoint(_BODIES))
        return [at for at in named if self._sums.weight(at) >= _BODY]

    def are_beside(self, at: int) -> bool:
        """Whether one of them stands neither in a part nor around it, and none stands in it."""
        end, containers = self._walk.containers[at].end, self._walk.containers
        if any(at <= body < end for body in self._places):
            return False
        return any(not body < at < containers[body].end for body in self._places)


def _says_nothing(names: Names, everywhere: Collection[str]) -> bool:
    """Whether all that speaks against a part is said of most of the page."""
    if not everywhere or names.comments or names.is_bio:
        return False
    told = names.words & _AGAINST
    return bool(told) and told.issubset(everywhere)


def _names_of_most(walk: Walk, sums: Sums, most: float) -> set[str]:
    """The names whose parts together hold more than this share of the page: they tell nothing of its parts.

    Site builders call all that they place a widget, restaurants what they serve a menu; Khoros' posts are called
    `body-signature-highlight`.
    """
    shares: dict[str, float] = {}
    ends: dict[str, int] = {}
    for at in walk.flagged:
        container = walk.containers[at]
        for word in container.names.words & NAMES_OF_ITEMS:
            if at < ends.get(word, 0) or (share := sums.unlinked(at)) > _ALL:
                continue  # within another of the name, or around them all
            if word != "menu" or sums.linked(at) <= _LINKS:
                shares[word], ends[word] = shares.get(word, 0.0) + share, container.end
    return {word for word, share in shares.items() if share > (_POSTS if word == "signature" else most)}


def most_chrome(names: Names, settings: ContentSettings) -> tuple[float, str]:
    """Up to which share of the page a part of these names is chrome, and the setting that says so."""
    return max(
        (names.strong * settings.chrome_share, "chrome_share"),
        ((names.comments or names.others) * settings.comment_share, "comment_share"),
        (names.is_bio * settings.author_share, "author_share"),
        (names.is_review * settings.review_share, "review_share"),
    )


def _is_of_goods(names: Names) -> bool:
    """Whether a part is named as what customers wrote, and not as what is chrome on any page."""
    return names.is_review and not (names.strong or names.weak or names.is_bio)


def _is_box(walk: Walk, at: int) -> bool:
    """Whether a part is named sidebar and is none: it has a title of its own, as manuals write it."""
    if walk.containers[at].names.words & CHROME_NAMES != {"sidebar"}:
        return False
    inside = (part.names.words for part in walk.containers[at + 1 : at + _NEAR] if part.parent >= at)
    return any(words and words <= _TITLES for words in inside)


def _holds_quote(walk: Walk, at: int) -> bool:
    return any(part.tag == "blockquote" for part in walk.containers[at : walk.containers[at].end])


def _teams(walk: Walk) -> set[int]:
    """The parts that present a person each, as two beside them do: a team or authors, not who wrote the page."""
    persons = [at for at in walk.flagged if not walk.containers[at].names.words.isdisjoint(_PERSONS)]
    if len(persons) < _TEAM:
        return set()
    is_heading = (isinstance(leaf, Text) and leaf.role == "heading" for leaf in walk.leaves)
    headings = list(accumulate(is_heading, initial=0))
    alike: dict[tuple[int, frozenset[str]], list[int]] = {}
    for at in persons:
        container = walk.containers[at]
        if headings[container.last] > headings[container.first]:
            alike.setdefault((container.parent, container.names.words), []).append(at)
    return {at for some in alike.values() if len(some) >= _TEAM for at in some}


def _ends_of_items(walk: Walk) -> set[int]:
    """The parts named footer of several items: there is one in each, and in the page's own there are no others."""
    alike: dict[frozenset[str], dict[int, int]] = {}
    for at in walk.flagged:
        container = walk.containers[at]
        names = container.names
        is_named = "footer" in names.words and names.words & CHROME_NAMES == {"footer"}
        if is_named and container.tag == "div" and not names.is_hidden:
            alike.setdefault(names.words, {})[container.parent] = at
    return {at for some in alike.values() if len(some) >= _TEAM for at in some.values()}


def _items(walk: Walk, sums: Sums) -> set[int]:
    """The parts that say a sentence each, with a weak name, as two beside them do: what a firm offers.

    So are the parts of such a part that have its name.
    """
    alike: dict[tuple[int, frozenset[str]], list[int]] = {}
    for at in walk.flagged:
        container = walk.containers[at]
        if container.names.weak and not container.names.is_bio and not container.names.comments:
            alike.setdefault((container.parent, container.names.words), []).append(at)

    def is_item(at: int) -> bool:
        inside = walk.leaves[walk.containers[at].first : walk.containers[at].last]
        return sums.linked(at) <= _LINKS and any(says_sentence(leaf, _SENTENCE) for leaf in inside)

    rows = (some for some in alike.values() if len(some) >= _TEAM and all(map(is_item, some)))
    items = {at for some in rows for at in some}
    end, words = 0, frozenset[str]()  # of the last item
    for at in walk.flagged:
        container = walk.containers[at]
        if at in items and at >= end:
            end, words = container.end, container.names.words & WEAK_NAMES
        elif at < end and container.names.weak and container.names.words & WEAK_NAMES <= words:
            items.add(at)
    return items


def _is_of_another(leaf: Leaf) -> bool:
    """Whether a text in such a part is what an embedded post says, or the caption of a figure and more than a label."""
    if not isinstance(leaf, Text):
        return False
    return leaf.role == "quote" or (leaf.role == "caption" and leaf.figure >= 0 and leaf.said >= _CAPTION)


def _is_picture(leaf: Leaf, min_px: int) -> bool:
    return isinstance(leaf, Media) and (leaf.figure >= 0 or leaf.width >= min_px)
