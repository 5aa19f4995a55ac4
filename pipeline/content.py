"""Which part of a walked page is its main content.

Every text gets a weight: its characters, less those in links. Weights add up the container tree; named chrome counts
nothing, unless it holds most of the page. From the root the search descends while one child holds nearly all the
weight: what it arrives at is the content region. Inside it chrome and link lists are left out.
"""

import msgspec

from pipeline.walk import Leaf, Text, Walk

CHROME_TAGS = frozenset(("nav", "aside", "footer", "form", "menu", "dialog"))
CHROME_NAMES = frozenset(
    "ad ads advert advertisement adsense author avatar banner bio breadcrumb breadcrumbs byline comment comments "
    "consent cookie cookies copyright disqus footer gdpr hatnote infolinks login masthead menu meta mobilenav modal "
    "nav navbar navbox navigation newsletter noprint outbrain pager pagination paywall popular popup promo promos "
    "recirculation recommend recommendations recommended related respond rss search share sharedaddy sharing sidebar "
    "signup skip social sponsor sponsored subscribe subscription taboola tag tags teaser toc toolbar topbar trending "
    "widget widgets".split()
)
CONTENT_TAGS = frozenset(("article", "main"))
_TOO_NARROW = frozenset(
    ("p", "ul", "ol", "li", "dl", "dd", "blockquote", "pre", "td", "tr", "tbody", "figure", "table")
)
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", "…", ":", "”", '"')


class ContentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the content region is found."""

    chrome_share: float = 0.4
    """A container named like chrome is content all the same when it holds more than this share of the page's text."""
    descend_share: float = 0.7
    """The region narrows to a child that holds at least this share of its parent's weight."""
    max_link_share: float = 0.6
    """A list or short block is left out when more than this share of its characters stands in links."""


def content_leaves(walk: Walk, settings: ContentSettings) -> list[Leaf]:
    """The leaves of a page that belong to its main content, in reading order."""
    own = [0.0] * len(walk.containers)
    for leaf in walk.leaves:
        if isinstance(leaf, Text):
            own[leaf.container] += _weight(leaf)
    chrome = _chrome(walk, _subtree_sums(walk, own), settings.chrome_share)
    weights = _subtree_sums(walk, [0.0 if chrome[at] else weight for at, weight in enumerate(own)])
    inside = _below(walk, _region(walk, weights, settings.descend_share))
    links = _link_shares(walk)
    return [
        leaf
        for leaf in walk.leaves
        if inside[leaf.container]
        and not chrome[leaf.container]
        and not (isinstance(leaf, Text) and _is_link_list(leaf, links[leaf.container], settings.max_link_share))
    ]


def _weight(leaf: Text) -> float:
    """How much a text speaks for being content: its characters, less those in links; fragments count little."""
    characters = max(0.0, len(leaf.text) - 1.5 * leaf.link_chars)
    is_prose = len(leaf.text) >= 80 or leaf.text.endswith(_SENTENCE_ENDS)
    return characters if is_prose else 0.3 * characters


def _subtree_sums(walk: Walk, own: list[float]) -> list[float]:
    sums = list(own)
    for at in range(len(sums) - 1, 0, -1):  # a parent stands before its children
        sums[walk.containers[at].parent] += sums[at]
    return sums


def _chrome(walk: Walk, weights: list[float], chrome_share: float) -> list[bool]:
    """For each container, whether it or one above it is chrome."""
    chrome, in_article = [False] * len(weights), [False] * len(weights)
    for at, container in enumerate(walk.containers[1:], start=1):
        above = container.parent
        in_article[at] = in_article[above] or container.tag in CONTENT_TAGS
        named = (
            container.hidden
            or container.tag in CHROME_TAGS
            or (container.tag == "header" and not in_article[above])
            or not CHROME_NAMES.isdisjoint(container.names)
        )
        chrome[at] = chrome[above] or (named and weights[at] <= chrome_share * weights[0])
    return chrome


def _region(walk: Walk, weights: list[float], descend_share: float) -> int:
    children: dict[int, list[int]] = {}
    for at, container in enumerate(walk.containers[1:], start=1):
        children.setdefault(container.parent, []).append(at)
    region = 0
    while region in children:
        best = max(children[region], key=lambda at: weights[at])
        if weights[best] <= 0 or weights[best] < descend_share * weights[region]:
            break
        region = best
    while walk.containers[region].tag in _TOO_NARROW:
        region = walk.containers[region].parent
    return region


def _below(walk: Walk, region: int) -> list[bool]:
    inside = [False] * len(walk.containers)
    for at, container in enumerate(walk.containers):
        inside[at] = at == region or (at > 0 and inside[container.parent])
    return inside


def _link_shares(walk: Walk) -> list[float]:
    """The share of characters in links, of the texts of each container and of those around it up to a list or table."""
    shown, linked = [0.0] * len(walk.containers), [0.0] * len(walk.containers)
    homes = list(range(len(walk.containers)))
    for at, container in enumerate(walk.containers[1:], start=1):
        if container.tag in ("li", "dd", "dt", "tr", "tbody", "td", "p", "span") and container.parent:
            homes[at] = homes[container.parent]
    for leaf in walk.leaves:
        if isinstance(leaf, Text):
            shown[homes[leaf.container]] += len(leaf.text)
            linked[homes[leaf.container]] += leaf.link_chars
    return [linked[home] / shown[home] if shown[home] else 0.0 for home in homes]


def _is_link_list(leaf: Text, link_share: float, max_link_share: float) -> bool:
    return leaf.role != "heading" and leaf.link_chars > max_link_share * len(leaf.text) and link_share > max_link_share
