"""What stands below a text or a product and is no part of it, where no name says so but the heading above it does.

That is what readers wrote of an article, and customers of a product; other products or stories; how all goods of a shop
are sent.
"""

import re
from collections import Counter
from functools import cache
from itertools import islice

from pipeline.page.elements import NEVER_CHROME
from pipeline.page.leaves import Container, Leaf, Text, children
from pipeline.page.names import DELIVERY, FACTS, REVIEWED, SHELF, Names
from pipeline.text.words import phrase_list

_HEADING = 60  # characters; a longer one says more than what follows
_ON = 300  # characters of a heading that names what the comments are on: 3 thoughts on “The bridges of the town”
_QUOTE, _ENDS = re.compile('[“„«「『‘"]'), '”“»」』’"'  # around that
_MOST = 40  # such headings are looked at
_NO_WORDS = re.compile(r"[\W\d_]+")
_ITEMS = frozenset(("li", "div", "article", "section"))
#: What a part is named by its heading, by the list of phrases that has it.
_NAMES = {
    "comments": "comments",
    "reviews": "reviews",
    "related": "related",
    "delivery": DELIVERY,
    "shelves": SHELF,
    "facts": FACTS,
}
#: What shops write above them often is a heading to the eye only: a line, or what opens them.
_BY_LINES = ("reviews", "related", "delivery", "shelves", "facts")
#: What stands between such a phrase and the name of a product, as in Reviews of the Boot.
_BETWEEN = frozenset(
    "a about al all das de dei del della den der des di die do du el for für he la le les los of on our per para "
    "pour su sur the this to über van von voor zu zum zur о об на для".split()
)

#: What a heading of others may say around its phrase: Explore other related products near you.
_OF_OTHERS = re.compile(r"\b(?:similar|related|recommended)\b")
_BEFORE_OTHERS = re.compile(
    r"^(?:(?:our|your|my|more|some|other|others|nearby|all|top|the|these|view|see|explore|browse|discover|shop|check|out|"
    r"find|compare) )+"
)
_BEHIND_OTHERS = re.compile(
    r" (?:for you|near you|near me|near here|nearby|in your area|in this area|(?:(?:that|which) )?(?:you )?"
    r"(?:may|might|could|ll|will) (?:also )?(?:like|love|enjoy|want|interest you|be interested in|be of interest))$"
)
#: What is alike is another, whatever it is: similar homes.
_SIMILAR = re.compile(r"similar \w+(?: \w+)?")


def headed_comments(containers: list[Container], leaves: list[Leaf], facts: list[int]) -> list[int]:
    """The containers that begin with a heading that announces such: it is their name from now on.

    Those of facts keep their names and are added to `facts`.

    A manual may have a chapter of that name: where the heading counts nothing, several alike parts must stand below it,
    but for terms of delivery, which are chrome only beside a product.
    """
    found: list[int] = []
    end = 0
    title = _words(next((leaf.text for leaf in leaves if isinstance(leaf, Text) and leaf.mark == "# "), ""))
    announced = ((at, kind) for at, leaf in enumerate(leaves) if (kind := _announced(leaf, title)))
    for index, kind in islice(announced, _MOST):
        if index < end:
            continue
        at, title_at = _headed_by(containers, leaves, index, kind), 0
        if at <= 0 and kind != "comments":
            at, title_at = _opened_by(containers, leaves, index)
        if at <= 0:
            continue
        if kind == "facts":
            facts.append(at)
            continue
        is_counted = kind not in ("related", "shelves") and any(map(str.isdigit, getattr(leaves[index], "text", "")))
        name = _NAMES[kind]
        if not (kind == "delivery" or is_counted or _holds_items(containers, at)):
            if kind != "reviews":
                continue
            name = REVIEWED
        for part in filter(None, (title_at, at)):
            names = containers[part].names
            containers[part].names = Names(names.words | {name}, names.is_hidden)
            found.append(part)
        end = containers[at].last
    return found


def announces_others(leaf: Leaf) -> bool:
    """Whether a text is the heading of other products or stories."""
    return _announced(leaf, frozenset()) == "related"


def _announced(leaf: Leaf, title: frozenset[str]) -> str:
    """The list of phrases that a heading is of; "" for any other text."""
    if not isinstance(leaf, Text):
        return ""
    if leaf.role == "heading" and len(leaf.text) <= _ON and (outside := _outside_quotes(leaf.text)):
        return kind_of(outside, ("comments",))
    if len(leaf.text) > _HEADING:
        return ""
    if leaf.role == "paragraph" or (leaf.role == "list" and not leaf.mark):  # a term that is defined
        kind = kind_of(leaf.text, _BY_LINES)
        return "" if kind and any(map(str.isdigit, leaf.text)) else kind
    if leaf.role != "heading":
        return ""
    if kind := kind_of(leaf.text):
        return kind
    words = _NO_WORDS.sub(" ", leaf.text).lower().split()
    others = [word for word in words if word not in title]
    if len(others) == len(words):
        return ""
    while others and others[-1] in _BETWEEN:
        others.pop()
    return kind_of(" ".join(others), ("reviews", "related", "facts"))


def _outside_quotes(heading: str) -> str:
    """What stands around the quoted part of a heading; "" if it quotes nothing."""
    if not (quote := _QUOTE.search(heading)):
        return ""
    first, last = quote.start(), max(map(heading.rfind, _ENDS))
    return f"{heading[:first]} {heading[last + 1 :]}".strip() if first < last else ""


def name_of_headed(said: str) -> str:
    """What the title of a tab says that beside a product is no part of it; "" for anything else."""
    kind = kind_of(said, ("reviews", "delivery", "shelves", "related", "facts")) if len(said) <= _HEADING else ""
    return {"": "", "delivery": DELIVERY, "reviews": REVIEWED, "facts": FACTS}.get(kind, SHELF)


def kind_of(heading: str, kinds: tuple[str, ...] = tuple(_NAMES)) -> str:
    """The first list that has a phrase, whatever stands around and between its words; "" for none."""
    said, known = _NO_WORDS.sub(" ", heading).strip().lower(), _phrases(kinds)
    if (kind := known.get(said, "")) or "related" not in kinds or not _OF_OTHERS.search(said):
        return kind
    said = _BEHIND_OTHERS.sub("", _BEFORE_OTHERS.sub("", said))
    return "related" if _SIMILAR.fullmatch(said) else known.get(said, "")


@cache
def _phrases(kinds: tuple[str, ...]) -> dict[str, str]:
    """By each phrase of some lists the first that has it."""
    return {phrase: kind for kind in reversed(kinds) for phrase in phrase_list(kind)}


def _words(text: str) -> frozenset[str]:
    return frozenset(_NO_WORDS.sub(" ", text).lower().split())


def _opened_by(containers: list[Container], leaves: list[Leaf], index: int) -> tuple[int, int]:
    """The container behind one that holds nothing but a leaf, and that, where such pairs follow each other; 0 for none.

    That is how tabs and lists of terms are written.
    """
    title = leaves[index].container
    while title > 0 and containers[title].last == index + 1:
        part, body = containers[title], containers[title].end
        if body < len(containers) and containers[body].parent == part.parent:
            alike = [
                at
                for at in children(containers, part.parent)
                if containers[at].tag == part.tag and containers[at].names.words == part.names.words
            ]
            is_next = containers[body].first == index + 1 and body not in alike
            is_pair = is_next and len(alike) > 1 and containers[body].tag not in NEVER_CHROME
            return (body, title) if is_pair else (0, 0)
        title = part.parent
    return 0, 0


def _headed_by(containers: list[Container], leaves: list[Leaf], index: int, kind: str) -> int:
    """The widest container that begins with a leaf, and holds more, but no other section; 0 for none.

    Of facts the narrowest that says something: what a mistake leaves out elsewhere it would keep here.
    """
    found, at = 0, leaves[index].container
    last = len(leaves) if kind == "comments" else _end_of_section(leaves, index, kind == "related")
    while at > 0 and containers[at].first == index and containers[at].tag not in NEVER_CHROME:
        if index + 1 < containers[at].last <= last:
            found = at
            if kind == "facts" and _says(leaves[index + 1 : containers[at].last]):
                break  # what stands around it may hold more than that
        at = containers[at].parent
    return found


def _says(leaves: list[Leaf]) -> bool:
    return sum(len(leaf.text) for leaf in leaves if isinstance(leaf, Text)) > _HEADING


def _end_of_section(leaves: list[Leaf], index: int, lists_others: bool) -> int:
    """The leaf at which the next section of the same level begins: of others the titles may be set larger than what
    announces them."""
    level = _level(leaves[index])
    behind = (at for at in range(index + 1, len(leaves)) if 0 < _level(leaves[at]) <= level)
    return next((at for at in behind if not (lists_others and _is_link(leaves[at]))), len(leaves))


def _is_link(leaf: Leaf) -> bool:
    return isinstance(leaf, Text) and 2 * leaf.link_chars > len(leaf.text)


def _level(leaf: Leaf) -> int:
    return leaf.mark.count("#") if isinstance(leaf, Text) and leaf.role == "heading" else 0


def _holds_items(containers: list[Container], at: int) -> bool:
    inside = containers[at + 1 : containers[at].end]
    rows = Counter((part.parent, part.tag) for part in inside if part.tag in _ITEMS and part.last > part.first)
    return max(rows.values(), default=0) > 1
