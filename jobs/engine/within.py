"""How far a task is, told from within it to the engine that runs it, which tells whoever waits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Takes the share of a task that is done, from 0 to 1.
Listener = Callable[[float], None]
#: Is called with a partition and the share of it that is done.
Watch = Callable[[int, float], None]
_TELL_EVERY_S = 1.0


class _Teller:
    """Of the one task that a process works on at a time."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._next = listener, time.monotonic() + _TELL_EVERY_S

    def tell(self, share: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _TELL_EVERY_S
            self._listener(min(1.0, max(0.0, share)))


_teller: _Teller | None = None


def tell(share: float) -> None:
    """So much of the task is done. May be called for each item: not more than once a second is anybody told."""
    if _teller is not None:
        _teller.tell(share)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """What is told within the block, the listener hears."""
    global _teller
    before, _teller = _teller, _Teller(listener)
    try:
        yield
    finally:
        _teller = before
