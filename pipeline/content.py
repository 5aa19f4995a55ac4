"""Which part of a walked page is its main content.

Every text gets a weight: its characters, less those in links. Weights add up the container tree; chrome, known by its
tags and names, counts nothing, unless it holds most of the page. From the root the search descends while one child
holds nearly all the weight: what it arrives at is the region. It is widened to its `<article>`, and by those
neighbours that hold prose or figures of their own. Inside it chrome and link lists are left out.
"""

import msgspec

from pipeline.image_refs import is_image_url
from pipeline.leaves import Leaf, Media, Text
from pipeline.walk import Walk

CHROME_TAGS = frozenset(("nav", "aside", "footer", "form", "menu", "dialog"))
#: Names of parts that are never content, however much text they hold (short of most of the page).
CHROME_NAMES = frozenset(
    "breadcrumb breadcrumbs comment comments consent cookie cookies copyright disclaimer discussion disqus "
    "footer gdpr login masthead menu mobilenav modal nav navbar navbox navigation newsletter noprint outbrain "
    "paywall popup promo promos recirculation recommend recommendations recommended related relatedarticles "
    "relatedcontent relatedlinks relatedposts relatedstories replies respond sidebar signup sponsor sponsored "
    "subscribe subscription taboola trending".split()
)
#: Names that parts of the content bear too: such a part is chrome only while it holds little prose.
WEAK_NAMES = frozenset(
    "ad ads adsense advert advertisement author avatar banner bio byline hatnote infolinks meta metadata "
    "pager pagination popular rss search share sharedaddy sharing skip social tag tags teaser toc toolbar topbar "
    "tools widget widgets".split()
)
CONTENT_TAGS = frozenset(("article", "main"))
WEAK, STRONG = 1, 2
NEVER_CHROME = frozenset(("article", "main", "body", "html"))
_TOO_NARROW = frozenset(
    ("p", "ul", "ol", "li", "dl", "dd", "blockquote", "pre", "td", "tr", "tbody", "figure", "table")
)
_ITEMS = frozenset(("li", "dd", "dt", "tr", "tbody", "td", "p"))
_TEASER = 200  # characters of prose for each linked heading that still make a teaser
_NEIGHBOURHOOD = 3  # how many levels up neighbours of the region are looked for
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", "…", ":", "”", '"')


class ContentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the content region is found. Weights are in characters."""

    chrome_share: float = 0.4
    """A container named like chrome is content all the same when it holds more than this share of the page's text."""
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
    min_weak_image_px: int = 200
    """An image in a weakly named part stays when it declares this width, or stands in a figure."""


class _Measures:
    """Sums over the subtree of each container; a parent stands before its children, so one backward pass adds up."""

    def __init__(self, walk: Walk, settings: ContentSettings) -> None:
        size = len(walk.containers)
        plain, self.shown, self.linked = [0.0] * size, [0.0] * size, [0.0] * size
        for leaf in walk.leaves:
            if isinstance(leaf, Text):
                at = leaf.container
                plain[at] += _weight(leaf)
                self.shown[at] += len(leaf.text)
                self.linked[at] += leaf.link_chars
        self.own = list(plain)
        for sums in (plain, self.shown, self.linked):
            _add_up(walk, sums)
        self.link_headings = [0.0] * size
        for leaf in walk.leaves:
            if isinstance(leaf, Text) and leaf.role == "heading" and leaf.link_chars > 0.5 * len(leaf.text):
                self.link_headings[leaf.container] += 1
        _add_up(walk, self.link_headings)
        self.chrome = _chrome(walk, plain, settings)
        self.weight = [0.0 if self.chrome[at] else own for at, own in enumerate(self.own)]
        _add_up(walk, self.weight)

    def link_share(self, at: int) -> float:
        return self.linked[at] / self.shown[at] if self.shown[at] else 0.0


def content_leaves(walk: Walk, settings: ContentSettings) -> list[Leaf]:
    """The leaves of a page that belong to its main content, in reading order."""
    measures = _Measures(walk, settings)
    region = _region(walk, measures, settings)
    _mark_teasers(walk, measures, region, settings)
    inside = _below(walk, _parts(walk, measures, region, settings))
    lists = _list_link_shares(walk, measures)
    kept: list[Leaf] = []
    for leaf in walk.leaves:
        chrome = measures.chrome[leaf.container]
        if not inside[leaf.container] or chrome == STRONG:
            continue
        if isinstance(leaf, Text):
            if chrome or _is_link_list(leaf, lists[leaf.container], settings.max_link_share):
                continue
        elif chrome and leaf.figure < 0 and leaf.width < settings.min_weak_image_px:
            continue
        kept.append(leaf)
    return _without_tail(kept)


def _without_tail(leaves: list[Leaf]) -> list[Leaf]:
    """Without the bare images that follow the last prose: what comes after an article invites to another."""
    ends = [at for at, leaf in enumerate(leaves) if isinstance(leaf, Text) and _is_prose(leaf)]
    if not ends:
        return leaves
    return [
        leaf
        for at, leaf in enumerate(leaves)
        if at < ends[-1] or not (isinstance(leaf, Media) and leaf.kind == "image" and leads_away(leaf))
    ]


def leads_away(leaf: Media) -> bool:
    """Whether an image outside figures is the link to another page, not to a larger copy of itself."""
    return leaf.figure < 0 and bool(leaf.link) and not is_image_url(leaf.link)


def _is_prose(leaf: Text) -> bool:
    return leaf.role != "heading" and len(leaf.text) - 2 * leaf.link_chars >= 80


def _weight(leaf: Text) -> float:
    """How much a text speaks for being content: its characters, less those in links; fragments count little."""
    characters = max(0.0, len(leaf.text) - 1.5 * leaf.link_chars)
    is_prose = len(leaf.text) >= 80 or leaf.text.endswith(_SENTENCE_ENDS)
    return characters if is_prose else 0.3 * characters


def _add_up(walk: Walk, sums: list[float]) -> None:
    for at in range(len(sums) - 1, 0, -1):
        sums[walk.containers[at].parent] += sums[at]


def _chrome(walk: Walk, plain: list[float], settings: ContentSettings) -> list[int]:
    """For each container 0, WEAK or STRONG, the stronger of its own and that of the ones around it."""
    chrome, in_article = [0] * len(plain), [False] * len(plain)
    most = settings.chrome_share * plain[0]
    for at, container in enumerate(walk.containers[1:], start=1):
        above = container.parent
        in_article[at] = in_article[above] or container.tag in CONTENT_TAGS
        chrome[at] = STRONG if container.hidden else chrome[above]
        if chrome[at] == STRONG or container.tag in NEVER_CHROME:
            continue
        named = (
            container.tag in CHROME_TAGS
            or (container.tag == "header" and not in_article[above])
            or not CHROME_NAMES.isdisjoint(container.names)
        )
        if named and plain[at] <= most:
            chrome[at] = STRONG
        elif plain[at] <= settings.weak_chrome_characters and not WEAK_NAMES.isdisjoint(container.names):
            chrome[at] = WEAK
    return chrome


def _region(walk: Walk, measures: _Measures, settings: ContentSettings) -> int:
    """The container that holds the main content."""
    children: dict[int, list[int]] = {}
    for at, container in enumerate(walk.containers[1:], start=1):
        children.setdefault(container.parent, []).append(at)
    weight, region = measures.weight, 0
    while region in children:
        best = max(children[region], key=lambda at: weight[at])
        if weight[best] <= 0 or weight[best] < settings.descend_share * weight[region]:
            break
        paragraphs = (at for at in children[region] if at != best and walk.containers[at].tag in _TOO_NARROW)
        loose = sum(weight[at] for at in paragraphs) + measures.own[region]
        if loose > settings.max_loose_share * weight[region]:
            break  # the text goes on beside the child: a part of it was only wrapped
        region = best
    while walk.containers[region].tag in _TOO_NARROW:
        region = walk.containers[region].parent
    return _article_around(walk, measures, region, settings.article_share)


def _mark_teasers(walk: Walk, measures: _Measures, region: int, settings: ContentSettings) -> None:
    """Chrome, too: a small part of several linked headings with a line or a picture each."""
    around = {region}
    while region > 0:
        region = walk.containers[region].parent
        around.add(region)
    most = settings.teaser_share * max(measures.weight[at] for at in around if at) if len(around) > 1 else 0.0
    for at, container in enumerate(walk.containers[1:], start=1):
        if measures.chrome[container.parent] == STRONG and measures.chrome[at] != STRONG:
            measures.chrome[at] = measures.chrome[container.parent]
        headings = measures.link_headings[at]
        if headings >= 2 and at not in around and measures.weight[at] <= min(most, _TEASER * headings):
            measures.chrome[at] = STRONG


def _parts(walk: Walk, measures: _Measures, region: int, settings: ContentSettings) -> set[int]:
    """The containers that make up the content: the region and what joins it."""
    weight = measures.weight
    children: dict[int, list[int]] = {}
    for at, container in enumerate(walk.containers[1:], start=1):
        children.setdefault(container.parent, []).append(at)
    parts, at = {region}, region
    least = max(80.0, settings.neighbour_share * weight[region])
    for _ in range(_NEIGHBOURHOOD):
        if at <= 0 or walk.containers[at].tag in NEVER_CHROME:
            break
        above = walk.containers[at].parent
        for sibling in children[above]:
            joins = weight[sibling] >= least and measures.link_share(sibling) < 0.3
            if sibling != at and joins and not measures.link_headings[sibling]:
                parts.add(sibling)
        at = above
    return parts


def _article_around(walk: Walk, measures: _Measures, region: int, share: float) -> int:
    """The outermost `<article>` or `<main>` around the region that holds little else, or the region itself."""
    widest, at = region, region
    while at > 0:
        if walk.containers[at].tag in CONTENT_TAGS and measures.weight[region] >= share * measures.weight[at]:
            widest = at
        at = walk.containers[at].parent
    return widest


def _below(walk: Walk, parts: set[int]) -> list[bool]:
    inside = [False] * len(walk.containers)
    for at, container in enumerate(walk.containers):
        inside[at] = at in parts or (at > 0 and inside[container.parent])
    return inside


def _list_link_shares(walk: Walk, measures: _Measures) -> list[float]:
    """The share of characters in links of the list, table or other part that each container's texts stand in."""
    homes = list(range(len(walk.containers)))
    for at, container in enumerate(walk.containers[1:], start=1):
        if container.tag in _ITEMS and container.parent:
            homes[at] = homes[container.parent]
    return [measures.link_share(home) for home in homes]


def _is_link_list(leaf: Text, link_share: float, max_link_share: float) -> bool:
    return leaf.role != "heading" and leaf.link_chars > max_link_share * len(leaf.text) and link_share > max_link_share
