"""Work that is spread over processes, each with all of the model: as `torchrun` starts them, or one alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from model.training.config import ParallelSettings
from model.training.parallel import Processes, join

T = TypeVar("T")
_PATIENCE_S = 24 * 3600.0
ALONE = Processes(0, 1, torch.device("cpu"))


@contextmanager
def join_for(device: str) -> Iterator[tuple[Processes, str]]:
    """This process among the others, and its device: with several, the GPU of its number where there are GPUs."""
    # The features of many examples take hours, which the others wait for.
    settings = ParallelSettings(device="cpu" if device == "cpu" else "auto", timeout_s=_PATIENCE_S)
    with join(settings) as processes:
        yield processes, str(processes.device) if processes.world > 1 else device


def spread(
    count: int,
    at_a_time: int,
    work: Callable[[range], list[T]],
    processes: Processes,
    on_done: Callable[[int], None] = lambda done: None,
    together: bool = False,
) -> list[T]:
    """What `work` gives for each of the numbers below `count`, in their order, on every process.

    It gets so many of them at a time, the same ones whatever the number of processes: so are its results. `on_done`
    gets how many are done, over all processes by guess. `together`: each process is given as many parts, the last ones
    something that is done already, if layers are shared out.
    """
    parts = [range(start, min(count, start + at_a_time)) for start in range(0, count, at_a_time)]
    mine: list[list[T]] = []
    for part in parts[processes.rank :: processes.world]:
        mine.append(work(part))
        on_done(min(count, len(mine) * processes.world * at_a_time))
    if together and len(mine) * processes.world < len(parts):
        work(parts[0])
    everywhere = processes.gather(mine)
    return [value for n in range(len(parts)) for value in everywhere[n % processes.world][n // processes.world]]
