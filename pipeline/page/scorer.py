"""The learnt part of the extraction: how likely each text of a page is content, and which of them to keep.

`scorer.json` holds what `benchmarks/content_model.py` learnt: small trees over the columns of `pipeline.page.evidence`.
A tree asks the same few questions of every text, whether a column is more than a limit, and the answers together choose
the number that it adds to the text's score.
"""

import functools
from collections.abc import Iterable
from importlib.resources import files

import msgspec
import numpy as np

from pipeline.page.evidence import Floats

_LEAST = 1e-9


class Scorer(msgspec.Struct, frozen=True):
    """`questions` and `limits` have a row a tree; `answers` a row a tree of one number for each set of answers."""

    columns: list[str]
    typical: list[float]  # of a kept text: the median of each column
    base: float
    questions: list[list[int]]
    limits: list[list[float]]
    answers: list[list[float]]


class _Trees:
    """The same as arrays."""

    def __init__(self, scorer: Scorer) -> None:
        self.base, self.typical = scorer.base, np.array(scorer.typical, np.float32)
        questions = np.array(scorer.questions)
        self.trees, self.depth = questions.shape
        self.asked = np.unique(questions)
        self.questions = questions.T.ravel()  # the first question of every tree, then the second
        self.limits = np.array(scorer.limits, np.float32).T.reshape(-1, 1)
        self.answers = np.array(scorer.answers, np.float32).ravel()
        self.first = (np.arange(self.trees) << self.depth).astype(np.int32)[:, None]


@functools.cache
def scorer() -> Scorer:
    return msgspec.json.decode((files("pipeline.page") / "scorer.json").read_bytes(), type=Scorer)


@functools.cache
def _trees() -> _Trees:
    return _Trees(scorer())


def chances(rows: Floats) -> Floats:
    """For each row of evidence how likely its text is content."""
    trees = _trees()
    columns = np.ascontiguousarray(rows.T)  # then a question is asked of all texts at once
    asked = columns.take(trees.questions, axis=0)
    answered = (asked > trees.limits).view(np.uint8).reshape(trees.depth, trees.trees, len(rows))
    at = answered[0]  # of at most eight questions: the number of a set of answers fits a byte
    for further in answered[1:]:
        at = 2 * at + further
    scores = trees.base + trees.answers.take(at + trees.first).sum(0)
    return np.asarray(1 / (1 + np.exp(-scores)))


def alike(chance: Floats, sizes: Floats, places: Iterable[list[int]]) -> Floats:
    """The chances, one for all texts of a place: the mean of the logarithms of their odds, long texts weighing more.

    What stands at one place of a thread's posts is content in all of them or in none, wherever on the page they are.
    """
    odds = np.log(chance + _LEAST) - np.log(1 - chance + _LEAST)
    weights = np.sqrt(sizes)
    for texts in map(np.array, places):
        counted = weights[texts]
        odds[texts] = np.add.reduce(odds[texts] * counted) / np.add.reduce(counted)
    return np.asarray(1 / (1 + np.exp(-odds)))


def choose(chance: Floats, sizes: Floats) -> tuple[Floats, float]:
    """Which texts to keep so that F1 is likely the highest, and the F1 that is to be expected.

    Kept are those of at least some chance. How high that must be depends on the page: where all is clear, a text of
    little chance spoils more than it adds.
    """
    order = np.argsort(-chance, kind="stable")
    found = np.cumsum((chance * sizes)[order])
    expected = 2 * found / (np.cumsum(sizes[order]) + found[-1] + 1e-9)
    best = int(expected.argmax())
    kept = np.zeros(len(chance), bool)
    kept[order[: best + 1]] = True
    return kept, float(expected[best])


def expected_f1(kept: Floats, chance: Floats, sizes: Floats) -> float:
    """The F1 to be expected of a choice."""
    likely = chance * sizes
    return float(2 * likely[kept].sum() / (sizes[kept].sum() + likely.sum() + 1e-9))


def telling(row: Floats, chance: float) -> tuple[str, float]:
    """The column that speaks most against a text, and its value: as in a typical kept text, the chance were highest."""
    trees, names = _trees(), scorer().columns
    asked = [column for column in trees.asked if not names[column].startswith("page:")]
    tried = np.repeat(row[None], len(asked), 0)
    tried[np.arange(len(asked)), asked] = trees.typical[asked]
    best = int((chances(tried) - chance).argmax())
    return names[asked[best]], float(row[asked[best]])
