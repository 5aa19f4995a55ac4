"""The progress of a crawl."""

from collections.abc import Iterable

import msgspec


class HostLeft(msgspec.Struct, frozen=True, array_like=True):
    """A host that has something queued."""

    name: str
    queued: int
    left_s: float  # as its pace has it, at least


class Status(msgspec.Struct):
    """The progress of a partition."""

    visits: dict[str, int] = {}  # by kind, recorded with status 200
    statuses: dict[str, int] = {}  # of all responses
    drops: dict[str, int] = {}  # by reason
    bytes: int = 0  # of bodies
    requests: int = 0
    queued: int = 0
    in_flight: int = 0
    unsent: int = 0
    received: int = 0  # batches from other partitions
    unchanged: dict[str, int] = {}  # of the visits, by kind: what an earlier crawl has
    hosts: int = 0  # that have something queued
    slowest: list[HostLeft] = []  # those that take longest, the longest first

    @property
    def is_idle(self) -> bool:
        return not (self.queued or self.in_flight or self.unsent)


def sum_of(statuses: Iterable[Status]) -> Status:
    """What several have done, as if one had."""
    total = Status()
    for status in statuses:
        for counts, more in (
            (total.visits, status.visits), (total.statuses, status.statuses), (total.drops, status.drops),
        ):  # fmt: skip
            for name, n in more.items():
                count(counts, name, n)
        total.bytes += status.bytes
        total.requests += status.requests
        total.received += status.received
    return total


def count(counts: dict[str, int], name: str, n: int = 1) -> None:
    counts[name] = counts.get(name, 0) + n
