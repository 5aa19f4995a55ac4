"""Threads or processes that make rows ahead of the training loop, each for its own lanes."""

import multiprocessing
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from model.data.config import LoaderConfig
from model.data.lanes import Lane, LaneOutput, LaneState, open_reader
from model.data.reading import TarFile
from model.data.rows import LoaderError
from model.data.schedule import Taken, schedule
from model.data.tokens import Tokens

_LOOK_S = 0.5
_END_S = 5


class Job(msgspec.Struct, frozen=True):
    """What a rank's workers need to know. `lanes` are the rank's; `states[d][lane]` where each goes on."""

    config: LoaderConfig
    tokens: Tokens
    files: list[list[TarFile]]  # by dataset
    rank: int
    lanes: list[int]
    taken: Taken
    states: list[dict[int, LaneState]]


class Signal(Protocol):
    """`threading.Event` or that of multiprocessing."""

    def is_set(self) -> bool: ...
    def set(self) -> None: ...


class Workers:
    """Row for row in turn, whoever makes it. Lanes are dealt out by their index, so each worker knows its own turns."""

    def __init__(self, job: Job) -> None:
        read = job.config.read
        self._count = min(read.workers, len(job.lanes))
        self._processes = read.workers_are == "processes"
        context: Any = multiprocessing.get_context("forkserver") if self._processes else None
        self._stop: Signal = context.Event() if self._processes else threading.Event()
        make_queue = context.Queue if self._processes else queue.Queue
        make_worker = context.Process if self._processes else threading.Thread
        self._queues: list[Any] = [make_queue(read.prefetch_rows) for _ in range(self._count)]
        self._workers: list[Any] = [
            make_worker(target=_work, args=(job, number, self._count, self._queues[number], self._stop), daemon=True)
            for number in range(self._count)
        ]
        for worker in self._workers:
            worker.start()

    def next(self, index: int) -> LaneOutput:
        """What lane number `index` of the rank's gives at its turn. Raises `LoaderError`."""
        number = index % self._count
        while True:
            try:
                found = self._queues[number].get(timeout=_LOOK_S)
            except queue.Empty:
                if self._stop.is_set():
                    raise LoaderError("the loader was closed") from None
                if not self._workers[number].is_alive() and self._queues[number].empty():
                    raise LoaderError(f"worker {number} died, perhaps out of memory") from None
                continue
            if isinstance(found, BaseException):
                raise found
            assert isinstance(found, LaneOutput)
            return found

    def close(self) -> None:
        """Stop all workers and wait for them; rows that they made ahead are thrown away."""
        self._stop.set()
        for worker, ahead in zip(self._workers, self._queues, strict=True):
            if self._processes:
                # Nothing more is taken from it: a process that ends may leave half a row in the pipe.
                worker.join(_END_S)
                if worker.is_alive():
                    worker.kill()
                    worker.join()
                ahead.close()
                continue
            while worker.is_alive():
                with suppress(queue.Empty):
                    ahead.get(timeout=0.02)


def _work(job: Job, number: int, count: int, ahead: Any, stop: Signal) -> None:
    """Rows of lanes `number`, `number + count`, ... in the order of their turns, until asked to stop."""
    try:
        for output in _outputs_in_turn(job, number, count):
            if not _put(ahead, output, stop):
                break
    except Exception as error:
        message = error if isinstance(error, LoaderError) else LoaderError(f"{type(error).__name__}: {error}")
        _put(ahead, message, stop)
    if job.config.read.workers_are == "processes" and stop.is_set():
        ahead.cancel_join_thread()  # nobody will take what is left


def _put(ahead: Any, item: object, stop: Signal) -> bool:
    while not stop.is_set():
        try:
            ahead.put(item, timeout=_LOOK_S)
            return True
        except queue.Full:
            continue
    return False


def _outputs_in_turn(job: Job, number: int, count: int) -> Iterator[LaneOutput]:
    readers = [open_reader(job.config, files) for files in job.files]
    streams: dict[tuple[int, int], Iterator[LaneOutput]] = {}
    live = {(d, p) for d in range(len(job.files)) for p in range(number, len(job.lanes), count)}
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
                streams[d, index] = Lane(job.config, job.tokens, d, job.files[d], lane, state, readers[d]).rows()
            output = next(streams[d, index])
            if output.row is None:
                live.discard((d, index))
            yield output
    finally:
        for reader in readers:
            reader.close()
