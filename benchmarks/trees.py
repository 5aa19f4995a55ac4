"""Boosted trees in numpy, each of which asks the same few questions of every row: small, quick, always the same."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


class Trees(msgspec.Struct):
    """For each tree the columns it asks of, the limits, and the number that each set of answers adds."""

    base: float
    questions: list[list[int]]
    limits: list[list[float]]
    answers: list[list[float]]


class Learning(msgspec.Struct, frozen=True):
    """How trees are learnt; chosen by cross-validation over domains."""

    trees: int = 100
    depth: int = 4
    rate: float = 0.08
    calm: float = 60.0  # added to the curvature of every answer: the higher, the closer to 0 it stays
    columns: float = 0.25  # the share that a tree may ask of
    rows: float = 0.5  # the share that it is learnt from
    limits: int = 48  # of a column that are tried
    seed: int = 0


def learn(rows: Floats, truth: Floats, weights: Floats, how: Learning) -> Trees:
    """Trees whose sum is the logarithm of the odds that `truth` is 1."""
    chosen = np.random.default_rng(how.seed)
    edges = [_edges(rows[:, column], how.limits) for column in range(rows.shape[1])]
    binned = np.stack([np.searchsorted(edge, rows[:, at]) for at, edge in enumerate(edges)]).astype(np.uint8)
    base = float(np.log((weights * truth).sum() / (weights * (1 - truth)).sum()))
    scores = np.full(len(rows), base)
    trees = Trees(base, [], [], [])
    for _ in range(how.trees):
        chance = 1 / (1 + np.exp(-scores))
        slopes, curves = weights * (truth - chance), weights * chance * (1 - chance) + 1e-9
        some = np.flatnonzero(chosen.random(len(rows)) < how.rows)
        columns = chosen.choice(len(edges), max(1, int(how.columns * len(edges))), replace=False)
        asked = _questions(binned[:, some], columns, edges, slopes[some], curves[some], how)
        size = 1 << how.depth
        here = _answered(binned[:, some], asked)
        answers = np.bincount(here, slopes[some], size) / (np.bincount(here, curves[some], size) + how.calm)
        scores += how.rate * answers[_answered(binned, asked)]
        trees.questions.append([column for column, _ in asked])
        trees.limits.append([round(float(edges[column][limit]), 5) for column, limit in asked])
        trees.answers.append([round(how.rate * float(answer), 5) for answer in answers])
    return trees


def chances(trees: Trees, rows: Floats) -> Floats:
    """The same as `pipeline.page.scorer.chances`, of these trees."""
    scores = np.full(len(rows), trees.base)
    for questions, limits, answers in zip(trees.questions, trees.limits, trees.answers, strict=True):
        at = np.zeros(len(rows), int)
        for column, limit in zip(questions, limits, strict=True):
            at = 2 * at + (rows[:, column] > np.float32(limit))
        scores += np.array(answers)[at]
    return np.asarray(1 / (1 + np.exp(-scores)))


def _edges(values: Floats, most: int) -> Floats:
    """Limits between the values of a column."""
    distinct = np.unique(values)
    if len(distinct) <= most:
        return np.asarray((distinct[1:] + distinct[:-1]) / 2)
    return np.unique(np.quantile(values, np.linspace(0, 1, most + 1)[1:-1]))


def _questions(
    binned: Floats, columns: Floats, edges: list[Floats], slopes: Floats, curves: Floats, how: Learning
) -> list[tuple[int, int]]:
    """The questions of one tree, each the one that parts all rows best after those before it."""
    asked: list[tuple[int, int]] = []
    here, bins = np.zeros(binned.shape[1], int), how.limits + 1
    for level in range(how.depth):
        parts, best = 1 << level, (-1.0, 0, 0)
        for column in columns:
            if not len(edges[column]):
                continue
            key = here * bins + binned[column]
            slope = np.bincount(key, slopes, parts * bins).reshape(parts, bins)
            curve = np.bincount(key, curves, parts * bins).reshape(parts, bins)
            low, low_curve = slope.cumsum(1)[:, :-1], curve.cumsum(1)[:, :-1]
            high, high_curve = slope.sum(1, keepdims=True) - low, curve.sum(1, keepdims=True) - low_curve
            gains = (low**2 / (low_curve + how.calm) + high**2 / (high_curve + how.calm)).sum(0)
            limit = int(gains[: len(edges[column])].argmax())
            best = max(best, (float(gains[limit]), int(column), limit))
        asked.append(best[1:])
        here = 2 * here + (binned[best[1]] > best[2])
    return asked


def _answered(binned: Floats, asked: list[tuple[int, int]]) -> Floats:
    at = np.zeros(binned.shape[1], int)
    for column, limit in asked:
        at = 2 * at + (binned[column] > limit)
    return at
