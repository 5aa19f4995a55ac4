"""Learning what an origin says of visits: its policy files, fetched in turn and kept with its host."""

from crawlers.crawl_config import CrawlConfig
from crawlers.fetch import Exchange, Fetcher
from crawlers.flights import Flight
from crawlers.frontier import Frontier
from crawlers.hosts import Host, host_name, learn_policy, origin, other_scheme
from crawlers.items import Item
from crawlers.recorder import Recorder
from crawlers.routing import ROUTED_AT_ONCE, Router
from crawlers.settling import Settler
from crawlers.site_policy import SitePolicy
from crawlers.turns import Turns
from schemas.urls import resolve


class Learner:
    """Learns for one spider. `hosts` names those whose files are being fetched."""

    def __init__(
        self,
        config: CrawlConfig,
        fetcher: Fetcher,
        turns: Turns,
        frontier: Frontier,
        recorder: Recorder,
        router: Router,
        settler: Settler,
    ) -> None:
        self._config, self._fetcher, self._turns, self._frontier = config, fetcher, turns, frontier
        self._recorder, self._router, self._settler = recorder, router, settler
        self.hosts: set[str] = set()

    async def learn(self, host: Host, item: Item, flight: Flight) -> None:
        """Fetch the policy files of the origin of an item, and keep them with the host."""
        url, exchanges = item.url, list[Exchange]()

        def seen(exchange: Exchange) -> None:
            exchanges.append(exchange)
            asked = self._frontier.hosts.get(host_name(exchange.url))
            asked.ended(self._turns.pace(asked), exchange.sent_at)

        try:
            policy = await learn_policy(
                self._fetcher, url, self._config.fetch, lambda url: self._turns.wait(flight, url), seen
            )
        finally:
            self.hosts.discard(host.name)
        with self._frontier.transaction():
            for exchange in exchanges:
                self._recorder.record(exchange)
            self._learned(host, item, policy)
            if self._config.sitemaps and self._frontier.hosts.has_pages(host):
                found = (resolve(origin(url), address) for address in policy.sitemaps[:ROUTED_AT_ONCE])
                self._router.route(Item(sitemap, "sitemap", 0, found_on=url) for sitemap in found if sitemap)
            self._frontier.hosts.save(host)
            self._settler.save()

    def _learned(self, host: Host, item: Item, policy: SitePolicy) -> None:
        """Where nobody answers to http, https is tried before the host is left alone; for a seed the other way, too."""
        scheme, other = item.url.partition("://")[0], other_scheme(item.url)
        may_change = other and (scheme == "http" or not item.found_on)
        if policy.unreached and may_change and other.partition("://")[0] not in host.silent:
            host.silent = host.silent | {scheme}
            return
        if policy.unreached:
            host.silent = set()
        host.learned(scheme, policy, self._turns.pace(host))
