"""What an iterator gives next is made in a thread of its own, while whoever takes it is busy with what it took."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK_S = 0.1


class Ahead(Generic[T]):
    """Items of `source` in order, one made ahead; what it raises is raised where the item would have come.

    `close` calls `release`, which must let `source` end where it waits for something, and waits for the thread.
    """

    def __init__(self, source: Iterator[T], release: Callable[[], None]) -> None:
        self._source, self._release = source, release
        self._ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._make, name="weft-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while True:
            item, error = self._ready.get()
            if error is not None:
                raise error
            if item is None:
                return
            given = [item]
            del item
            yield given.pop()  # and hold it no longer

    def close(self) -> None:
        self._stop.set()
        self._release()
        self._thread.join()

    def _make(self) -> None:
        try:
            while self._put(next(self._source), None):
                pass
        except StopIteration:
            self._put(None, None)
        except BaseException as error:
            self._put(None, error)

    def _put(self, item: T | None, error: BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put((item, error), timeout=_LOOK_S)
                return True
            except queue.Full:
                continue
        return False
