"""What a page says right below its title: of what it lists, before the list and often in another part than that."""

from itertools import islice

from pipeline.page.cards import link_share
from pipeline.page.leaves import Leaf, Text, titles_of, upward
from pipeline.page.prose import says_sentence
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk

_LEVELS = 3  # up from the title
_TEXTS = 8  # of a head; a part with more is the page
_SENTENCE = 40  # characters
_LISTS = frozenset("archive category catalog collection listing plp tag taxonomy term".split())
#: Verdicts that follow from where a text stands, and not from what it stands in.
_OF_PLACE = frozenset(("outside", "evidence", "teasers"))


def keep_description(walk: Walk, verdicts: Verdicts) -> None:
    """Keeps the sentences in the innermost part around the page's only `<h1>` that says more than it, and in parts that
    are called the description of what it lists."""
    for container in walk.containers:
        words = container.names.words
        if "description" in words and not words.isdisjoint(_LISTS):
            _keep_sentences(walk, range(container.first, container.last), verdicts)
    titles = titles_of(walk.leaves)
    if len(titles) != 1:
        return
    for at in islice(upward(walk.containers, walk.leaves[titles[0]].container), 1, 1 + _LEVELS):
        part = walk.containers[at]
        behind = range(titles[0] + 1, part.last)
        texts = [leaf for leaf in walk.leaves[part.first : part.last] if isinstance(leaf, Text)]
        if len(texts) > _TEXTS or link_share(texts) > 0.5:
            return
        if _keep_sentences(walk, behind, verdicts):
            return


def _keep_sentences(walk: Walk, places: range, verdicts: Verdicts) -> bool:
    """Whether there are any."""
    said = [index for index in places if _is_sentence(walk.leaves[index])]
    for index in said:
        if (verdict := verdicts[index]) and verdict.rule in _OF_PLACE:
            verdicts[index] = None
    return bool(said)


def _is_sentence(leaf: Leaf) -> bool:
    return isinstance(leaf, Text) and leaf.role in ("paragraph", "heading") and says_sentence(leaf, _SENTENCE)
