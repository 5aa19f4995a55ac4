"""How far a crawl is."""

from collections import Counter

import msgspec


class Status(msgspec.Struct):
    """How far a partition is."""

    visits: Counter[str] = msgspec.field(default_factory=Counter)  # by kind, recorded with status 200
    statuses: Counter[str] = msgspec.field(default_factory=Counter)  # of all responses
    drops: Counter[str] = msgspec.field(default_factory=Counter)  # by reason
    bytes: int = 0  # of bodies
    requests: int = 0
    queued: int = 0
    in_flight: int = 0
    unsent: int = 0
    received: int = 0  # batches from other partitions
    slowest: list[tuple[str, int, float]] = []  # host, queued, next time

    @property
    def is_idle(self) -> bool:
        return not (self.queued or self.in_flight or self.unsent)
