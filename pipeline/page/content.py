"""Which part of a walked page is its main content.

Every text gets a weight: its characters, less those in links. Leaves stand in document order, so what a container
holds is a run of them, and its weight the difference of two running sums. Chrome, known by its tags and names, weighs
nothing, unless it holds most of the page. From the root the search descends while one child holds nearly all the
weight: what it arrives at is the region. It is widened to its `<article>`, and by those neighbours that hold prose of
their own. Inside it chrome, teasers and link lists are left out.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from itertools import accumulate, islice

from pipeline.image.refs import is_image_page
from pipeline.page.cards import Cards, are_cards, is_linked_heading, link_share
from pipeline.page.elements import CONTENT_TAGS, NARROW, NEVER_CHROME
from pipeline.page.leaves import Container, Leaf, Media, Text
from pipeline.page.names import CHROME_NAMES, NAMES_OF_ITEMS, WEAK_NAMES, Names
from pipeline.page.trim import SENTENCE_ENDS, leave_out_labels, trim
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk
from schemas.settings import Settings

_ITEMS = frozenset(("li", "dd", "dt", "tr", "tbody", "td", "p"))
_TEASER = 200  # characters of prose for each linked heading that still make a teaser
_REFERENCES, _REFERENCE = 0.8, 10  # of references at most this share is links, and so many characters each are not
_LINKS_OF_DISHES = 0.3  # the share of a part named menu that stands in links, if it is no way through the site
_ALL = 0.9  # a part with a larger share of the page is around its items, and none of them
_MAIN_ENTITY = {"main", "entity"}  # the words of `itemprop="mainEntity"`
CARD = 3  # how many levels up the words of a picture are looked for
_NEIGHBOURHOOD = 3  # how many levels up neighbours of the region are looked for


class ContentSettings(Settings, frozen=True):
    """How the content region is found. Weights are in characters."""

    chrome_share: float = 0.4
    """A part named like chrome is content all the same with more than this share of the page's text outside links."""
    comment_share: float = 0.75
    """The same for a part named as comments, which are often longer than the article. In a forum they are content."""
    author_share: float = 0.25
    """A box about the author is chrome up to this share of the page: on their own page it is the content."""
    weak_chrome_characters: float = 200.0
    """A part with a name that content bears too, such as author or share, is chrome up to this weight of prose."""
    descend_share: float = 0.7
    """The region narrows to a child that holds at least this share of its parent's weight."""
    max_loose_share: float = 0.1
    """It does not when paragraphs that stand beside that child hold more than this share."""
    article_share: float = 0.7
    """The region widens to the `<article>` around it when it holds at least this share of the article's weight."""
    neighbour_share: float = 0.2
    """A neighbour of the region joins it when it weighs this share of it and its text is mostly not links."""
    teaser_share: float = 0.25
    """A part of linked headings with little text each is left out up to this share of the region's weight."""
    max_link_share: float = 0.6
    """A list or short block is left out when more than this share of its characters stands in links."""
    min_texts: int = 12
    """A page of fewer texts is judged by the rules alone."""
    min_gain: float = 0.02
    """The evidence decides instead of the rules where the F1 to be expected is higher by more than this."""
    article_gain: float = 0.05
    """The same on articles, for which the rules were made: pages that say they are, or have one long `<article>`."""
    min_weak_image_px: int = 200
    """An image in a weakly named part stays when it declares this width, or stands in a figure."""


def judge(walk: Walk, settings: ContentSettings, title: str = "", author: str = "") -> Verdicts:
    """For each leaf of a page, in reading order, None if the rules take it for main content, else why they do not."""
    verdicts, _ = by_rules(walk, settings)
    trim(walk, verdicts, title, author)
    return verdicts


def by_rules(walk: Walk, settings: ContentSettings) -> tuple[Verdicts, int]:
    """What tags, names, weights and links say, and the region."""
    sums = _Sums(walk)
    verdicts = _chrome(walk, sums, settings)
    sums.leave_out(verdicts)
    region = _region(walk, sums, settings)
    cards = Cards(walk)
    _leave_out_teasers(walk, sums, region, settings, cards, verdicts)
    _leave_out_the_rest(walk, _parts(walk, sums, region, settings), verdicts)
    leave_out_labels(walk, verdicts)
    _leave_out_links(walk, settings, cards, verdicts)
    _leave_out_cards(walk, verdicts)
    return verdicts, region


class _Sums:
    """Running sums over the leaves, by which the weight of any container is one subtraction."""

    def __init__(self, walk: Walk) -> None:
        self._containers = walk.containers
        self._own = [_weight(leaf) if isinstance(leaf, Text) else 0 for leaf in walk.leaves]
        self._weight = list(accumulate(self._own, initial=0))
        outside = (len(leaf.text) - leaf.link_chars if isinstance(leaf, Text) else 0 for leaf in walk.leaves)
        self._unlinked = list(accumulate(outside, initial=0))
        written = (len(leaf.text) if isinstance(leaf, Text) else 0 for leaf in walk.leaves)
        self._written = list(accumulate(written, initial=0))

    def leave_out(self, chrome: Verdicts) -> None:
        """Chrome weighs nothing from now on."""
        weights = (0 if verdict else own for verdict, own in zip(chrome, self._own, strict=True))
        self._weight = list(accumulate(weights, initial=0))

    def unlinked(self, at: int) -> float:
        """A container's share of the characters outside links."""
        container = self._containers[at]
        return (self._unlinked[container.last] - self._unlinked[container.first]) / max(1, self._unlinked[-1])

    def linked(self, at: int) -> float:
        """The share of a container's own characters that stand in links."""
        container = self._containers[at]
        outside = self._unlinked[container.last] - self._unlinked[container.first]
        return 1 - outside / max(1, self._written[container.last] - self._written[container.first])

    def weight(self, at: int) -> int:
        container = self._containers[at]
        return self._weight[container.last] - self._weight[container.first]


def _weight(leaf: Text) -> int:
    """How much a text speaks for being content: its characters, less those in links; fragments count little."""
    characters = max(0.0, len(leaf.text) - 1.5 * leaf.link_chars)
    is_prose = len(leaf.text) >= 80 or leaf.text.endswith(SENTENCE_ENDS)
    return int(characters if is_prose else 0.3 * characters)


def _children(walk: Walk, at: int) -> Iterator[int]:
    containers = walk.containers
    child, end = at + 1, containers[at].end
    while child < end:
        yield child
        child = containers[child].end


def leave_out_chrome(walk: Walk, settings: ContentSettings) -> Verdicts:
    """The verdicts of a page of which nothing is left out but chrome."""
    return _chrome(walk, _Sums(walk), settings)


def _chrome(walk: Walk, sums: _Sums, settings: ContentSettings) -> Verdicts:
    """Of what is hidden, what stands in a part that is chrome, and in a part that is if it holds little prose."""
    verdicts: Verdicts = [None] * len(walk.leaves)
    settled = little = 0  # containers before these are decided on, or known to hold little prose
    everywhere = _names_of_most(walk, sums, settings.chrome_share)
    for at in walk.flagged:
        container = walk.containers[at]
        first, last = container.first, container.last
        if at < settled or first == last:
            continue
        names = container.names
        if not names.is_hidden and (_says_nothing(names, everywhere) or (names.strong and _is_box(walk, at))):
            continue
        if container.chrome < 0 and (names.strong or names.comments or names.is_bio):
            share = sums.unlinked(at)
            if container.tag not in NEVER_CHROME and share <= most_chrome(names, settings)[0]:
                container.chrome = share
        if names.is_hidden or container.chrome >= 0:
            rule, settled = "hidden" if names.is_hidden else "chrome", container.end
            verdicts[first:last] = [Verdict(rule, container.chrome, container)] * (last - first)
        elif at >= little and container.tag not in NEVER_CHROME and not names.comments:
            prose = sums.weight(at)
            if prose <= settings.weak_chrome_characters and not _holds_quote(walk, at):
                little = container.end
                for index in range(first, last):
                    leaf = walk.leaves[index]
                    is_quote = isinstance(leaf, Text) and leaf.role == "quote"  # as that of an embedded post
                    if not is_quote and not _is_picture(leaf, settings.min_weak_image_px):
                        verdicts[index] = Verdict("little_prose", prose, container)
    return verdicts


def _says_nothing(names: Names, everywhere: Collection[str]) -> bool:
    """Whether all that speaks against a part is said of most of the page."""
    told = names.words & (CHROME_NAMES | WEAK_NAMES)
    return bool(told) and told.issubset(everywhere) and not names.comments and not names.is_bio


def _names_of_most(walk: Walk, sums: _Sums, most: float) -> set[str]:
    """The names whose parts together hold more than this share of the page: they tell nothing of its parts.

    Site builders call all that they place a widget, restaurants what they serve a menu.
    """
    shares: dict[str, float] = {}
    ends: dict[str, int] = {}
    for at in walk.flagged:
        container = walk.containers[at]
        for word in container.names.words & NAMES_OF_ITEMS:
            if at < ends.get(word, 0) or (share := sums.unlinked(at)) > _ALL:
                continue  # within another of the name, or around them all
            if word != "menu" or sums.linked(at) <= _LINKS_OF_DISHES:
                shares[word], ends[word] = shares.get(word, 0.0) + share, container.end
    return {word for word, share in shares.items() if share > most}


def most_chrome(names: Names, settings: ContentSettings) -> tuple[float, str]:
    """Up to which share of the page a part of these names is chrome, and the setting that says so."""
    return max(
        (names.strong * settings.chrome_share, "chrome_share"),
        (names.comments * settings.comment_share, "comment_share"),
        (names.is_bio * settings.author_share, "author_share"),
    )


def _is_box(walk: Walk, at: int) -> bool:
    """Whether a part is named sidebar and is none: it has a title of its own."""
    named = walk.containers[at].names.words & CHROME_NAMES
    inside = walk.containers[at + 1 : at + 3]
    return named == {"sidebar"} and any("title" in part.names.words for part in inside if part.parent >= at)


def _holds_quote(walk: Walk, at: int) -> bool:
    return any(part.tag == "blockquote" for part in walk.containers[at : walk.containers[at].end])


def _is_picture(leaf: Leaf, min_px: int) -> bool:
    return isinstance(leaf, Media) and (leaf.figure >= 0 or leaf.width >= min_px)


def _region(walk: Walk, sums: _Sums, settings: ContentSettings) -> int:
    """The container that holds the main content."""
    region = 0
    while children := list(_children(walk, region)):
        best = max(children, key=sums.weight)
        weight = sums.weight(region)
        if sums.weight(best) <= 0 or sums.weight(best) < settings.descend_share * weight:
            break
        parts = [at for at in children if at == best or walk.containers[at].tag not in NARROW]
        if weight - sum(map(sums.weight, parts)) > settings.max_loose_share * weight:
            break  # the text goes on beside the child: a part of it was only wrapped
        region = best
    while walk.containers[region].tag in NARROW:
        region = walk.containers[region].parent
    return _article_around(walk, sums, region, settings.article_share)


def _article_around(walk: Walk, sums: _Sums, region: int, share: float) -> int:
    """The outermost `<article>` or `<main>` around the region that holds little else, or the region itself.

    Or what microdata call the page's main entity: a question with its answers, of which the region is one.
    """
    widest, at = region, region
    while at > 0:
        container = walk.containers[at]
        is_stated = container.names.words >= _MAIN_ENTITY
        if is_stated or (container.tag in CONTENT_TAGS and sums.weight(region) >= share * sums.weight(at)):
            widest = at
        at = walk.containers[at].parent
    return widest


def _leave_out_teasers(
    walk: Walk, sums: _Sums, region: int, settings: ContentSettings, cards: Cards, verdicts: Verdicts
) -> None:
    """Chrome, too: a small part of several linked headings with a line or a picture each."""
    linked = [index for index, leaf in enumerate(walk.leaves) if isinstance(leaf, Text) and is_linked_heading(leaf)]
    around = set(upward(walk, region))
    if len(linked) < 2 or not around:
        return
    most = settings.teaser_share * max(map(sums.weight, around))
    settled = 0
    for at, container in enumerate(walk.containers):
        if at < settled or container.last - container.first < 2 or at in around or not at:
            continue
        headings = bisect_left(linked, container.last) - bisect_left(linked, container.first)
        if headings >= 2 and sums.weight(at) <= min(most, _TEASER * headings) and not cards.are_own(container):
            settled = container.end
            for index in range(container.first, container.last):
                verdicts[index] = verdicts[index] or Verdict("teasers", headings, container)


def upward(walk: Walk, at: int) -> Iterator[int]:
    """A container and those around it, the root left out."""
    while at > 0:
        yield at
        at = walk.containers[at].parent


def _parts(walk: Walk, sums: _Sums, region: int, settings: ContentSettings) -> Iterator[int]:
    """The containers that make up the content: the region and what joins it."""
    yield region
    least = max(80.0, settings.neighbour_share * sums.weight(region))
    for at in islice(upward(walk, region), _NEIGHBOURHOOD):
        if walk.containers[at].tag in NEVER_CHROME:
            break
        for sibling in _children(walk, walk.containers[at].parent):
            if sibling != at and sums.weight(sibling) >= least and _is_like_content(walk, sibling):
                yield sibling


def _is_like_content(walk: Walk, at: int) -> bool:
    """Whether a neighbour of the region has little in links, no heading that is one, and is no row of cards."""
    leaves = walk.leaves[walk.containers[at].first : walk.containers[at].last]
    texts = [leaf for leaf in leaves if isinstance(leaf, Text)]
    return link_share(texts) < 0.3 and not any(map(is_linked_heading, texts)) and not are_cards(texts)


def _leave_out_the_rest(walk: Walk, parts: Iterator[int], verdicts: Verdicts) -> None:
    inside = bytearray(len(verdicts))
    for part in parts:
        first, last = walk.containers[part].first, walk.containers[part].last
        inside[first:last] = b"\1" * (last - first)
    for index, is_inside in enumerate(inside):
        if not is_inside and verdicts[index] is None:
            verdicts[index] = Verdict("outside")


def _leave_out_links(walk: Walk, settings: ContentSettings, cards: Cards, verdicts: Verdicts) -> None:
    """Lists, tables and blocks that are mostly links, but for headings and for lists of references."""
    judged: dict[int, Verdict | None] = {}  # the lists, tables or other parts that items stand in
    for index, leaf in enumerate(walk.leaves):
        if verdicts[index] is not None or not isinstance(leaf, Text) or not leaf.link_chars:
            continue
        if leaf.role != "heading" and leaf.link_chars > settings.max_link_share * len(leaf.text):
            home = leaf.container
            while walk.containers[home].tag in _ITEMS and walk.containers[home].parent:
                home = walk.containers[home].parent
            if home not in judged:
                container = walk.containers[home]
                judged[home] = _are_links(walk, container, settings.max_link_share)
                if judged[home] and cards.is_among_own(home):
                    judged[home] = None
            verdicts[index] = judged[home]


def _are_links(walk: Walk, container: Container, most: float) -> Verdict | None:
    texts = [leaf for leaf in walk.leaves[container.first : container.last] if isinstance(leaf, Text)]
    share, unlinked = link_share(texts), sum(len(text.text) - text.link_chars for text in texts)
    are_references = share <= _REFERENCES and unlinked >= _REFERENCE * len(texts)
    return Verdict("links", share, container) if share > most and not are_references else None


def _leave_out_cards(walk: Walk, verdicts: Verdicts) -> None:
    """Pictures that lead away, as do all the words around them."""
    leading_away = [
        index
        for index, leaf in enumerate(walk.leaves)
        if verdicts[index] is None and isinstance(leaf, Media) and leaf.kind == "image"
        if leaf.link and not is_image_page(leaf.link)
    ]
    if not leading_away:
        return
    rules = [
        (verdict.rule if verdict else "") if isinstance(leaf, Text) else None
        for leaf, verdict in zip(walk.leaves, verdicts, strict=True)
    ]
    words = list(accumulate((rule is not None for rule in rules), initial=0))
    links, labels = (
        list(accumulate((rule in names for rule in rules), initial=0))
        for names in (("links",), ("label", "little_prose"))
    )
    for index in leading_away:
        for at in islice(upward(walk, walk.leaves[index].container), CARD):
            container = walk.containers[at]
            first, last = container.first, container.last
            if words[last] > words[first]:
                led_away = links[last] - links[first]
                if led_away and words[last] - words[first] == led_away + labels[last] - labels[first]:
                    verdicts[index] = Verdict("links", 1.0, container)
                break
            if container.tag == "figure":
                break  # the words beside it are of no card
