"""Processes that are forks of this one, which has imported all that they need: a job starts in milliseconds."""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from jobs.engine import fork_server
from jobs.engine.fork_server import ForkServer


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does this and ends. The caller runs one thread."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


class _Forked:
    """What `ForkServer` wants of a `Popen`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            ended, status = os.waitpid(self._pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self._pid, 0)


class WarmForkServer(ForkServer):
    """One that was forked off, in place of a new interpreter that imports everything again."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()

        def serve() -> None:
            ours.close()
            fork_server._run(theirs.fileno())

        self._process = _Forked(forked(serve))  # type: ignore[assignment]
        theirs.close()
        self._pipe, self._owner = Connection(ours.detach()), os.getpid()


@contextmanager
def warm_fork_server() -> Iterator[None]:
    """The fork server of this process is a fork of it, as long as this lasts. To be entered before threads start."""
    fork_server._server = server = WarmForkServer()
    try:
        yield
    finally:
        server.close()
