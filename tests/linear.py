"""Whether time grows faster than what is given to work on: by CPU, so that a busy machine changes nothing."""

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_QUICK_S = 0.002  # below, no one looks closer
_ENDLESS_S = 20.0


class TooLong(BaseException):
    """Of no kind that code under test would catch."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises `TooLong` after so many seconds of CPU, out of a running match too."""

    def end(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def cpu_s(way: Callable[[Any], object], text: Any) -> float:
    was_enabled = gc.isenabled()
    gc.disable()
    start = time.thread_time()
    try:
        way(text)
        return time.thread_time() - start
    finally:
        if was_enabled:
            gc.enable()


def grows_faster(way: Callable[[Any], object], make: Callable[[int], Any], length: int) -> str:
    """How the time grows with the length, if it does so much faster than by the same; else "".

    What seems to is looked at again at twice the length: what has a limit need not have met it yet.
    """
    with at_most(_ENDLESS_S):
        try:
            if cpu_s(way, make(64)) > 0.2 or min(cpu_s(way, make(length)) for _ in range(2)) < _QUICK_S:
                return ""
            for start in (2 * length, 4 * length):
                for looks in (1, 3):
                    first, last = (min(cpu_s(way, make(n)) for _ in range(looks)) for n in (start, 4 * start))
                    if last <= 10 * first:  # what is quadratic takes 16 times as long
                        return ""
        except TooLong:
            return "is endless"
    return f"{last / first:.0f} times as long for 4 times the length"
