"""What a page says of what it is about, often in another part than the rest: below its title, or as its description."""

from collections.abc import Iterable
from itertools import islice

from pipeline.page.cards import link_share
from pipeline.page.content import upward
from pipeline.page.leaves import Leaf, Text, titles_of
from pipeline.page.trim import says_sentence
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk

_LEVELS = 3  # up from the title
_TEXTS = 8  # of a head; a part with more is the page
_SENTENCE = 40  # characters
_LONGER = 2  # times what a page states, which may be cut off: a text that says more than that is another
#: Verdicts that follow from where a text stands, and not from what it stands in.
_OF_PLACE = frozenset(("outside", "evidence", "teasers"))


def keep_description(walk: Walk, verdicts: Verdicts) -> None:
    """Keeps the sentences in the innermost part around the page's only `<h1>` that says more than it."""
    titles = titles_of(walk.leaves)
    if len(titles) != 1:
        return
    for at in islice(upward(walk, walk.leaves[titles[0]].container), 1, 1 + _LEVELS):
        part = walk.containers[at]
        behind = range(titles[0] + 1, part.last)
        texts = [leaf for leaf in walk.leaves[part.first : part.last] if isinstance(leaf, Text)]
        if len(texts) > _TEXTS or link_share(texts) > 0.5:
            return
        said = [index for index in behind if _is_sentence(walk.leaves[index])]
        if said:
            for index in said:
                if (verdict := verdicts[index]) and verdict.rule in _OF_PLACE:
                    verdicts[index] = None
            return


def keep_stated(walk: Walk, descriptions: Iterable[str], verdicts: Verdicts) -> None:
    """Keeps the text that the page also states as its description, unless another that is kept says so.

    Newspapers show the first lines of a story between title and picture, outside the part of the story.
    """
    stated = [said for text in descriptions if len(said := text.rstrip(" .…")) >= _SENTENCE]
    if not stated:
        return
    found = [index for index, leaf in enumerate(walk.leaves) if _is_one_of(leaf, stated)]
    reasons = [verdicts[index] for index in found]
    if None not in reasons:
        for index in [index for index, why in zip(found, reasons, strict=True) if why and why.rule in _OF_PLACE][:1]:
            verdicts[index] = None


def _is_one_of(leaf: Leaf, stated: list[str]) -> bool:
    """Whether a text says what one of some says, or little more; where it was written may stand before."""
    if not isinstance(leaf, Text) or leaf.role == "heading" or len(leaf.text) < _SENTENCE:
        return False
    text = leaf.text
    return any((said in text and len(text) <= _LONGER * len(said)) or text in said for said in stated)


def _is_sentence(leaf: Leaf) -> bool:
    return isinstance(leaf, Text) and leaf.role == "paragraph" and says_sentence(leaf, _SENTENCE)
