"""What pools and workers of the tests hold, importable by other processes."""

import os
from collections.abc import Callable, Sequence

from model.scorers import BadModel


def load(path: str) -> Callable[[Sequence[int]], list[int]]:
    """A model that multiplies by what stands in its file, and does not like 13."""
    if not os.path.exists(path):
        raise BadModel(f"no model at {path}")
    with open(path) as file:
        factor = int(file.read())

    def multiply(batch: Sequence[int]) -> list[int]:
        if 13 in batch:
            raise LookupError("13")
        return [factor * number for number in batch]

    return multiply


def holder() -> Callable[[], int]:
    """Tells in which process it is."""
    return os.getpid


def times(functions: tuple[Callable[[Sequence[int]], list[int]], ...], partition: int) -> list[int]:
    """A task that asks its actor twice."""
    function = functions[partition % len(functions)]
    return function([partition]) + function([partition + 1])


class Counter:
    """A worker: counts, and does not go below 0."""

    def __init__(self, start: int) -> None:
        self._count = start

    async def add(self, number: int) -> int:
        if self._count + number < 0:
            raise OSError("below zero")
        self._count += number
        return self._count

    async def process(self) -> int:
        return os.getpid()
