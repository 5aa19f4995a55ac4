"""A review: a random sample of a dataset, judged one by one, and the precision that follows."""

import math

import msgspec

from jobs.dataset.index import Index, QueryError
from jobs.view.flags import BAD, GOOD, Flags
from jobs.view.walk import Place

_Z = 1.959964  # of 95 %


class Precision(msgspec.Struct, frozen=True):
    """The share of good ones among those judged, with its 95 % interval."""

    good: int
    bad: int

    @property
    def share(self) -> float:
        return self.good / (self.good + self.bad) if self.good + self.bad else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval (Wilson 1927), sound at shares near 0 and 1 too; (0, 1) where nothing is judged."""
        n = self.good + self.bad
        if not n:
            return 0.0, 1.0
        middle = (self.share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(self.share * (1 - self.share) / n + _Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)


class Review:
    """The samples to judge, in a random order that is the same each time; more of them begin with the same ones."""

    def __init__(self, index: Index, kind: str, size: int, condition: str = "") -> None:
        """Of those for which the SQL condition holds. Raises `QueryError` where it is wrong or leaves none."""
        self.kind, self.condition = kind, condition
        where = f"WHERE (\n{condition}\n)" if condition else ""
        rows = index.ask(f"SELECT key FROM {kind} {where} ORDER BY hash(key), key LIMIT {size}", limit=size).rows
        self.keys = [str(row[0]) for row in rows]
        if not self.keys:
            raise QueryError(f"there are no {kind} to review{' for which this holds' if condition else ''}")
        self._places = {key: number for number, key in enumerate(self.keys)}

    def place(self, key: str) -> Place:
        """Where a sample stands in the review."""
        at = self._places.get(key, -1)
        before = self.keys[at - 1] if at > 0 else ""
        after = self.keys[at + 1] if at + 1 < len(self.keys) else ""
        return Place(before, after, at + 1, len(self.keys))

    def open_key(self, flags: Flags, after: str = "") -> str:
        """The first that is not judged, of those after a key before all others; "" when all are."""
        start = self._places.get(after, -1) + 1
        for key in (*self.keys[start:], *self.keys[:start]):
            if not {GOOD, BAD} & set(flags.of(self.kind, key).tags):
                return key
        return ""

    def precision(self, flags: Flags) -> Precision:
        """Of those judged so far."""
        tags = [flags.of(self.kind, key).tags for key in self.keys]
        return Precision(sum(GOOD in one for one in tags), sum(BAD in one for one in tags))

    def tags(self, flags: Flags) -> dict[str, int]:
        """How many of its samples have each tag, the most frequent first."""
        counts: dict[str, int] = {}
        for key in self.keys:
            for tag in flags.of(self.kind, key).tags:
                counts[tag] = counts.get(tag, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
