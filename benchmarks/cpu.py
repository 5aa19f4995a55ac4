"""CPU seconds of this process and of all that it started: the figure that most benchmarks give."""

import os
import resource
from contextlib import suppress
from pathlib import Path


def cpu_seconds() -> float:
    """The kernel adds those that have ended to the account of their parent; the fork server of `Isolated` goes on."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(map(_running, children_of("self")))


def _running(process: str) -> float:
    """Of a process that runs, of its children that have ended, and of those that run."""
    stat = _read(Path(f"/proc/{process}/stat"))
    ticks = sum(map(int, stat.rpartition(")")[2].split()[11:15]))  # utime, stime, cutime, cstime: proc_pid_stat(5)
    return ticks / os.sysconf("SC_CLK_TCK") + sum(map(_running, children_of(process)))


def children_of(process: str) -> list[str]:
    """The processes that it has started and that run."""
    with suppress(FileNotFoundError, ProcessLookupError):
        threads = list(Path(f"/proc/{process}/task").iterdir())
        return [child for thread in threads for child in _read(thread / "children").split()]
    return []


def _read(path: Path) -> str:
    """Nothing of a thread or process that has ended since it was listed."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return path.read_text()
    return ""
