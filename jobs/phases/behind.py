"""What the driver has a store do while the next phase runs: nobody waits for it, but all of it is done in the end."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from schemas.storage import Store


class Behind:
    """Does one thing after the other in a thread, or at once where the store is this machine's. A context manager."""

    def __init__(self, store: Store) -> None:
        self._thread = None if store.is_local else ThreadPoolExecutor(1)
        self._begun: deque[Future[None]] = deque()

    def do(self, work: Callable[[], None]) -> None:
        """Begin it when all before it has ended. Raises what any of these raised."""
        if self._thread is None:
            work()
            return
        while self._begun and self._begun[0].done():
            self._begun.popleft().result()
        self._begun.append(self._thread.submit(work))

    def wait(self) -> None:
        """Until all is done. Raises what any of it raised."""
        while self._begun:
            self._begun.popleft().result()

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
