"""Learning what an origin says of visits: its policy files, fetched in turn and kept with its host."""

from crawlers.crawl_config import CrawlConfig
from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Unfetched
from crawlers.flights import Flight
from crawlers.frontier import Frontier
from crawlers.hosts import Host, learn_policy
from crawlers.items import Item
from crawlers.origins import origin, other_scheme
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

        try:
            policy = await learn_policy(
                self._fetcher, url, self._config.fetch, lambda url: self._turns.wait(flight, url), exchanges.append
            )
        except Unfetched:  # a proxy fails: asked for again as soon as the host is
            host.rest(self._config.pace.backoff_s)
            with self._frontier.transaction():
                self._frontier.hosts.touch(host)
            return
        finally:
            self.hosts.discard(host.name)
        sitemaps = await self._router.ranked(self._sitemaps(host, url, policy))
        with self._frontier.transaction():
            for exchange in exchanges:
                self._recorder.record(exchange)
            self._learned(host, item, policy)
            self._router.route(sitemaps)
            self._frontier.hosts.save(host)
            self._settler.save()

    def _sitemaps(self, host: Host, url: str, policy: SitePolicy) -> list[Item]:
        """Those that robots.txt names, of hosts where the crawl takes pages."""
        if not self._config.sitemaps or not self._frontier.hosts.has_pages(host):
            return []
        found = (resolve(origin(url), address) for address in policy.sitemaps[:ROUTED_AT_ONCE])
        return [Item(sitemap, "sitemap", 0, found_on=url) for sitemap in found if sitemap]

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
