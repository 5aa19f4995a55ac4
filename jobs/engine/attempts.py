"""Which partitions of a phase wait, which are being tried, and which of these are so slow that they are tried again."""

import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

#: No partition is slow before it has taken so long.
LEAST_S = 60.0


class Attempts(Generic[T]):
    """The attempts at the partitions of one phase; `T` is what names an attempt in flight.

    A partition is slow when its last attempt has taken `slow_factor` times as long as half of those that are done, and
    half of all are; 0 means never. It may be tried `most` times in all, and is done with the first that ends well.
    """

    def __init__(
        self,
        partitions: Iterable[int],
        most: int,
        slow_factor: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = deque(partitions)
        self._all, self._most, self._slow_factor, self._clock = len(self._waiting), most, slow_factor, clock
        self.begun: Counter[int] = Counter()  # attempts, by partition
        self._flying: dict[T, tuple[int, float]] = {}  # partition, and when it was begun
        self._took: list[float] = []  # seconds, of those that ended well

    def __bool__(self) -> bool:
        """Whether anything is left to do or to wait for."""
        return bool(self._waiting or self._flying)

    @property
    def flying(self) -> list[T]:
        return list(self._flying)

    def is_flying(self, partition: int) -> bool:
        """Whether one at this partition is in flight."""
        return any(of == partition for of, _ in self._flying.values())

    def next(self, at_a_time: int) -> int | None:
        """The partition that is to be tried now: one that waits, or else a slow one; None if there is none."""
        if len(self._flying) >= at_a_time:
            return None
        return self._waiting.popleft() if self._waiting else self._slow()

    def _slow(self) -> int | None:
        if not self._slow_factor or not self._took or 2 * len(self._took) < self._all:
            return None
        limit = max(LEAST_S, self._slow_factor * statistics.median_low(self._took))
        last: dict[int, float] = {}
        for partition, since in self._flying.values():
            last[partition] = max(since, last.get(partition, since))
        slow = {
            partition: since
            for partition, since in last.items()
            if self._clock() - since > limit and self.begun[partition] < self._most
        }
        return min(slow, key=slow.__getitem__, default=None)

    def begin(self, partition: int, attempt: T) -> None:
        self.begun[partition] += 1
        self._flying[attempt] = partition, self._clock()

    def ended(self, attempt: T) -> int | None:
        """The partition of an attempt that has ended; None of one that does not count any more."""
        partition, _ = self._flying.get(attempt, (None, 0.0))
        return partition

    def won(self, attempt: T) -> list[T]:
        """This one has ended well: the others at its partition, which do not count any more."""
        partition, since = self._flying.pop(attempt)
        self._took.append(self._clock() - since)
        others = [other for other, (of, _) in self._flying.items() if of == partition]
        for other in others:
            del self._flying[other]
        return others

    def failed(self, attempt: T) -> bool:
        """This one has failed: whether it was the last that its partition may have, and none is in flight."""
        partition, _ = self._flying.pop(attempt)
        if self.is_flying(partition):
            return False
        if self.begun[partition] < self._most:
            self._waiting.append(partition)
            return False
        return True
