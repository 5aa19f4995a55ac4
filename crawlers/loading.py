"""What a page that is rendered asks for, got by the manners of the crawl: denied addresses, robots.txt, its pace."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

from crawlers.clock import now
from crawlers.crawl_config import CrawlConfig
from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Unfetched
from crawlers.flights import Flight
from crawlers.hosts import Host, learn_policy
from crawlers.http import PASSING_STATUSES
from crawlers.origins import host_name
from crawlers.scope import is_wanted
from crawlers.site_policy import SitePolicy
from crawlers.turns import Turns
from schemas.deny import DenyList
from schemas.drops import Drop

_MOST_KEPT_BYTES = 64 << 20


class Loader:
    """Loads for the pages of one spider, from each host one thing at a time; what was asked for last is kept, as the
    pages of a site share their scripts."""

    def __init__(
        self, config: CrawlConfig, fetcher: Fetcher, turns: Turns, host: Callable[[str], Host], deny: DenyList
    ) -> None:
        self._config, self._fetcher, self._turns, self._host, self._deny = config, fetcher, turns, host, deny
        self._kept: OrderedDict[str, Exchange] = OrderedDict()
        self._kept_bytes = 0
        self._new: dict[int, Exchange] = {}  # by `id`: those that are not recorded yet
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self, url: str) -> Exchange:
        """Raises `Drop` where it may not be had, or cannot."""
        if self._deny.denies(url):
            raise Drop("denied")
        if not is_wanted(url, False, self._config.scope):
            raise Drop("out_of_scope")
        host, flight = self._host(host_name(url)), Flight()
        pace = self._turns.pace(host)
        gate = self._gates.setdefault(host.name, asyncio.Lock())
        async with gate:
            if url in self._kept:
                self._kept.move_to_end(url)
                return self._kept[url]
            if host.is_down(pace) or host.over_budget(pace) or host.delay_s(pace) > pace.max_delay_s:
                raise Drop("host_down")
            host.in_flight += 1  # it is not forgotten meanwhile
            try:
                policy = await self._policy(host, url, flight)
                policy.check(url)
                policy.refuse_use(url, self._config.consent)
                await self._turns.wait(flight, url)
                exchange = await self._fetcher.get(url, lambda status, headers: self._config.fetch.max_page_bytes)
                host.told(pace, exchange, None)
                self._keep(url, exchange)
                return exchange
            except Unfetched as failure:
                host.told(pace, None, failure)
                raise
            finally:
                host.in_flight -= 1
                self._turns.flights.rest(flight)

    def new(self, loaded: Iterable[Exchange]) -> list[Exchange]:
        """Those that are to be recorded, and will not be named again."""
        return [exchange for each in loaded if (exchange := self._new.pop(id(each), None)) is not None]

    def _keep(self, url: str, exchange: Exchange) -> None:
        self._new[id(exchange)] = exchange
        if exchange.status in PASSING_STATUSES:  # the next page may have more luck
            return
        self._kept[url] = exchange
        self._kept_bytes += len(exchange.body)
        while self._kept_bytes > _MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1].body)

    async def _policy(self, host: Host, url: str, flight: Flight) -> SitePolicy:
        scheme, pace = url.partition("://")[0], self._turns.pace(host)
        policy = host.policy(scheme, pace, now())
        if policy is None:
            fetch = self._config.fetch
            policy = await learn_policy(
                self._fetcher, url, fetch, lambda url: self._turns.wait(flight, url), lambda _: None
            )
            host.learned(scheme, policy, pace)
        return policy
