"""Reads from other machines that are asked for before their turn, several in flight, under a limit of bytes."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

V = TypeVar("V")

_IN_FLIGHT = 16


class ReadingAhead:
    """What was asked for is taken once, by its name; what was not is read when it is taken. For use by one thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._asked: dict[Hashable, tuple[int, Future[bytes]]] = {}
        self._pool = ThreadPoolExecutor(_IN_FLIGHT, "weft-read")

    def ask(self, name: Hashable, size: int, read: Callable[[], bytes]) -> bool:
        """Whether it is on its way: not where `size` bytes more were too many."""
        if name in self._asked:
            return True
        if self._bytes + size > self._max_bytes:
            return False
        self._bytes += size
        self._asked[name] = size, self._pool.submit(read)
        return True

    def take(self, name: Hashable, read: Callable[[], bytes]) -> bytes:
        """Raises what `read` raises."""
        if (asked := self._asked.pop(name, None)) is None:
            return read()
        size, found = asked
        self._bytes -= size
        return found.result()

    def start(self, read: Callable[[], V]) -> Future[V]:
        """Something else that is read beside; it does not count."""
        return self._pool.submit(read)

    def forget(self, name: Hashable) -> None:
        """It is not going to be taken."""
        if (asked := self._asked.pop(name, None)) is not None:
            self._bytes -= asked[0]

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
