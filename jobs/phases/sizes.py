"""Bytes by partition that tasks of the first phase hand on: written by each, summed up by group, read by the driver."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from jobs.phases.task import SIZES, Task, file_of
from schemas.storage import Store

_AT_A_TIME = 256


def put_sizes(task: Task, sizes: NDArray[np.int64]) -> None:
    """Write those of one task."""
    task.put(SIZES, sizes.astype("<i8").tobytes())


def sizes_of(phase: str, tasks: Iterable[int]) -> list[str]:
    """The files of some tasks."""
    return [file_of(phase, index, SIZES) for index in tasks]


def read_sizes(store: Store, names: Sequence[str], partitions: int) -> NDArray[np.int64]:
    """The sums of what these files say."""
    sums = np.zeros(partitions, np.int64)
    for start in range(0, len(names), _AT_A_TIME):
        for data in store.read_all(names[start : start + _AT_A_TIME]):
            sums += np.frombuffer(data, "<i8")
    return sums
