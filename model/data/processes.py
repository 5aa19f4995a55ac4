"""Workers that are processes of this machine: they hold no lock of the training loop's, and hand rows by memory."""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from model.data.lanes import LaneOutput
from model.data.rows import LoaderError
from model.data.shared import Handed, SharedSlots, shared_slots
from model.data.workers import LOOK_S, Job, Turn, told_turns

_END_S = 5
#: Imported once, by the process that the workers are forks of.
_PRELOADED = ["__main__", __name__]
#: What a terminal or a scheduler sends to all processes: the trainer's answer to it may want some rows more.
_OF_THE_TRAINER = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Processes:
    """Each with a pipe, room for so many rows as it may be ahead, and memory for these and for what is looked at."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self._stopped = threading.Event()
        self._stop = context.Event()
        self._looked_at: list[tuple[SharedSlots, int]] = []
        with _blocked(_OF_THE_TRAINER):  # in what is started, too
            self._workers = [_Worker(context, job, number, self._stop) for number in range(job.workers)]
        atexit.register(self.close)  # multiprocessing would end them by SIGTERM, and wait

    def next(self, index: int) -> LaneOutput:
        worker = self._workers[index % len(self._workers)]
        found = self._next_item(worker)
        worker.room.release()
        if isinstance(found, Handed) and worker.memory is not None:
            self._looked_at.append((worker.memory, found.slot))
            found = worker.memory.take(found)
        if isinstance(found, LoaderError):
            raise found
        assert isinstance(found, LaneOutput)
        return found

    def used(self) -> None:
        for memory, slot in self._looked_at:
            memory.free(slot)
        self._looked_at.clear()

    def close(self) -> None:
        atexit.unregister(self.close)
        self._stopped.set()
        self._stop.set()
        for worker in self._workers:
            worker.end()

    def _next_item(self, worker: "_Worker") -> object:
        """Asked for in short waits: whoever closes the loader is not heard within one."""
        try:
            while not worker.rows.poll(LOOK_S):
                if self._stopped.is_set():
                    raise LoaderError("the loader was closed")
            return worker.rows.recv()
        except (EOFError, OSError):
            if self._stopped.is_set():
                raise LoaderError("the loader was closed") from None
            raise LoaderError(f"worker {worker.number} died, perhaps out of memory") from None


@contextmanager
def _blocked(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """A process, and what it shares with this one."""

    def __init__(self, context: Any, job: Job, number: int, stop: Any) -> None:
        self.number = number
        self.memory = shared_slots()
        self.room = context.Semaphore(job.config.read.prefetch_rows)
        self.rows, there = context.Pipe(duplex=False)
        given = (job, number, there, self.room, self.memory, stop)
        self._process = context.Process(target=_work, args=given, daemon=True)
        self._process.start()
        there.close()  # so that the pipe ends with the process

    def end(self) -> None:
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        if self.memory is not None:
            self.memory.close()


def _work(job: Job, number: int, rows: Any, room: Any, memory: SharedSlots | None, stop: Any) -> None:
    """Rows until asked to stop, or until the training loop's process is gone."""
    # A fork server that somebody else had started before has no signal blocked.
    signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_TRAINER)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    for turn in told_turns(job, number):
        while not room.acquire(timeout=LOOK_S):
            if stop.is_set():
                return
        item = turn.output if isinstance(turn, Turn) else turn
        rows.send(item if memory is None else memory.put(item))
        if stop.is_set():
            return


def _end_with(trainer: Any) -> None:
    """Whoever was killed has told nobody to stop."""
    trainer.join()
    os._exit(1)
