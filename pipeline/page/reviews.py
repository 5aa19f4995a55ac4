"""What customers wrote of the product that a page is about, and how a shop sends all that it sells."""

from bisect import bisect_left

from pipeline.page.content_settings import ContentSettings
from pipeline.page.leaves import Leaf, Text, titles_of
from pipeline.page.names import DELIVERY, REVIEWED, SHELF
from pipeline.page.prose import SENTENCE_ENDS
from pipeline.page.walk import Walk
from pipeline.page.weights import Sums

_SENTENCE = 60  # characters


class Reviews:
    """Tells such parts of a page about a product. On other pages `review_share` is 0, and nothing is one."""

    def __init__(self, walk: Walk, sums: Sums, settings: ContentSettings) -> None:
        self._walk, self._sums, self._least = walk, sums, settings.weak_chrome_characters
        self._are_chrome = settings.review_share > 0
        self._titles = titles_of(walk.leaves) if self._are_chrome else []
        self._are_chrome = self._are_chrome and self._share() <= settings.review_share

    def hold(self, at: int) -> bool:
        """Whether a container is one of them.

        How many reviews there are and of how many stars is said in fewer words and no sentence; and where the first of
        headings stands inside, it is the product with its reviews.
        """
        container = self._walk.containers[at]
        if not (self._are_chrome and container.names.is_review):
            return False
        is_told = not container.names.words.isdisjoint((DELIVERY, REVIEWED, SHELF))
        is_short = not is_told and self._sums.weight(at) <= self._least
        if is_short and not any(map(_is_said, self._walk.leaves[container.first : container.last])):
            return False
        return bisect_left(self._titles, container.first) == bisect_left(self._titles, container.last)

    def _share(self) -> float:
        """The share of the page that they hold together: where that is most of it, they are what it is about."""
        found, end = 0.0, 0
        for at in self._walk.flagged:
            if at >= end and self.hold(at):
                found, end = found + self._sums.unlinked(at), self._walk.containers[at].end
        return found


def _is_said(leaf: Leaf) -> bool:
    return isinstance(leaf, Text) and leaf.said >= _SENTENCE and leaf.text.endswith(SENTENCE_ENDS)
