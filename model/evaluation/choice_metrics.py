"""Scores of given answers by how likely the model finds each: top-1, NDCG, area under the ROC curve, mWAP.

Shapes: Q queries, C candidates of a query. Likelihoods are logarithms; only their order counts, but for `roc_auc`,
which compares the difference of two.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from model.evaluation.formats.choices import HARD_NEGATIVE, NEGATIVE, POSITIVE
from model.evaluation.items import Item

Floats = npt.NDArray[np.float64]


class Judged(msgspec.Struct, frozen=True):
    """Of each query a score; of all together the one that counts, and its standard error."""

    scores: list[float]
    score: float
    error: float


def mean_of(scores: Sequence[float]) -> Judged:
    return Judged(list(scores), float(np.mean(scores)), float(np.std(scores) / np.sqrt(len(scores))))


def top_1(likelihoods: Sequence[Floats], items: Sequence[Item], candidates: Sequence[Sequence[str]]) -> Judged:
    """1 where the likeliest is one of the answers."""
    good = [{answer.strip() for answer in item.answers} for item in items]
    said = [known[int(one.argmax())].strip() for one, known in zip(likelihoods, candidates, strict=True)]
    return mean_of([float(text in right) for text, right in zip(said, good, strict=True)])


def ndcg(likelihoods: Sequence[Floats], items: Sequence[Item], candidates: Sequence[Sequence[str]]) -> Judged:
    """As VisDial has it: of as many candidates as have any relevance; of equals the first counts as likelier."""
    scores = []
    for one, item in zip(likelihoods, items, strict=True):
        relevance = np.array(item.relevance)
        count = int((relevance != 0).sum())
        discounts = np.log2(np.arange(count) + 2)
        ranked = np.argsort(-one, kind="stable")[:count]
        best = np.sort(relevance)[::-1][:count]
        scores.append(float((relevance[ranked] / discounts).sum() / (best / discounts).sum()) if count else 0.0)
    return mean_of(scores)


def roc_auc(likelihoods: Sequence[Floats], items: Sequence[Item], candidates: Sequence[Sequence[str]]) -> Judged:
    """Of how much likelier the first of two candidates is; half where two queries tie. Error by Hanley and McNeil.

    Raises `ValueError` where all queries have one answer.
    """
    margins = np.array([one[0] - one[1] for one in likelihoods])
    positive = np.array([known[0] in item.answers for known, item in zip(candidates, items, strict=True)])
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        raise ValueError("roc_auc needs queries of both classes")
    below = np.sort(margins[~positive])
    wins = np.searchsorted(below, margins[positive], "left") + np.searchsorted(below, margins[positive], "right")
    area = float(wins.sum() / (2 * many * few))
    of_two, of_another = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (many - 1) * (of_two - area**2) + (few - 1) * (of_another - area**2)
    return Judged(margins.tolist(), area, float(np.sqrt(max(0.0, spread) / (many * few))))


def mwap(likelihoods: Sequence[Floats], items: Sequence[Item], candidates: Sequence[Sequence[str]]) -> Judged:
    """RareAct's mean of weighted average precisions over the actions that anything shows (arXiv 2008.01018).

    Rows of one video share a weight of 1 among the positives, the negatives and the hard negatives of an action. A
    query's own score is whether it is positive for its action; the error is that over actions.
    """
    table_QC = np.stack(likelihoods)
    counts_QC = np.array([item.relevance for item in items])
    sources = np.array([item.source for item in items])
    found = []
    for action in range(table_QC.shape[1]):
        groups = [np.flatnonzero(counts_QC[:, action] == kind) for kind in (POSITIVE, NEGATIVE, HARD_NEGATIVE)]
        if len(groups[0]):
            weights = np.concatenate([_shared(sources[group]) for group in groups])
            labels = np.concatenate([np.full(len(group), n == 0) for n, group in enumerate(groups)])
            found.append(average_precision(labels, table_QC[np.concatenate(groups), action], weights))
    if not found:
        raise ValueError("mwap needs a query that shows its action")
    of_actions = mean_of(found)
    return Judged([float(POSITIVE in item.relevance) for item in items], of_actions.score, of_actions.error)


def _shared(sources: npt.NDArray[np.str_]) -> Floats:
    count = Counter(sources.tolist())
    return np.array([1.0 / count[source] for source in sources.tolist()])


def average_precision(labels: npt.NDArray[np.bool_], scores: Floats, weights: Floats) -> float:
    """Over all thresholds the gain of recall times the precision, what ties taken together."""
    order = np.argsort(-scores, kind="stable")
    hits, all_ = np.cumsum((weights * labels)[order]), np.cumsum(weights[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return float((np.diff(hits[last], prepend=0.0) / hits[-1] * hits[last] / all_[last]).sum())


CHOICE_METRICS = {"classification": top_1, "ndcg": ndcg, "roc_auc": roc_auc, "mwap": mwap}
