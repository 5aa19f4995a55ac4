"""What a recipe or a guide consists of: its ingredients and its steps, which it lists for search engines as well.

They often stand in columns or tabs of their own, lines of a few words beside the prose.
"""

import html
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from pipeline.page.labels import is_label
from pipeline.page.leaves import Container, Text
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk

_LISTED = ("recipeIngredient", "ingredients", "recipeInstructions", "step")
_NAMED = frozenset(("ingredient", "ingredients"))  # by microdata, and by classes
_DEEPEST = 6  # levels of steps in sections
_LONGEST = 50_000  # letters of such lists
_SHARE = 0.6  # of a part is listed: the rest are its heading, amounts and notes
_LEAST = 30  # letters of it
_TAG, _OTHERS = re.compile(r"<[^<>]*>"), re.compile(r"[\W_]+")


def listed(things: list[dict[str, Any]]) -> str:
    """The letters and digits of the ingredients and steps that JSON-LD lists, "" if it lists none."""
    lines = (line for thing in things for name in _LISTED for line in _lines(thing.get(name)))
    said = (_letters(_TAG.sub(" ", html.unescape(line[:_LONGEST]))) for line in lines)
    return "|".join(filter(None, said))[:_LONGEST]


def _lines(said: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, list) and depth < _DEEPEST:
        for part in said:
            yield from _lines(part, depth + 1)
    elif isinstance(said, dict) and depth < _DEEPEST:
        for name in ("text", "itemListElement", "name"):
            yield from _lines(said.get(name), depth + 1)


def _letters(text: str) -> str:
    return _OTHERS.sub("", text).lower()


def keep_recipe(walk: Walk, listed: str, verdicts: Verdicts) -> None:
    """Keeps the parts that consist of what the page lists as ingredients or steps, wherever they stand, and those that
    it names ingredients."""
    named = [container for container in walk.containers if not _NAMED.isdisjoint(container.names.words)]
    if not listed and not named:
        return
    letters = [_letters(leaf.text) if isinstance(leaf, Text) else "" for leaf in walk.leaves]
    told = [len(text) if text in listed else 0 for text in letters]
    end = 0
    for container in named:
        for index in range(max(end, container.first), container.last):
            leaf = walk.leaves[index]
            if isinstance(leaf, Text) and 2 * leaf.link_chars <= len(leaf.text):  # others lead to what is made of these
                told[index] = len(letters[index])
        end = max(end, container.last)
    said = set[str]()
    for index, text in enumerate(letters):
        if (verdict := verdicts[index]) and verdict.rule in ("hidden", "title"):
            letters[index], told[index] = "", 0
        elif text in said:
            told[index] = 0  # a list may stand there twice, for two layouts
        said.add(letters[index])
    for part in _parts(walk, letters, told):
        lost = [at for at in range(part.first, part.last) if letters[at] and verdicts[at] and not _is_label(walk, at)]
        if sum(len(letters[at]) for at in lost) >= _LEAST:
            for at in lost:
                verdicts[at] = None


def _parts(walk: Walk, letters: list[str], told: list[int]) -> Iterator[Container]:
    """The widest parts around what is told of whose letters enough are."""
    all_sums, told_sums = (list(accumulate(counts, initial=0)) for counts in (map(len, letters), told))
    met = set[int]()
    for index in filter(told.__getitem__, range(len(told))):
        at, found = walk.leaves[index].container, 0
        while at > 0 and at not in met:
            first, last = walk.containers[at].first, walk.containers[at].last
            if told_sums[last] - told_sums[first] < _SHARE * (all_sums[last] - all_sums[first]):
                break
            met.add(at)
            found, at = at, walk.containers[at].parent
        if found:
            yield walk.containers[found]


def _is_label(walk: Walk, at: int) -> bool:
    leaf = walk.leaves[at]
    return isinstance(leaf, Text) and is_label(leaf.text)
