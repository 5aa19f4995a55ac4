"""Memory of this process and of all that it started, at its highest while something runs."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from benchmarks.cpu import children_of

T = TypeVar("T")

_EVERY_S = 0.05


def peak_while(work: Callable[[], T]) -> tuple[T, int]:
    """What `work` gives, and the highest sum of what processes hold meanwhile, in bytes, beyond what they held before.

    Files that are mapped do not count, and what processes share counts once.
    """
    before, peak, done = _held("self"), [0], threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY_S):
            peak[0] = max(peak[0], _held("self"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        found = work()
        return found, max(peak[0], _held("self")) - before
    finally:
        done.set()
        watcher.join()


def _held(process: str) -> int:
    sizes = [0]
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        sizes = [int(line.split()[1]) << 10 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))]
    return sum(sizes) + sum(map(_held, children_of(process)))
