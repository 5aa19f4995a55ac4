"""A step run in a child process that is replaced when it dies or hangs, so that hostile input costs one item.

Native parsers and decoders crash, hang and swallow memory. The child works on one item at a time under an address space
limit; the parent waits no longer than `timeout_s`. What the child raises comes back as it would from a call.
"""

import ctypes
import gc
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar, cast

import cloudpickle

from schemas.drops import CODE_ERRORS, Drop, StepError
from schemas.settings import Settings

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

_KEPT_BYTES = 32 << 20  # the largest threshold that glibc takes; elsewhere it says nothing


class IsolationSettings(Settings, frozen=True):
    """Bounds for one item."""

    timeout_s: float = 30.0
    """Wall-clock seconds for one page or image. The slowest real ones take under one; a busy machine needs slack."""
    max_memory_bytes: int = 3 << 30
    """Address space of the child, libraries included (they take about 0.7 GB)."""


class Isolated(Generic[I, O]):
    """`step`, run in a child. Call it like the step; a context manager that ends the child.

    Raises what the step raises, and `Drop`: timeout, crashed, out_of_memory. `step` must pickle.
    """

    def __init__(self, step: Callable[[I], O], settings: IsolationSettings) -> None:
        self._step, self._settings = cloudpickle.dumps(step), settings  # also what was typed into a session
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def __call__(self, item: I) -> O:
        pipe = self._pipe or self._start()
        try:
            pipe.send(item)
            if not pipe.poll(self._settings.timeout_s):
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
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # threads only take address space here
        # Each image takes and frees some megabytes: kept, they need not be asked of the kernel again, page by page.
        environment |= {"MALLOC_MMAP_THRESHOLD_": str(_KEPT_BYTES), "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES)}
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "jobs.engine.isolation", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        self._pipe = Connection(ours.detach())
        try:
            self._pipe.send((self._step, self._settings.max_memory_bytes))
            ready = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise StepError(f"the worker process did not start (exit {self._child.wait()})") from None
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
            self._child.wait()
        self._pipe = self._child = None

    def __enter__(self) -> "Isolated[I, O]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(descriptor: int) -> None:
    """The child's life: load the step, then answer items until the parent is gone."""
    pipe = Connection(descriptor)
    _die_with_parent()
    pickled, max_memory_bytes = pipe.recv()
    try:
        step: Callable[[Any], Any] = pickle.loads(pickled)
        resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    except Exception as error:  # passed to the parent, which raises it
        pipe.send(error)
        return
    gc.set_threshold(100_000)  # a page's DOM and blocks are many small objects in no cycles: collect less often
    pipe.send("ready")
    while True:
        try:
            item = pipe.recv()
        except (EOFError, ConnectionError):
            return
        pipe.send(_answer(step, item))


def _answer(step: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    try:
        return "result", step(item)
    except (Drop, *CODE_ERRORS) as error:
        return "raise", _portable(error)
    except MemoryError:
        return "raise", Drop("out_of_memory")
    except OSError as error:  # a step reads no storage: this is how a library reports odd data
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


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent, even in the middle of a hang (Linux)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
