"""A process that has imported what steps need, and forks: a child is ready in milliseconds instead of a second.

Imports are nearly all that a new process costs, and a build starts a child for each partition. A process that isolates
steps has one fork server. It runs no step itself, so each child is as fresh as a new process. It ends with its parent,
and its children end with it.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import os
import pickletools
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

_OURS = ("schemas", "crawlers", "pipeline", "model", "jobs")
#: What steps on pages load late, so that a process that runs none does without; here once for all children.
_LOADED_LATE = {"pipeline.page.charset": "bs4.dammit"}
_KEPT_BYTES = 32 << 20  # the largest threshold that glibc takes; elsewhere it says nothing
_lock = threading.Lock()  # around each question and its answer, and around the choice of the server
_server: "ForkServer | None" = None


class Child:
    """A fork of a server."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self._server, self._pid = server, pid
        self._code: int | None = None

    def wait(self) -> int:
        """The exit code of a child that is at its end; negative for a signal. It is killed with its server."""
        return self._end("wait")

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._end("kill")

    def _end(self, how: str) -> int:
        if self._code is None:
            try:
                self._code = self._server.ask(how, self._pid)
            except (EOFError, OSError):
                self._code = -signal.SIGKILL
        return self._code


class ForkServer:
    """The parent's side. Methods raise `EOFError` or `ConnectionError` when the server has died."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        # Ctrl-C is for the parent, which ends its children: it stays blocked in them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "jobs.engine.fork_server", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._pipe = Connection(ours.detach())
        self._owner = os.getpid()

    def fork(self, step: bytes, end: socket.socket) -> Child:
        """A child that serves the other end of `end`, in the folder and the environment of this moment."""
        return Child(self, self.ask("fork", step, os.getcwd(), sys.path, _environment(), handle=end.fileno()))

    def ask(self, *question: object, handle: int | None = None) -> int:
        """A process id or an exit code. Raises the `OSError` that the server met, such as too many processes."""
        with _lock:
            self._pipe.send(question)
            if handle is not None:
                send_handle(self._pipe, handle, None)
            answer = self._pipe.recv()
        if isinstance(answer, OSError):
            raise answer
        return int(answer)

    @property
    def usable(self) -> bool:
        """Alive, and not that of a process of which this one is a fork."""
        return self._owner == os.getpid() and self._process.poll() is None

    def close(self) -> None:
        """End it with all its children."""
        self._pipe.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()


def _environment() -> dict[str, str]:
    """Of the server and its children: that of this process, without threads, which a fork would not copy."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
    # Each image takes and frees some megabytes: kept, they need not be had from the kernel again, page by page.
    return environment | {"MALLOC_MMAP_THRESHOLD_": str(_KEPT_BYTES), "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES)}


def fork_server() -> ForkServer:
    """That of this process, started if there is none."""
    global _server
    with _lock:
        if _server is None or not _server.usable:
            _server = ForkServer()
            atexit.register(_server.close)
        return _server


def _run(descriptor: int) -> None:
    """The server's life: answer until the parent is gone."""
    from jobs.engine.isolation import serve

    pipe = Connection(descriptor)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            pipe.send(_answer(pipe, serve, *pipe.recv()))


def _answer(pipe: Connection, serve: Callable[[int], None], what: str, *question: Any) -> int | OSError:
    try:
        if what == "fork":
            return _fork(pipe, serve, recv_handle(pipe), *question)
        [child] = question
        if what == "kill":
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except OSError as error:
        return error


def _fork(
    pipe: Connection,
    serve: Callable[[int], None],
    end: int,
    step: bytes,
    folder: str,
    path: list[str],
    environment: dict[str, str],
) -> int:
    os.chdir(folder)
    sys.path[:] = path
    os.environ.clear()
    os.environ.update(environment)
    _import_ours(step)
    gc.freeze()  # so that no collection in a child touches, and thereby copies, the memory that all share
    server = os.getpid()
    child = os.fork()
    if child:
        os.close(end)
        return child
    try:
        _die_with_parent()
        pipe.close()
        if os.getppid() == server:
            serve(end)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _import_ours(step: bytes) -> None:
    """The modules of weft that a pickle names. Others stay unread: a user's own may be edited between two builds."""
    for _, argument, _ in pickletools.genops(step):
        if isinstance(argument, str) and argument.partition(".")[0] in _OURS and argument.isascii():
            with contextlib.suppress(Exception):  # no module; or the child meets the same fault and tells the parent
                importlib.import_module(argument)
    for module, late in _LOADED_LATE.items():
        if module in sys.modules:
            importlib.import_module(late)


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent, even in the middle of a hang (Linux)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    _run(int(sys.argv[1]))
