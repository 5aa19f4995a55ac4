"""Memory that many bodies share: each holds what has come of it, not what may come; one that trickles holds nothing."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class ByteBudget:
    """At most `total` bytes held at a time; who wants more waits, in order.

    Beside them one body may go beyond: else bodies that have each come in part would wait for one another for ever.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._waiting: deque[tuple[Share, int, asyncio.Future[None]]] = deque()
        self._beyond: Share | None = None

    @contextmanager
    def share(self) -> Iterator["Share"]:
        share = Share(self)
        try:
            yield share
        finally:
            self._end(share)

    async def _grow(self, share: "Share", size: int) -> None:
        if (share is self._beyond or not self._waiting) and self._take(share, size):
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((share, size, turn))
        self._wake()
        await turn

    def _take(self, share: "Share", size: int) -> bool:
        if size > self._free and share is not self._beyond:
            if self._beyond is not None:
                return False
            self._beyond = share
        self._free -= size
        share.size += size
        return True

    def _end(self, share: "Share") -> None:
        self._free += share.size
        if share is self._beyond:
            self._beyond = None
        self._waiting = deque(waiting for waiting in self._waiting if waiting[0] is not share)
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._take(*self._waiting[0][:2]):
            turn = self._waiting.popleft()[2]
            if not turn.done():
                turn.set_result(None)


class Share:
    """What one body holds, in bytes."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget, self.size = budget, 0

    async def grow(self, size: int) -> None:
        """Hold so many bytes more, as soon as there is room."""
        await self._budget._grow(self, size)
