"""What stands at the edges of the main content and is no part of it: its title, its byline, what follows its end."""

import functools
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pipeline.image.refs import is_image_page
from pipeline.page.blocks import is_block_beside
from pipeline.page.closings import is_closing
from pipeline.page.elements import NARROW
from pipeline.page.leaves import Container, Leaf, Media, Text, children
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk

#: The share of a heading's letters in words of the page's title that make it the title.
TITLE_SHARE = 0.75
_BYLINE = 100  # characters
_BESIDE_DAY, _BESIDE_YEAR = 60, 20  # letters of a byline: names and a word or two
_TAIL = 0.2  # of the characters kept: more are no scraps but items, of a list or a row of figures
_LINE = 30  # characters of a sentence that is set as a heading and needs no section
_STATEMENT_ENDS = (".", "。", "।")
_CLOSINGS = 4  # lines that close a page; more are of items
_LEVELS = 4  # up from the last prose that its row is looked for
_DAYS, _NEAR = 3, 20  # lines with a day that make a list a timeline, and how far around one they are counted
_ROWS = 3  # so many alike siblings are rows
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
#: A day and a year: 18.07.2024, Jul 18, 2024, 3 de octubre de 2014; or a year and a month: 2019-09-26, 2018年12月.
_DAY = re.compile(
    r"(?<!\d)\d\d?\W{0,2}(?:\w{1,3}\W{1,2})?(?:[^\W\d]{3,12}\W{1,2})?(?:\w{1,3}\W)?(?:19|20)\d\d(?!\d\d)"
    r"|(?<!\d)(?:19|20)\d\d(?:[-/.년年] ?|\. )\d"
)
_NUMBER = re.compile(r"\d+")
#: A sentence that has come to its end, not at an abbreviation such as `p.m.`.
_SENTENCE = re.compile(r"(?:\w{5}[.!?…]|[。！？।])[\"”’»)]?$")
_WORD = re.compile(r"\w+")
SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", "…", ":", "”", '"')
ENDS = frozenset(SENTENCE_ENDS)  # each is one character: the last of a text is looked up faster than all are tried
TRIMMED = frozenset("title byline tail empty_section".split())  # verdicts by what stands before and behind a text


class Weighed(NamedTuple):
    """What the evidence said of a page before it is trimmed."""

    changed: bool = False
    """Something is kept, or left out, that the rules did not."""
    likely: Collection[int] = frozenset()
    """Leaves that it takes for content: the address and the hours at the end of a firm's page are no scraps."""
    places: Sequence[Sequence[int]] = ()
    """Leaves that stand at one place of a page's rows: the dates of a list of posts are no bylines."""


def trim(walk: Walk, verdicts: Verdicts, title: str, author: str, weighed: Weighed = Weighed()) -> None:
    """Leaves out, of what is still kept, what stands before the prose and after it and does not belong to it.

    Items of a list read like scraps behind an article: where the evidence has weighed them, texts stay.
    """
    kept = [index for index, verdict in enumerate(verdicts) if verdict is None]
    prose = [index for index in kept if is_prose(leaf := walk.leaves[index]) and not _is_byline(leaf, author)]
    for index in kept if author else ():
        leaf = walk.leaves[index]
        if isinstance(leaf, Media) and leaf.figure < 0 and not {leaf.alt, leaf.title}.isdisjoint(_each_of(author)):
            verdicts[index] = Verdict("author")  # their portrait
    if not prose:
        return
    body = walk.containers[home_of(walk, walk.leaves[prose[0]])]
    head = prose[1] if len(prose) > 1 else 0
    for index in kept:
        leaf = walk.leaves[index]
        if index < prose[0] and verdicts[index] is None:
            verdicts[index] = _of_head(leaf, index >= body.first, title) or _byline(walk, index, author, weighed)
        elif (
            isinstance(leaf, Text)
            and leaf.role == "heading"
            and leaf.link_chars
            and shared(leaf.text, title) >= TITLE_SHARE
        ):
            verdicts[index] = Verdict("title", 1.0)  # over each post of a thread
        elif prose[0] < index < head and verdicts[index] is None:  # under a sentence in bold type
            verdicts[index] = _byline(walk, index, author, weighed)
    behind, body = (
        [index for index in kept if index > prose[-1]],
        _rows_of(walk, walk.containers[home_of(walk, walk.leaves[prose[-1]])]),
    )
    of_items = frozenset(index for place in weighed.places for index in place)
    _leave_out_closings(walk, verdicts, behind)
    _leave_out_tail(walk, verdicts, prose[-1], behind, body, weighed, of_items)
    lines = (index for index in weighed.likely if _is_statement(walk.leaves[index]))
    _leave_out_headings_of_nothing(walk, verdicts, of_items.intersection(weighed.likely).union(lines))


def _of_head(leaf: Leaf, is_inside: bool, title: str) -> Verdict | None:
    """The title is kept as such. A picture outside the body may be a link to elsewhere."""
    if isinstance(leaf, Media):
        return Verdict("head") if leaf.kind == "image" and not is_inside and leads_away(leaf) else None
    share = shared(leaf.text, title) if leaf.role == "heading" else 0.0
    return Verdict("title", share) if share >= TITLE_SHARE else None


def _byline(walk: Walk, index: int, author: str, weighed: Weighed) -> Verdict | None:
    """Author and date are kept as such, but not in a list: where most of what stands at one place of rows says so."""
    leaf = walk.leaves[index]
    if not _is_byline(leaf, author):
        return None
    if isinstance(leaf, Text) and leaf.role == "list" and _is_of_timeline(walk, index):
        return None
    place = next((place for place in weighed.places if index in place), ())
    if place and 2 * sum(_is_byline(walk.leaves[at], author) for at in place) >= len(place):
        return None
    return Verdict("byline", len(leaf.text))


def _is_of_timeline(walk: Walk, index: int) -> bool:
    """Whether a line of a list is one of several that each tell a day."""
    listed = walk.containers[max(0, walk.containers[walk.leaves[index].container].parent)]
    near = walk.leaves[max(listed.first, index - _NEAR) : min(listed.last, index + _NEAR)]
    return listed.tag in ("ul", "ol") and sum(isinstance(leaf, Text) and _is_dated(leaf) for leaf in near) >= _DAYS


def _is_byline(leaf: Leaf, author: str) -> bool:
    if not isinstance(leaf, Text) or leaf.role not in ("paragraph", "list") or leaf.said > _BYLINE:
        return False
    is_signed = bool(author) and any(name in leaf.text for name in _each_of(author))
    may_be_dated = "19" in leaf.text or "20" in leaf.text  # as all years are: few texts need a closer look
    if not (is_signed or may_be_dated) or _SENTENCE.search(leaf.text):
        return False
    return is_signed or _is_dated(leaf)


@functools.lru_cache(maxsize=8)
def _each_of(author: str) -> tuple[str, ...]:
    """A name, or the names that are stated with commas between."""
    return (author, *(name for name in author.split(", ") if " " in name and name != author))


def _is_dated(leaf: Text) -> bool:
    """Whether a line says when, and little else."""
    letters = sum(map(str.isalpha, leaf.text)) * leaf.said / len(leaf.text)
    if _DAY.search(leaf.text):
        return letters <= _BESIDE_DAY
    return letters <= _BESIDE_YEAR and _YEAR.search(leaf.text) is not None and len(_NUMBER.findall(leaf.text)) > 1


def shared(heading: str, title: str) -> float:
    """The share of a heading's letters that stand in words of the title too."""
    words = [word.casefold() for word in _WORD.findall(heading)]
    stated = _words_of(title)
    shared = sum(len(word) for word in words if word in stated)
    return shared / max(1, sum(map(len, words)))


@functools.lru_cache(maxsize=16)
def _words_of(title: str) -> frozenset[str]:
    return frozenset(map(str.casefold, _WORD.findall(title)))


def home_of(walk: Walk, leaf: Leaf) -> int:
    """The part that a paragraph or item and its neighbours stand in."""
    at = leaf.container
    while at > 0 and walk.containers[at].tag in NARROW:
        at = walk.containers[at].parent
    return at


def _rows_of(walk: Walk, body: Container) -> Container:
    """What holds some rows, one of them around the last prose: the others belong to it. The container of that for none.

    Of what can be opened below a text some say a sentence, and some a word.
    """
    part = body
    for _ in range(_LEVELS):
        if part.parent <= 0:
            break
        around = walk.containers[part.parent]
        if part.names.words:
            siblings = map(walk.containers.__getitem__, children(walk.containers, part.parent))
            alike = sum(other.tag == part.tag and other.names.words == part.names.words for other in siblings)
            if alike >= _ROWS:
                return around
        part = around
    return body


def _leave_out_closings(walk: Walk, verdicts: Verdicts, behind: list[int]) -> None:
    """The lines behind the last prose that close a page; where others stand before, or many, they are of items."""
    found = [index for index in behind if verdicts[index] is None and is_closing(walk.leaves[index])]
    if not 0 < len(found) <= _CLOSINGS:
        return
    before = zip(walk.leaves[: behind[0]], verdicts, strict=False)
    if not any(verdict is None and is_closing(leaf) for leaf, verdict in before):
        for index in found:
            verdicts[index] = Verdict("label")


def _leave_out_tail(
    walk: Walk,
    verdicts: Verdicts,
    last_prose: int,
    behind: list[int],
    body: Container,
    weighed: Weighed,
    of_items: Collection[int],
) -> None:
    """Of what is kept behind the last prose of `body`, unless its texts are more than the end of an article."""
    tail = {index: verdict for index in behind if (verdict := _of_tail(walk.leaves[index], index < body.last))}
    if not tail:
        return
    are_items = weighed.changed or _are_much(walk, verdicts, tail)
    heads = _heads_of_sections(walk, behind, tail, of_items)
    last = _last_said(walk, behind, tail) if of_items else -1
    posts = set[int]() if of_items else _posts(walk, weighed.likely)
    for index, verdict in tail.items():
        leaf = walk.leaves[index]
        if isinstance(leaf, Text):
            is_item = are_items
        else:
            is_item = not leads_away(leaf) and (
                index < last or _is_in_one(walk, leaf, posts) or is_block_beside(walk, leaf, last_prose)
            )
        if not is_item and index not in heads and index not in weighed.likely:
            verdicts[index] = verdicts[index] or verdict


def _posts(walk: Walk, said: Collection[int]) -> set[int]:
    """What holds the words of each post, and the part around that which holds those of no other."""
    homes = {home_of(walk, walk.leaves[index]) for index in said}
    around = Counter(walk.containers[home].parent for home in homes)
    return homes.union(at for at, count in around.items() if count == 1)


def _is_in_one(walk: Walk, leaf: Leaf, posts: Collection[int]) -> bool:
    """Whether a picture stands where a post does, or in a box in that: its attachments."""
    at = leaf.container
    for _ in range(_LEVELS):
        if at in posts:
            return True
        at = max(0, walk.containers[at].parent)
    return False


def _are_much(walk: Walk, verdicts: Verdicts, tail: Collection[int]) -> bool:
    return sum(_characters(walk.leaves[index]) for index in tail) > _TAIL * kept_characters(walk, verdicts)


def kept_characters(walk: Walk, verdicts: Verdicts) -> float:
    """How many characters the text that is kept would have in an alphabet."""
    return sum(_characters(leaf) for leaf, verdict in zip(walk.leaves, verdicts, strict=True) if verdict is None)


def _last_said(walk: Walk, behind: list[int], tail: Collection[int]) -> int:
    """The last of what is kept behind the prose that is no scrap: pictures before it are not behind the text."""
    return max((index for index in behind if index not in tail and isinstance(walk.leaves[index], Text)), default=-1)


def _heads_of_sections(walk: Walk, behind: list[int], tail: Collection[int], of_items: Collection[int]) -> set[int]:
    """The headings, of what is kept behind the prose, of a list, a table, code or a sentence that stays.

    And what stands in rows before a sentence of theirs that stays: of each in a team who it is, besides what they do.
    """
    heads: set[int] = set()
    stays, below = False, 0  # the level of the heading that was kept last
    for index in reversed(behind):
        leaf = walk.leaves[index]
        is_item = index in of_items
        if index not in tail:
            is_block = isinstance(leaf, Text) and (leaf.role in ("list", "table", "code") or _is_statement(leaf))
            stays = stays or is_block or is_item
        elif isinstance(leaf, Text) and leaf.role == "heading":
            level = leaf.mark.count("#")
            if stays or below > level:
                heads.add(index)
                below = level
            stays = False
        elif is_item and stays:
            heads.add(index)
    return heads


def _characters(leaf: Leaf) -> float:
    return leaf.said if isinstance(leaf, Text) else 0


def _of_tail(leaf: Leaf, is_inside: bool) -> Verdict | None:
    """After the last prose: pictures that invite to another page, and scraps and pictures outside its container."""
    if isinstance(leaf, Media):
        is_left_out = leaf.kind == "image" and (leads_away(leaf) or not (is_inside or leaf.figure >= 0))
        return Verdict("tail") if is_left_out else None
    is_scrap = leaf.said < 80 and leaf.text[-1:] not in ENDS
    return Verdict("tail") if is_scrap and not is_inside and leaf.role in ("heading", "paragraph") else None


def _leave_out_headings_of_nothing(walk: Walk, verdicts: Verdicts, titles: Collection[int]) -> None:
    """A heading at the end, or one whose section was left out. Items of a list may say no more than their titles."""
    level_behind, index_behind = 0, len(verdicts)  # of what is kept next; 0 for anything but a heading, or the end
    at_end = True
    for index in range(len(verdicts) - 1, -1, -1):
        if verdicts[index] is not None:
            continue
        leaf, level = walk.leaves[index], 0
        if isinstance(leaf, Text) and leaf.role == "heading" and not says_sentence(leaf):
            level = leaf.mark.count("#")
            ends_section = at_end or 0 < level_behind <= level
            is_title = index in titles and not heads_what_goes(verdicts, index)
            if ends_section and not is_title and (at_end or index_behind > index + 1):
                verdicts[index] = Verdict("empty_section")
                continue
        level_behind, index_behind, at_end = level, index, False


def heads_what_goes(verdicts: Verdicts, index: int) -> bool:
    """Whether what stands right behind a heading is other stories or goods, or furniture: then it is one of these."""
    behind = verdicts[index + 1] if index + 1 < len(verdicts) else None
    return behind is not None and behind.rule in ("teasers", "chrome")


def leads_away(leaf: Media) -> bool:
    """Whether an image outside figures is the link to another page, not to a larger copy of it or a page about it."""
    return leaf.figure < 0 and bool(leaf.link) and not is_image_page(leaf.link)


def says_sentence(leaf: Leaf, least: int = 80) -> bool:
    """Whether a text of any kind has so many characters outside links and ends as sentences do.

    Designers set what comes first, or stands alone, as a heading.
    """
    if not isinstance(leaf, Text) or leaf.text[-1:] not in ENDS:
        return False
    return leaf.said - leaf.link_chars >= least


def _is_statement(leaf: Leaf) -> bool:
    """Whether a text is a sentence of some length that neither asks nor calls: a firm's, below its name."""
    return says_sentence(leaf, _LINE) and getattr(leaf, "text", "").endswith(_STATEMENT_ENDS)


def is_prose(leaf: Leaf) -> bool:
    """Whether a leaf is a paragraph or the like of some length outside links."""
    if not isinstance(leaf, Text) or leaf.role == "heading":
        return False
    return leaf.said - 2 * leaf.link_chars >= 80
