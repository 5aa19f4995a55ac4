"""Who makes rows ahead of the training loop, each for its own lanes: threads here, processes beside, or elsewhere."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

import msgspec

from model.data.config import LoaderConfig
from model.data.lanes import Lane, LaneOutput, LaneState, Readers
from model.data.reading import TarFile
from model.data.rows import LoaderError
from model.data.schedule import Taken, schedule
from model.data.tokens import Tokens

LOOK_S = 0.5


class Job(msgspec.Struct, frozen=True):
    """What a rank's workers need to know. `lanes` are the rank's; `states[d][lane]` where each goes on."""

    config: LoaderConfig
    tokens: Tokens
    files: list[list[TarFile]]  # by dataset
    rank: int
    lanes: list[int]
    taken: Taken
    states: list[dict[int, LaneState]]
    ended: frozenset[tuple[int, int]] = frozenset()  # dataset, index of the lane: these give nothing any more

    @property
    def workers(self) -> int:
        return min(self.config.read.workers, len(self.lanes))


class Turn(msgspec.Struct, frozen=True):
    """What a lane gave at its turn."""

    dataset: int
    index: int  # of the lane among the rank's
    output: LaneOutput
    taken: Taken  # the turns up to this one


class Workers(Protocol):
    """Row for row in turn, whoever makes it. Lanes are dealt out by their index, so each worker knows its own turns."""

    def next(self, index: int) -> LaneOutput:
        """What lane number `index` of the rank's gives at its turn. Raises `LoaderError`."""

    def used(self) -> None:
        """Nobody looks any more at what was given: its memory may hold something else."""

    def close(self) -> None:
        """Stop all workers and wait for them; rows that they made ahead are thrown away."""


MakeWorkers = Callable[[Job], Workers]


def turns(job: Job, number: int) -> Iterator[Turn]:
    """What worker `number` makes: rows of lanes `number`, `number + workers`, ... in the order of their turns."""
    readers = Readers(job.config, job.files)
    streams: dict[tuple[int, int], Iterator[LaneOutput]] = {}
    live = {(d, p) for d in range(len(job.files)) for p in range(number, len(job.lanes), job.workers)} - job.ended
    taken = Taken(list(job.taken.turns), job.taken.draws)
    try:
        for d, index in schedule(job.config, job.rank, len(job.lanes), taken):
            if (d, index) not in live:
                if not live:
                    return
                continue
            if (d, index) not in streams:
                lane = job.lanes[index]
                state = job.states[d].get(lane, LaneState())
                reader = readers.of_dataset[d]
                streams[d, index] = Lane(job.config, job.tokens, d, job.files[d], lane, state, reader).rows()
            output = next(streams[d, index])
            if output.row is None:
                live.discard((d, index))
            yield Turn(d, index, output, Taken(list(taken.turns), taken.draws))
    finally:
        readers.close()


def told_turns(job: Job, number: int) -> Iterator[Turn | LoaderError]:
    """Those of `turns`, then an error if one ends them; of any other kind it might not be known where it is raised."""
    try:
        yield from turns(job, number)
    except Exception as error:
        yield error if isinstance(error, LoaderError) else LoaderError(f"{type(error).__name__}: {error}")


class Threads:
    """Of this process."""

    def __init__(self, job: Job) -> None:
        self._stop = threading.Event()
        self._queues: list[queue.Queue[Turn | LoaderError]] = [
            queue.Queue(job.config.read.prefetch_rows) for _ in range(job.workers)
        ]
        self._threads = [
            threading.Thread(target=self._work, args=(job, number), daemon=True) for number in range(job.workers)
        ]
        for thread in self._threads:
            thread.start()

    def next(self, index: int) -> LaneOutput:
        ahead = self._queues[index % len(self._queues)]
        while True:
            try:
                found = ahead.get(timeout=LOOK_S)
            except queue.Empty:
                if self._stop.is_set():
                    raise LoaderError("the loader was closed") from None
                continue
            if isinstance(found, LoaderError):
                raise found
            return found.output

    def used(self) -> None:
        pass

    def close(self) -> None:
        self._stop.set()
        for thread, ahead in zip(self._threads, self._queues, strict=True):
            while thread.is_alive():
                with suppress(queue.Empty):
                    ahead.get(timeout=0.02)

    def _work(self, job: Job, number: int) -> None:
        for turn in told_turns(job, number):
            if not self._put(number, turn):
                break

    def _put(self, number: int, item: Turn | LoaderError) -> bool:
        while not self._stop.is_set():
            try:
                self._queues[number].put(item, timeout=LOOK_S)
                return True
            except queue.Full:
                continue
        return False
