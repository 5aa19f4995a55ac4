"""What pools and workers of the tests hold, importable by other processes."""

import os
from collections.abc import Callable, Sequence

from model.scorers import BadModel


class Model:
    """Multiplies by what stands in its file, and does not like 13."""

    def __init__(self, path: str) -> None:
        if not os.path.exists(path):
            raise BadModel(f"no model at {path}")
        with open(path) as file:
            self._factor = int(file.read())

    def multiply(self, batch: Sequence[int], more: int = 0) -> list[int]:
        if 13 in batch:
            raise LookupError("13")
        return [self._factor * number + more for number in batch]


def ask_twice(models: Sequence[Model], partition: int) -> list[int]:
    """A task."""
    model = models[partition % len(models)]
    return model.multiply([partition]) + model.multiply([partition], more=1)


def process() -> Callable[[], int]:
    """Tells in which process it is."""
    return os.getpid


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
