"""What a site writes behind each of its articles: offers, who it is, how to subscribe."""

from collections import Counter

import numpy as np

from pipeline.page.evidence import Floats
from pipeline.page.leaves import Media, Text
from pipeline.page.trim import home_of, is_prose
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk

_BODY, _END = 0.85, 0.12  # of what is kept: at least so much stands in one part, and no more than that behind it
_CLEAR = 0.9  # how likely what follows such a part is content that belongs to it: the rest of a story cut in two


def leave_out_end(walk: Walk, texts: list[int], chance: Floats, verdicts: Verdicts) -> None:
    """Of an article all but a little of which stands in one part: what is kept behind it, but for figures.

    Words in links do not count.
    """
    kept = [number for number, index in enumerate(texts) if verdicts[index] is None]
    sizes, own = Counter[int](), Counter[int]()
    for number in kept:
        leaf = walk.leaves[texts[number]]
        if isinstance(leaf, Text):
            sizes[number] = len(leaf.text) - leaf.link_chars
            own[home_of(walk, leaf)] += len(leaf.text) * is_prose(leaf)
    if not own:
        return
    body = walk.containers[own.most_common(1)[0][0]]
    behind = [number for number in kept if texts[number] >= body.last]
    inside = sum(sizes[number] for number in kept if body.first <= texts[number] < body.last)
    said = sum(sizes[number] for number in behind)
    if not behind or inside < _BODY * sizes.total() or said > _END * sizes.total():
        return
    if np.average(chance[behind], weights=[1 + sizes[number] for number in behind]) >= _CLEAR:
        return
    for index in range(body.last, len(walk.leaves)):
        leaf = walk.leaves[index]
        if verdicts[index] is None and (isinstance(leaf, Text) or _is_loose(leaf)):
            verdicts[index] = Verdict("tail")


def _is_loose(leaf: Media) -> bool:
    return leaf.kind == "image" and leaf.figure < 0
