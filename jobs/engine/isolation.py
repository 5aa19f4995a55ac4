"""A step run in a child process that is replaced when it dies or hangs, so that hostile input costs one item.

Native parsers and decoders crash, hang and swallow memory. The child works on one item at a time under an address space
limit; the parent waits no longer than `timeout_s`. What the child raises comes back as it would from a call.
"""

import gc
import math
import os
import pickle
import queue
import resource
import select
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ClassVar, Generic, TypeVar, cast

import cloudpickle

from jobs.engine.fork_server import Child, fork_server
from schemas.drops import CODE_ERRORS, Drop, StepError
from schemas.settings import Bounds, Settings
from schemas.urls import host_of, registered_domain

#: Sizes of messages as `multiprocessing.connection` writes them.
_SIZE, _LARGE_SIZE, _LARGEST = struct.Struct("!i"), struct.Struct("!iQ"), 0x7FFFFFFF

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class IsolationSettings(Settings, frozen=True):
    """Bounds for one item."""

    bounds: ClassVar[Bounds] = {"timeout_s": (0.001, math.inf)}

    timeout_s: float = 30.0
    """Wall-clock seconds for one page or image. The slowest real ones take under one; a busy machine needs slack."""
    max_memory_bytes: int = 3 << 30
    """Address space of the child, libraries included (they take about 0.7 GB)."""
    max_slow_per_site: int = 3
    """Items of one registered domain that may take more than half of `timeout_s`; in the same task its others are then
    dropped untried."""


class Isolated(Generic[I, O]):
    """`step`, run in a child. Call it like the step; a context manager that ends the child.

    Raises what the step raises, and `Drop`: timeout, crashed, out_of_memory, site_budget. `step` must pickle.
    """

    def __init__(self, step: Callable[[I], O], settings: IsolationSettings) -> None:
        self._step, self._settings = cloudpickle.dumps(step), settings  # also what was typed into a session
        self._child: Child | None = None
        self._pipe: Connection | None = None
        self._poll = select.poll()
        self._slow = Counter[str]()  # by site

    def __call__(self, item: I) -> O:
        long_s = self._settings.timeout_s / 2
        if self._slow and self._slow[site := _site(item)] >= self._settings.max_slow_per_site:
            raise Drop("site_budget", f"{self._slow[site]} of {site} took over {long_s:g} s each")
        began = time.monotonic()
        try:
            return self._asked(item)
        finally:
            if time.monotonic() - began > long_s and (site := _site(item)):
                self._slow[site] += 1

    def _asked(self, item: I) -> O:
        pipe = self._pipe or self._start()
        try:
            send_whole(pipe, item)
            if not self._poll.poll(1000 * self._settings.timeout_s):
                self.close()
                raise Drop("timeout", f"over {self._settings.timeout_s:g} s")
            outcome, value = pipe.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        if outcome == "result":
            return cast(O, value)
        raise value

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = fork_server().fork(self._step, theirs)
            self._pipe = Connection(ours.detach())
            self._poll = select.poll()
            self._poll.register(self._pipe.fileno(), select.POLLIN)
            self._pipe.send((self._step, self._settings.max_memory_bytes))
            ready = self._pipe.recv()
        except (EOFError, ConnectionError):
            self.close()
            raise StepError("the worker process did not start") from None
        if isinstance(ready, BaseException):
            raise StepError(f"the worker process could not load its step: {ready!r}") from ready
        return self._pipe

    def _death(self) -> Drop:
        """Why the child is gone."""
        assert self._child is not None
        code = self._child.wait()
        self.close()
        return Drop("crashed", signal.Signals(-code).name if code < 0 else f"exit {code}")

    def close(self) -> None:
        """End the child, whatever it is doing; the next call starts another."""
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.kill()
        self._pipe = self._child = None

    def __enter__(self) -> "Isolated[I, O]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class IsolatedPool(Generic[I, O]):
    """The same in so many children, for calls from several threads; a child starts when one is needed."""

    def __init__(self, step: Callable[[I], O], settings: IsolationSettings, size: int) -> None:
        self._all = [Isolated(step, settings) for _ in range(size)]
        self._free: queue.LifoQueue[Isolated[I, O]] = queue.LifoQueue()
        for child in self._all:
            self._free.put(child)

    def __call__(self, item: I) -> O:
        """Waits for a child that is free. Raises as `Isolated` does."""
        child = self._free.get()
        try:
            return child(item)
        finally:
            self._free.put(child)

    def close(self) -> None:
        for child in self._all:
            child.close()


def _site(item: Any) -> str:
    """The registered domain of an item that has an address."""
    return registered_domain(host_of(getattr(item, "url", "")))


def serve(descriptor: int) -> None:
    """The child's life: load the step, then answer items until the parent is gone."""
    pipe = Connection(descriptor)
    pickled, max_memory_bytes = pipe.recv()
    try:
        step: Callable[[Any], Any] = pickle.loads(pickled)
        resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    except Exception as error:  # told to the parent, which raises it
        pipe.send(error)
        return
    gc.set_threshold(100_000)  # a page's DOM and blocks are many small objects in no cycles: fewer vain searches
    pipe.send("ready")
    while True:
        try:
            item = pipe.recv()
        except (EOFError, ConnectionError):
            return
        send_whole(pipe, _answer(step, item))


def send_whole(pipe: Connection, message: object) -> None:
    """What `Connection.recv` reads at the other end. `Connection.send` writes the size alone where a message is longer
    than 16 KiB: the other end wakes for four bytes, and waits again."""
    packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    size = _SIZE.pack(len(packed)) if len(packed) <= _LARGEST else _LARGE_SIZE.pack(-1, len(packed))
    left = [memoryview(size), memoryview(packed)]
    while left:
        written = os.writev(pipe.fileno(), left)
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:  # a signal came while the pipe was full
            left[0] = left[0][written:]


def _answer(step: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    try:
        return "result", step(item)
    except (Drop, *CODE_ERRORS) as error:
        return "raise", _portable(error)
    except MemoryError:
        return "raise", Drop("out_of_memory")
    except OSError as error:  # a step reads no storage: this is a library's word for odd data
        return "raise", RuntimeError(f"{type(error).__name__}: {error}")
    except Exception as error:  # counted by the parent as internal_error
        return "raise", _portable(error)


def _portable(error: Exception) -> Exception:
    """The error itself if it survives the pipe, else a plain one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions whose constructor wants more than their args
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
