"""Whose turn it is: by the pace of a host, that of its address, and that of the crawl as a whole."""

import asyncio
from collections.abc import Callable, Iterable

from crawlers.addresses import GuardedResolver
from crawlers.clock import now
from crawlers.crawl_status import HostLeft
from crawlers.flights import Flight, Flights
from crawlers.hosts import Host
from crawlers.origins import host_name
from crawlers.pace_settings import PaceSettings
from schemas.urls import host_of

_MOST_PACES = _MOST_ADDRESSES = 20_000


class Turns:
    """Gives turns to the hosts of one crawler, of which there are `sharing` that share the rate of the whole crawl.

    `host` finds a host by its name and port, `keep` writes down when it may be asked next.
    """

    def __init__(
        self,
        settings: PaceSettings,
        flights: Flights,
        resolver: GuardedResolver,
        host: Callable[[str], Host],
        keep: Callable[[Host], None] = lambda _: None,
        sharing: int = 1,
    ) -> None:
        self.flights = flights
        self.next_request = 0.0  # of the whole crawl
        self.requests = 0  # turns that were taken
        self._settings, self._resolver, self._host, self._keep = settings, resolver, host, keep
        self._rate = settings.max_requests_per_s / max(1, sharing)
        self._paces: dict[str, PaceSettings] = {}
        self._addresses: dict[str, float] = {}  # when the next place in its row begins
        self._asked: dict[str, float] = {}  # when each was last asked: a busy crawler is late for a place
        self._most_addresses = _MOST_ADDRESSES

    def pace(self, host: Host) -> PaceSettings:
        """The settings that hold for a host."""
        if not self._settings.hosts:
            return self._settings
        if host.name not in self._paces:
            if len(self._paces) >= _MOST_PACES:
                self._paces.clear()
            self._paces[host.name] = self._settings.of(host.name)
        return self._paces[host.name]

    def slowest(self, fullest: Iterable[tuple[str, int]], limit: int = 3) -> list[HostLeft]:
        """Of hosts and their queues those that take longest by their pace, the longest first."""
        left = [HostLeft(name, queued, self._left_s(self._host(name), queued)) for name, queued in fullest]
        return sorted(left, key=lambda host: (-host.left_s, -host.queued))[:limit]

    def _left_s(self, host: Host, queued: int) -> float:
        return max(0.0, host.ready_at - now()) + (queued - 1) * host.delay_s(self.pace(host))

    def has_time(self, name: str, since_s: float) -> bool:
        """Whether a host may still be asked so long after the beginning of the run."""
        most_s = 3600 * self._settings.of(name).max_hours
        return not most_s or since_s < most_s

    def resume(self, lately: Iterable[str]) -> None:
        """Of hosts that were asked `lately`: a busy crawler sends a request later than its turn, and who was killed has
        not said when. They wait as if it had been sent now."""
        for name in lately:
            host = self._host(name)
            host.ready_at = max(host.ready_at, now() + host.delay_s(self.pace(host)))
            self._keep(host)

    def knows_address(self, host: Host) -> bool:
        """Whether it is known by which address the pace of a host is kept, if by any: not after a restart."""
        return host.address is not None or not self._settings.address_delay_s

    def may_start(self, host: Host) -> bool:
        """Whether the address of a host may be asked now. Else it has a place in the row of those that wait for it."""
        gap_s = self._settings.address_delay_s
        if not host.address or not gap_s:
            host.has_place = False
            return True
        if len(self._addresses) >= self._most_addresses:
            self._forget()
        rested_at = self._asked.get(host.address, -gap_s) + gap_s
        if not host.has_place:
            free_at = max(rested_at, self._addresses.get(host.address, 0.0))
            self._addresses[host.address] = max(free_at, now()) + gap_s
        else:
            free_at = rested_at
        host.has_place = free_at > now()
        if host.has_place:
            host.ready_at = max(host.ready_at, free_at)
            self._keep(host)
        return not host.has_place

    def _forget(self) -> None:
        """Addresses that may be asked at once."""
        rested_at = now() - self._settings.address_delay_s
        self._asked = {address: at for address, at in self._asked.items() if at > rested_at}
        self._addresses = {
            address: at for address, at in self._addresses.items() if at > now() or address in self._asked
        }
        self._most_addresses = max(_MOST_ADDRESSES, 2 * len(self._addresses))

    def start(self, host: Host) -> None:
        """A request to a host begins."""
        host.started(self.pace(host))
        self._sent(host, now())
        self._keep(host)
        self.requests += 1
        if self._rate:
            self.next_request = max(self.next_request, now()) + 1 / self._rate

    def ended(self, url: str, sent_at: float) -> None:
        """The response to a request has ended, however that went."""
        host = self._host(host_name(url))
        host.ended(self.pace(host), sent_at)
        self._sent(host, sent_at)

    def _sent(self, host: Host, at: float) -> None:
        if host.address and self._settings.address_delay_s:
            self._asked[host.address] = max(at, self._asked.get(host.address, 0.0))

    async def wait(self, flight: Flight, url: str) -> None:
        """Until the host of an address may be asked, in no slot, and then until there is one."""
        self.flights.rest(flight)
        host = self._host(host_name(url))
        if not self.knows_address(host):
            host.address = await self._resolver.paced_address(host_of(url))
        while True:
            if (wait := max(host.ready_at, self.next_request) - now()) > 0:
                await asyncio.sleep(wait)
            elif self.may_start(host):
                break
        self.start(host)
        await self.flights.take(flight)
