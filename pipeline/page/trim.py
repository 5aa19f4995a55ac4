"""What stands at the edges of the main content and is no part of it: its title, its byline, and see `tail`."""

import functools
import re
from collections.abc import Collection

from pipeline.page.leaves import Leaf, Media, Text
from pipeline.page.prose import TITLE_SHARE, home_of, is_prose, is_statement, leads_away, says_sentence, shared
from pipeline.page.tail import leave_out_tail, of_places
from pipeline.page.verdicts import Verdict, Verdicts, Weighed
from pipeline.page.walk import Walk

_BYLINE = 100  # characters
_BESIDE_DAY, _BESIDE_YEAR = 60, 20  # letters of a byline: names and a word or two
_DAYS, _NEAR = 3, 20  # lines with a day that make a list a timeline, and how far around one they are counted
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
#: A day and a year: 18.07.2024, Jul 18, 2024, 3 de octubre de 2014; or a year and a month: 2019-09-26, 2018年12月.
_DAY = re.compile(
    r"(?<!\d)\d\d?\W{0,2}(?:\w{1,3}\W{1,2})?(?:[^\W\d]{3,12}\W{1,2})?(?:\w{1,3}\W)?(?:19|20)\d\d(?!\d\d)"
    r"|(?<!\d)(?:19|20)\d\d(?:[-/.년年] ?|\. )\d"
)
_NUMBER = re.compile(r"\d+")
#: A sentence that has come to its end, not at an abbreviation such as `p.m.`.
_SENTENCE = re.compile(r"(?:\w{5}[.!?…]|[。！？।])[\"”’»)]?$")
TRIMMED = frozenset("title byline tail empty_section".split())  # verdicts by what stands before and behind a text


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
    leave_out_tail(walk, verdicts, kept, prose[-1], weighed)
    lines = (index for index in weighed.likely if is_statement(walk.leaves[index]))
    _leave_out_headings_of_nothing(walk, verdicts, of_places(weighed).intersection(weighed.likely).union(lines))


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
