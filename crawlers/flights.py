"""How much of a crawler is on its way at a time: waiting takes no slot.

A flight is a visit, or a look at the policy files of a site. It takes a slot from the moment its request is sent; not
while it waits for the pace of its host, nor once its host has kept it waiting for longer than hosts do that are well,
for the first byte or for the last. Such a flight holds nothing but a connection. What has come takes a slot until it is
read.
"""

import asyncio
import time
from collections import deque

_PATIENCE_S = 1.0


class Flight:
    """One of them; compared by identity."""

    __slots__ = ()


class Flights:
    """At most `slots` flights of hosts that are well, and at most `connections` in all."""

    def __init__(self, slots: int, connections: int) -> None:
        self._slots, self._connections = slots, max(slots, connections)
        self._asking: dict[Flight, float] = {}  # when each began to ask, in order
        self._stalled: set[Flight] = set()
        self._received: set[Flight] = set()
        self._waiting: deque[tuple[Flight, asyncio.Future[None]]] = deque()

    @property
    def room(self) -> int:
        """How many more may ask. Those that wait for a slot come first."""
        return self._free() - len(self._waiting)

    @property
    def are_strained(self) -> bool:
        """Whether so many hosts keep us waiting that only those should be asked that have answered in time."""
        used = len(self._asking) + len(self._stalled) + len(self._received)
        return used >= self._connections - self._slots // 2

    def ask(self, flight: Flight) -> None:
        """A request is being sent."""
        self._received.discard(flight)
        self._stalled.discard(flight)
        self._asking.pop(flight, None)
        self._asking[flight] = time.monotonic()

    def received(self, flight: Flight) -> None:
        """A response is there, whole."""
        if self._asking.pop(flight, None) is not None or flight in self._stalled:
            self._stalled.discard(flight)
            self._received.add(flight)

    def rest(self, flight: Flight) -> None:
        """It waits, or has ended."""
        self._asking.pop(flight, None)
        self._stalled.discard(flight)
        self._received.discard(flight)
        self.wake()

    async def take(self, flight: Flight) -> None:
        """Wait for a slot, and take it."""
        if self._waiting or self._free() <= 0:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((flight, turn))
            await turn
        else:
            self.ask(flight)

    def wake(self) -> None:
        """Give slots that are free to those that wait for one."""
        while self._waiting and self._free() > 0:
            flight, turn = self._waiting.popleft()
            if not turn.done():
                self.ask(flight)
                turn.set_result(None)

    def _free(self) -> int:
        patient_since = time.monotonic() - _PATIENCE_S
        while self._asking:
            flight, since = next(iter(self._asking.items()))
            if since > patient_since:
                break
            del self._asking[flight]
            self._stalled.add(flight)
        busy = len(self._asking) + len(self._received)
        return min(self._slots - busy, self._connections - busy - len(self._stalled))
