"""How much a text repeats itself: Gopher's measures (Rae et al. 2021, table A1), each a share of characters or lines.

Words become integers once; n-grams are then rows of a matrix, so that ten measures cost little more than one.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def duplicate_shares(parts: Sequence[str]) -> tuple[float, float]:
    """Of lines or paragraphs: the share that repeats an earlier one, and the share of characters in those."""
    if not parts:
        return 0.0, 0.0
    repeated = {part: count - 1 for part, count in Counter(parts).items() if count > 1}
    characters = sum(len(part) * extra for part, extra in repeated.items())
    return sum(repeated.values()) / len(parts), characters / max(1, sum(map(len, parts)))


class Ngrams:
    """The words of a text, ready for n-gram measures. Lengths count characters of words, without spaces."""

    def __init__(self, words: Sequence[str]) -> None:
        numbers: dict[str, int] = {}
        ids = [numbers.setdefault(word, len(numbers)) for word in words]
        self._numbered: list[NDArray[np.int64]] = [np.array(ids, dtype=np.int64)]  # of n-grams, for n = 1, 2, ...
        self._lengths: NDArray[np.int64] = np.array([len(word) for word in words], dtype=np.int64)
        self._characters = int(self._lengths.sum())

    def top_share(self, n: int) -> float:
        """Characters in the occurrences of the most frequent n-gram, over all; 0 if none occurs twice."""
        inverse, counts = self._grams(n)
        if not len(counts) or counts.max() < 2:
            return 0.0
        sums = np.concatenate(([0], np.cumsum(self._lengths)))
        lengths = np.zeros(len(counts), dtype=np.int64)
        lengths[inverse] = sums[n:] - sums[:-n]
        most = counts.max()
        return float(most * lengths[counts == most].max()) / max(1, self._characters)

    def duplicate_share(self, n: int) -> float:
        """Characters of words in n-grams that occurred before, over all; a word counts once however many cover it."""
        inverse, counts = self._grams(n)
        if not len(counts) or counts.max() < 2:
            return 0.0
        first = np.full(len(counts), -1, dtype=np.int64)
        first[inverse[::-1]] = np.arange(len(inverse))[::-1]
        starts = np.flatnonzero(first[inverse] < np.arange(len(inverse)))
        covered = np.zeros(len(self._lengths), dtype=bool)
        for offset in range(n):
            covered[starts + offset] = True
        return float(self._lengths[covered].sum()) / max(1, self._characters)

    def _grams(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each position the number of the n-gram that starts there, and for each number how often it occurs."""
        while len(self._numbered) < n:
            size = len(self._numbered)
            shorter, following = self._numbered[-1][:-1], self._numbered[0][size:]
            pairs = shorter * (self._numbered[0].max(initial=0) + 1) + following
            _, numbers = np.unique(pairs, return_inverse=True)  # small again, so the next product cannot overflow
            self._numbered.append(numbers)
        return self._numbered[n - 1], np.bincount(self._numbered[n - 1])
