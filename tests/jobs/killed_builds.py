"""A process that has imported all that a build needs, and makes builds that are killed: forks, each of them begun anew.

    python -m tests.jobs.killed_builds OUT ARCHIVE SETTING ...

takes commands, a line each: `start` begins a build, or goes on with it, `retry` one that asks again for what failed,
`kill` ends it by SIGKILL with all its processes, `wait` waits for its end. Each is answered when it is done: `kill` by
`killed`, or by `ended` where the build was over, `wait` by its exit code. It ends with its input.
"""

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.warm import forked, warm_fork_server
from jobs.build import build
from jobs.config import load_config
from jobs.engine.engine import EngineSettings


class KilledBuild:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def command(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def killed_build(out: Path, archive: Path, settings: Sequence[str]) -> Iterator[KilledBuild]:
    command = [sys.executable, "-m", "tests.jobs.killed_builds", str(out), str(archive), *settings]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield KilledBuild(process)
    finally:
        process.communicate(timeout=30)


def one_build(out: str, archive: str, settings: Sequence[str], retry: bool = False) -> None:
    os.setsid()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    with warm_fork_server():
        build(out, [archive], load_config("default", list(settings)), EngineSettings(engine="inline"), retry=retry)


def killed(pid: int) -> str:
    ended, _ = os.waitpid(pid, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if ended:
        return "ended"
    os.waitpid(pid, 0)
    return "killed"


def main(out: str, archive: str, *settings: str) -> None:
    pid = 0
    for line in sys.stdin:
        match line.strip():
            case "start":
                pid, answer = forked(functools.partial(one_build, out, archive, settings)), "started"
            case "retry":
                pid, answer = forked(functools.partial(one_build, out, archive, settings, True)), "started"
            case "kill":
                answer, pid = killed(pid), 0
            case "wait":
                answer, pid = str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])), 0
        print(answer, flush=True)
    if pid:
        killed(pid)


if __name__ == "__main__":
    main(*sys.argv[1:])
