"""How much the parts of a page speak for being content: what a container holds is the difference of two sums."""

from functools import cached_property
from itertools import accumulate

from pipeline.page.leaves import Text
from pipeline.page.prose import ENDS
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk


class Sums:
    """Running sums over the leaves, by which the weight of any container is one subtraction."""

    def __init__(self, walk: Walk) -> None:
        self._walk, self._containers = walk, walk.containers
        self._own = [weight_of(leaf) if isinstance(leaf, Text) else 0 for leaf in walk.leaves]
        self._weight = list(accumulate(self._own, initial=0))
        outside = [len(leaf.text) - leaf.link_chars if isinstance(leaf, Text) else 0 for leaf in walk.leaves]
        self._unlinked = list(accumulate(outside, initial=0))

    @cached_property
    def _written(self) -> list[int]:
        written = [len(leaf.text) if isinstance(leaf, Text) else 0 for leaf in self._walk.leaves]
        return list(accumulate(written, initial=0))

    def leave_out(self, chrome: Verdicts) -> None:
        """Chrome weighs nothing from now on."""
        weights = [0 if verdict else own for verdict, own in zip(chrome, self._own, strict=True)]
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
        return self.between(container.first, container.last)

    def between(self, first: int, last: int) -> int:
        """The weight of some leaves, the last excluded."""
        return self._weight[last] - self._weight[first]


def weight_of(leaf: Text) -> int:
    """How much a text speaks for being content: its characters, less those in links; fragments count little."""
    length = len(leaf.text)
    characters = length - 1.5 * leaf.link_chars
    if characters <= 0:
        return 0
    characters *= leaf.said / length
    is_prose = leaf.said >= 80 or leaf.text[-1:] in ENDS
    return int(characters if is_prose else 0.3 * characters)
