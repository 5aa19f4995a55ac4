"""Blocks of site builders: each paragraph and each picture stands in a part of its own, all of them named alike."""

from itertools import takewhile

from pipeline.page.leaves import Container, Media, upward
from pipeline.page.names import WEAK_NAMES
from pipeline.page.walk import Walk

_PICTURES = 3  # in a block at most: more without words are marks of customers
_ALIKE = 0.5  # of the words of the longer name
#: Names of parts that lie below the text, and of rows of marks.
_OTHERWISE = WEAK_NAMES | frozenset(
    "awards background bg brand brands clients customers logo logos overlay parallax partners pattern sponsors".split()
)


def is_block_beside(walk: Walk, leaf: Media, text: int) -> bool:
    """Whether a picture stands in a block without words beside the block of a text, by its number, or around that."""
    containers = walk.containers
    inside = list(takewhile(lambda at: not _holds(containers[at], text), upward(containers, leaf.container)))
    if not inside:
        return False
    block, around = containers[inside[-1]], containers[inside[-1]].parent
    beside = next((at for at in upward(containers, walk.leaves[text].container) if containers[at].parent == around), -1)
    if beside < 0 or containers[beside].tag != block.tag or not _are_alike(block, containers[beside]):
        return False
    inner = walk.leaves[block.first : min(block.last, block.first + _PICTURES + 1)]
    if len(inner) > _PICTURES or not all(isinstance(leaf, Media) for leaf in inner):
        return False
    return all(containers[at].names.words & _OTHERWISE <= containers[beside].names.words for at in inside)


def _holds(container: Container, index: int) -> bool:
    return container.first <= index < container.last


def _are_alike(some: Container, other: Container) -> bool:
    """Whether two parts share most of the words of their names."""
    shared = len(some.names.plain & other.names.plain)
    return shared > 0 and shared >= _ALIKE * max(len(some.names.plain), len(other.names.plain))
