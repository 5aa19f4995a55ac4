"""Which part of a walked page is its main content.

Every text gets a weight: its characters, less those in links. Leaves stand in document order, so what a container
holds is a run of them, and its weight the difference of two running sums. Chrome, known by its tags and names, weighs
nothing, unless it holds most of the page. From the root the search descends while one child holds nearly all the
weight: what it arrives at is the region. It is widened to its `<article>`, and by those neighbours that hold prose of
their own. Inside it chrome, teasers and link lists are left out.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, islice, pairwise, takewhile

from pipeline.image.refs import is_image_page
from pipeline.page.cards import Cards, are_cards, is_linked_heading, link_share, present_persons, titles_of_cards
from pipeline.page.chrome import chrome_of
from pipeline.page.content_settings import ContentSettings
from pipeline.page.elements import CONTENT_TAGS, NARROW, NEVER_CHROME
from pipeline.page.labels import leave_out_labels
from pipeline.page.leaves import Container, Media, Text, children, upward
from pipeline.page.trim import trim
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk
from pipeline.page.weights import Sums

_ITEMS = frozenset(("li", "dd", "dt", "tr", "tbody", "thead", "td", "th", "p"))
_TEASER = 200  # characters of prose for each linked heading that still make a teaser
_STORY = 500  # the same of each beside an article, of links to pages of its site
_REFERENCES, _REFERENCE = 0.8, 10  # of references at most this share is links, and so many characters each are not
_MAIN_ENTITY = {"main", "entity"}  # the words of `itemprop="mainEntity"`
_INTRODUCTION = 40  # characters of a sentence before a list
CARD = 3  # how many levels up the words of a picture are looked for
_PLAYED = re.compile(r"(?:\d\d?:)?\d\d?:\d\d$")  # how long a video is
_ROWS, _BESIDE_TABLE = 3, 2  # of a table; what may stand beside it is a heading and a note
_NEIGHBOURHOOD = 3  # how many levels up neighbours of the region are looked for


def judge(walk: Walk, settings: ContentSettings, title: str = "", author: str = "") -> Verdicts:
    """For each leaf of a page, in reading order, None if the rules take it for main content, else why they do not."""
    verdicts, _ = by_rules(walk, settings)
    trim(walk, verdicts, title, author)
    return verdicts


def by_rules(
    walk: Walk, settings: ContentSettings, is_article: bool = False, cards: Cards | None = None
) -> tuple[Verdicts, int]:
    """What tags, names, weights and links say, and the region. A page that says it is an article is no list of some."""
    cards = cards or Cards(walk)
    sums = Sums(walk)
    verdicts = chrome_of(walk, sums, settings)
    sums.leave_out(verdicts)
    region = _region(walk, sums, settings)
    _leave_out_teasers(walk, sums, region, settings, cards, is_article, verdicts)
    parts = [walk.containers[at] for at in _parts(walk, sums, region, settings)]
    spans = [(part.first, part.last) for part in parts]
    _leave_out_the_rest([*spans, cards.listing], verdicts)
    leave_out_labels(walk, verdicts)
    _leave_out_links(walk, settings, cards, verdicts)
    _leave_out_cards(walk, verdicts)
    return verdicts, region


def _region(walk: Walk, sums: Sums, settings: ContentSettings) -> int:
    """The container that holds the main content."""
    region = 0
    while inside := list(children(walk.containers, region)):
        best = max(inside, key=sums.weight)
        weight = sums.weight(region)
        if sums.weight(best) <= 0 or sums.weight(best) < settings.descend_share * weight:
            break
        parts = [at for at in inside if at == best or walk.containers[at].tag not in NARROW]
        if weight - sum(map(sums.weight, parts)) > settings.max_loose_share * weight:
            break  # the text goes on beside the child: a part of it was only wrapped
        region = best
    while walk.containers[region].tag in NARROW:
        region = walk.containers[region].parent
    return _article_around(walk, sums, _section_around(walk, region), settings.article_share)


def _section_around(walk: Walk, region: int) -> int:
    """The section that a region is a part of by its heading: what stands between the two belongs to it."""
    level = _level(walk, region)
    while level:
        above = walk.containers[region].parent
        higher = _level(walk, above) if above > 0 and walk.containers[above].chrome < 0 else 0
        if not 0 < higher < level:
            break
        region, level = above, higher
    return region


def _level(walk: Walk, at: int) -> int:
    """Of the heading that a container begins with; 0 for none."""
    leaves = walk.leaves[walk.containers[at].first : walk.containers[at].last]
    first = next((leaf for leaf in leaves if isinstance(leaf, Text)), None)
    return first.mark.count("#") if first is not None and first.role == "heading" else 0


def _article_around(walk: Walk, sums: Sums, region: int, share: float) -> int:
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
    walk: Walk, sums: Sums, region: int, settings: ContentSettings, cards: Cards, is_article: bool, verdicts: Verdicts
) -> None:
    """Chrome, too: a small part of several linked headings with a line or a picture each, or of several videos.

    Beside an article other stories of its site may begin with a paragraph each.
    """
    linked = cards.linked_headings
    if is_article:
        linked = sorted({*linked, *titles_of_cards(walk, cards.rows)})
    short = ((index, leaf) for index, leaf in enumerate(walk.leaves) if isinstance(leaf, Text) and len(leaf.text) <= 8)
    played = [index for index, leaf in short if _PLAYED.match(leaf.text)]
    around = set(upward(walk.containers, region))
    if len(linked) < 2 > len(played) or not around:
        return
    pictures = [index for index, leaf in enumerate(walk.leaves) if isinstance(leaf, Media)] if played else []
    most = settings.teaser_share * max(map(sums.weight, around))
    settled = 0
    for at in _holding(walk, [*linked, *played]):
        if at < settled or at in around:
            continue
        container = walk.containers[at]
        headings = _count(linked, container)
        if played and max(2, headings) < (videos := _count(played, container)) <= _count(pictures, container):
            headings = videos
        if headings < 2:
            continue
        weight = sums.weight(at)
        is_small = weight <= min(most, _TEASER * headings)
        if is_article and not is_small and weight <= 2 * most:
            is_small = _are_stories(sums, container, linked) and cards.stay(container)
        if is_small and not cards.are_own(container) and not present_persons(walk, container):
            settled = container.end
            for index in range(container.first, container.last):
                verdicts[index] = verdicts[index] or Verdict("teasers", headings, container)


def _holding(walk: Walk, leaves: list[int]) -> list[int]:
    """The containers that hold one of some leaves."""
    found = set[int]()
    for index in leaves:
        found.update(takewhile(lambda at: at not in found, upward(walk.containers, walk.leaves[index].container)))
    return sorted(found)


def _count(places: list[int], container: Container) -> int:
    """How many of some leaves stand in a part."""
    return bisect_left(places, container.last) - bisect_left(places, container.first)


def _are_stories(sums: Sums, container: Container, linked: list[int]) -> bool:
    """Whether no more than a paragraph stands before, between and behind the linked headings of a part."""
    inside = linked[bisect_left(linked, container.first) : bisect_left(linked, container.last)]
    return all(sums.between(*span) <= _STORY for span in pairwise((container.first, *inside, container.last)))


def _parts(walk: Walk, sums: Sums, region: int, settings: ContentSettings) -> Iterator[int]:
    """The containers that make up the content: the region and what joins it."""
    yield region
    least = max(80.0, settings.neighbour_share * sums.weight(region))
    for at in islice(upward(walk.containers, region), _NEIGHBOURHOOD):
        if walk.containers[at].tag in NEVER_CHROME:
            break
        for sibling in children(walk.containers, walk.containers[at].parent):
            is_weighty = sibling != at and (sums.weight(sibling) >= least or _is_data(walk, sums, sibling))
            if is_weighty and _is_like_content(walk, sibling):
                yield sibling


def _is_data(walk: Walk, sums: Sums, at: int) -> bool:
    """Whether a part is a table and hardly more, as one of what a thing measures: its rows are no sentences."""
    if sums.weight(at) <= 0:
        return False
    leaves = walk.leaves[walk.containers[at].first : walk.containers[at].last]
    rows = sum(isinstance(leaf, Text) and leaf.role == "table" for leaf in leaves)
    return rows >= _ROWS and rows >= len(leaves) - _BESIDE_TABLE


def _is_like_content(walk: Walk, at: int) -> bool:
    """Whether a neighbour of the region has little in links, no heading that is one, and is no row of cards."""
    leaves = walk.leaves[walk.containers[at].first : walk.containers[at].last]
    texts = [leaf for leaf in leaves if isinstance(leaf, Text)]
    return link_share(texts) < 0.3 and not any(map(is_linked_heading, texts)) and not are_cards(texts)


def _leave_out_the_rest(spans: list[tuple[int, int]], verdicts: Verdicts) -> None:
    """What stands outside all spans of leaves."""
    inside = bytearray(len(verdicts))
    for first, last in spans:
        inside[first:last] = b"\1" * (last - first)
    outside = Verdict("outside")
    for index, is_inside in enumerate(inside):
        if not is_inside and verdicts[index] is None:
            verdicts[index] = outside


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
                if judged[home] and (cards.is_among_own(home) or _is_introduced(walk, home)):
                    judged[home] = None
            verdicts[index] = judged[home]


def _is_introduced(walk: Walk, at: int) -> bool:
    """Whether a list follows a sentence of the same part that ends with a colon."""
    first = walk.containers[at].first
    before = walk.leaves[first - 1] if first else None
    if not isinstance(before, Text) or before.text[-1:] not in ":：" or before.said <= _INTRODUCTION:
        return False
    beside = walk.containers[before.container]
    is_beside = walk.containers[at].parent in (beside.parent, before.container)
    return is_beside and 2 * before.link_chars < len(before.text)


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
        for at in islice(upward(walk.containers, walk.leaves[index].container), CARD):
            container = walk.containers[at]
            first, last = container.first, container.last
            if words[last] > words[first]:
                led_away = links[last] - links[first]
                if led_away and words[last] - words[first] == led_away + labels[last] - labels[first]:
                    verdicts[index] = Verdict("links", 1.0, container)
                break
            if container.tag == "figure":
                break  # the words beside it are of no card
