"""Samples of a run's shards that are dropped: the first are named, all are counted by reason."""

from collections import Counter
from collections.abc import Callable, Mapping

import torch

from schemas.drops import DropRow
from schemas.reasons import REASONS

#: How the names of counters begin that say of what reason so many were dropped.
COUNTED = "dropped/"
_NAMED = 5


class Dropped:
    """What a loader calls with each sample that it drops."""

    def __init__(self, on_message: Callable[[str], None]) -> None:
        self._on_message, self._counts, self._named = on_message, Counter[str](), 0

    def __call__(self, row: DropRow) -> None:
        self._counts[row.reason] += 1
        if self._named < _NAMED:
            self._named += 1
            self._on_message(": ".join(filter(None, (f"dropped {row.url}", row.reason, row.detail))))
            if self._named == _NAMED:
                self._on_message("more that is dropped is counted, and not named")

    def take(self) -> torch.Tensor:
        """How many since the last time, for each of `REASONS`: processes can add these up."""
        counts = torch.tensor([self._counts[reason] for reason in REASONS], dtype=torch.float64)
        self._counts.clear()
        return counts


def by_reason(counts: torch.Tensor) -> dict[str, float]:
    """Of what `take` gave, what there is of."""
    return {reason: count for reason, count in zip(REASONS, counts.tolist(), strict=True) if count}


def dropped_of(counted: Mapping[str, float]) -> dict[str, int]:
    """What a run's counters, or their names in its metrics, say of it."""
    return {name.rpartition(COUNTED)[2]: int(count) for name, count in counted.items() if COUNTED in name and count}
