"""Workers that are processes of this machine: they hold no lock of the training loop's, and hand rows by memory."""

import multiprocessing
import os
import queue
import threading
from collections.abc import Iterator
from typing import Any

from model.data.lanes import LaneOutput
from model.data.rows import LoaderError
from model.data.shared import Handed, SharedSlots, shared_slots
from model.data.workers import LOOK_S, Job, as_told, turns

_END_S = 5
#: Imported once, by the process that the workers are forks of.
_PRELOADED = ["__main__", __name__]


class Processes:
    """Each has a queue of so many rows as it may be ahead, and memory that holds these and what is being looked at."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self._stop = context.Event()
        self._memory = [shared_slots() for _ in range(job.workers)]
        self._queues: list[Any] = [context.Queue(job.config.read.prefetch_rows) for _ in range(job.workers)]
        self._looked_at: list[tuple[SharedSlots, int]] = []
        self._processes = [
            context.Process(
                target=_work, args=(job, number, self._queues[number], self._memory[number], self._stop), daemon=True
            )
            for number in range(job.workers)
        ]
        for process in self._processes:
            process.start()

    def next(self, index: int) -> LaneOutput:
        number = index % len(self._queues)
        found = self._next_item(number)
        memory = self._memory[number]
        if isinstance(found, Handed) and memory is not None:
            self._looked_at.append((memory, found.slot))
            found = memory.take(found)
        if isinstance(found, LoaderError):
            raise found
        assert isinstance(found, LaneOutput)
        return found

    def used(self) -> None:
        for memory, slot in self._looked_at:
            memory.free(slot)
        self._looked_at.clear()

    def close(self) -> None:
        """Nothing more is taken from a queue: a process that ends may leave half a row in the pipe."""
        self._stop.set()
        for process, ahead, memory in zip(self._processes, self._queues, self._memory, strict=True):
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()
            ahead.close()
            if memory is not None:
                memory.close()
        self._memory = [None] * len(self._memory)

    def _next_item(self, number: int) -> object:
        while True:
            try:
                return self._queues[number].get(timeout=LOOK_S)
            except queue.Empty:
                if self._stop.is_set():
                    raise LoaderError("the loader was closed") from None
                if not self._processes[number].is_alive() and self._queues[number].empty():
                    raise LoaderError(f"worker {number} died, perhaps out of memory") from None


def _work(job: Job, number: int, ahead: Any, memory: SharedSlots | None, stop: Any) -> None:
    """Rows until asked to stop, or until the training loop's process is gone."""
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    for item in _items(job, number):
        if not _put(ahead, item if memory is None else memory.put(item), stop):
            ahead.cancel_join_thread()  # nobody will take what is left
            return


def _end_with(trainer: Any) -> None:
    """Whoever was killed has told nobody to stop."""
    trainer.join()
    os._exit(1)


def _items(job: Job, number: int) -> Iterator[LaneOutput | LoaderError]:
    try:
        for turn in turns(job, number):
            yield turn.output
    except Exception as error:
        yield as_told(error)


def _put(ahead: Any, item: object, stop: Any) -> bool:
    while not stop.is_set():
        try:
            ahead.put(item, timeout=LOOK_S)
            return True
        except queue.Full:
            continue
    return False
