"""Whether a page is one article, and what its site puts around it: lists of others, offers, how to subscribe."""

import re
from bisect import bisect_left
from collections import Counter

import numpy as np

from pipeline.page.evidence import Floats
from pipeline.page.leaves import Container, Leaf, Text
from pipeline.page.metadata import Metadata
from pipeline.page.prose import ENDS, home_of, is_prose
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk

STORY = 1000  # characters: a page that says less is hardly one, whatever it calls itself
_SIDE_BY_SIDE, _PARAGRAPHS = 0.6, 5  # of the words of a page, in paragraphs of one part, and so many of them
_BODY, _END = 0.85, 0.12  # of what is kept: at least so much stands in one part, and no more than that behind it
#: Of a story what is so likely, and so many characters of it at least; beside it less is doubtful.
_TOLD, _LEAST_TOLD, _UNCLEAR = 0.8, 300, 0.6
_LINE = 60  # characters above a list
_NOTE = re.compile(r"[\[(^*]*\d{1,3}[\])^.:]*\s")  # what a numbered note begins with


def is_article(walk: Walk, metadata: Metadata) -> bool:
    """Whether a page says so, or has one `<article>` that holds more than half of its words."""
    if metadata.says_article or metadata.is_thread or "Product" in metadata.kinds:
        return metadata.says_article
    found = [container for container in walk.containers if container.tag == "article"]
    return len(found) == 1 and _unlinked(walk, found[0]) > 0.5 * _unlinked(walk, walk.containers[0])


def is_of_paragraphs(walk: Walk, metadata: Metadata) -> bool:
    """Whether most words of a page stand in paragraphs side by side: many an article says nowhere that it is one."""
    if metadata.is_thread or "Product" in metadata.kinds:
        return False
    own, paragraphs = Counter[int](), Counter[int]()
    for leaf in filter(is_prose, walk.leaves):
        home = home_of(walk, leaf)
        own[home] += _words(leaf)
        paragraphs[home] += 1
    body, said = next(iter(own.most_common(1)), (0, 0))
    return said >= _SIDE_BY_SIDE * _unlinked(walk, walk.containers[0]) and paragraphs[body] >= _PARAGRAPHS


def leave_out_beside(walk: Walk, texts: list[int], chance: Floats, verdicts: Verdicts) -> None:
    """At the address of a story: what stands outside the part that holds what is clearly of it, unless it is likely
    content, and the lines above.

    A hundred links say more than a short story does, and each by itself may be content, as on the page of a list. But
    all of them are, or none.
    """
    leaves = [leaf for leaf in map(walk.leaves.__getitem__, texts) if isinstance(leaf, Text)]
    linked = np.array([2 * leaf.link_chars > len(leaf.text) for leaf in leaves])
    clear = np.where((chance >= _TOLD) & ~linked, [leaf.said for leaf in leaves], 0.0)
    doubtful = chance < _UNCLEAR
    if clear.sum() < _LEAST_TOLD or not doubtful.any():
        return
    first, last = _body_of(walk, texts, clear)
    heads = False  # whether what stands right behind goes
    for number in range(len(texts) - 1, -1, -1):
        is_inside = first <= texts[number] < last
        heads = not is_inside and bool(doubtful[number] or (heads and _is_line(leaves[number])))
        if heads:
            chance[number] = 0.0
            verdicts[texts[number]] = verdicts[texts[number]] or Verdict("beside")
    _leave_out_pictures_beside(walk, first, last, verdicts)


def _body_of(walk: Walk, texts: list[int], clear: Floats) -> tuple[int, int]:
    """The leaves of the narrowest part that holds nearly all of what is clear: the text in its middle stands there."""
    told = np.concatenate(([0.0], clear.cumsum()))
    at = walk.leaves[texts[int(np.searchsorted(told, told[-1] / 2)) - 1]].container
    while at > 0:
        first, last = walk.containers[at].first, walk.containers[at].last
        if told[bisect_left(texts, last)] - told[bisect_left(texts, first)] >= _BODY * told[-1]:
            return first, last
        at = walk.containers[at].parent
    return 0, len(walk.leaves)


def _leave_out_pictures_beside(walk: Walk, first: int, last: int, verdicts: Verdicts) -> None:
    """Pictures and videos between two texts that go so, or behind the last of the page."""
    media: list[int] = []  # since the last text, if that went
    is_behind = False
    for index, leaf in enumerate(walk.leaves):
        if isinstance(leaf, Text):
            goes = (verdict := verdicts[index]) is not None and verdict.rule == "beside"
            for at in media if goes else ():
                verdicts[at] = verdicts[at] or Verdict("beside")
            is_behind, media = goes, []
        elif is_behind and not first <= index < last:
            media.append(index)
    for at in media:
        verdicts[at] = verdicts[at] or Verdict("beside")


def _is_line(leaf: Text) -> bool:
    """Whether a text is short and no sentence, as what stands above a list is."""
    return leaf.said <= _LINE and leaf.text[-1:] not in ENDS


def leave_out_end(walk: Walk, texts: list[int], chance: Floats, clear: float, verdicts: Verdicts) -> None:
    """Of an article all but a little of which stands in one part: what is kept behind it, but for figures and notes.

    What is at least as likely as `clear` belongs: the rest of a story cut in two. Words in links do not count.
    """
    kept = [number for number, index in enumerate(texts) if verdicts[index] is None]
    sizes, own = Counter[int](), Counter[int]()
    for number in kept:
        leaf = walk.leaves[texts[number]]
        sizes[number] = _words(leaf)
        own[home_of(walk, leaf)] += sizes[number] * is_prose(leaf)
    if not own:
        return
    body = walk.containers[own.most_common(1)[0][0]]
    behind = [number for number in kept if texts[number] >= body.last]
    inside = sum(sizes[number] for number in kept if body.first <= texts[number] < body.last)
    said = sum(sizes[number] for number in behind)
    if not behind or inside < _BODY * sizes.total() or said > _END * sizes.total():
        return
    are_notes = 2 * sum(_is_note(walk.leaves[texts[number]]) for number in behind) >= len(behind)
    if are_notes or np.average(chance[behind], weights=[1 + sizes[number] for number in behind]) >= clear:
        return
    for index in range(body.last, len(walk.leaves)):
        leaf = walk.leaves[index]
        if verdicts[index] is None and (isinstance(leaf, Text) or (leaf.kind == "image" and leaf.figure < 0)):
            verdicts[index] = Verdict("end")


def _is_note(leaf: Leaf) -> bool:
    return isinstance(leaf, Text) and _NOTE.match(f"{leaf.mark}{leaf.text}") is not None


def _unlinked(walk: Walk, container: Container) -> int:
    return sum(map(_words, walk.leaves[container.first : container.last]))


def _words(leaf: Leaf) -> int:
    """How many characters of a leaf stand outside links."""
    return len(leaf.text) - leaf.link_chars if isinstance(leaf, Text) and leaf.link_chars < len(leaf.text) else 0
