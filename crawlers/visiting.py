"""A visit: one request and what its answer needs beside it. Nothing is kept here, see `settling.py`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from crawlers.cookie_walls import behind_wall
from crawlers.crawl_config import CrawlConfig
from crawlers.earlier import Known
from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Judge, check_status
from crawlers.flights import Flight
from crawlers.hosts import Host, licence_file
from crawlers.http import REDIRECTS
from crawlers.items import Item, Visit
from crawlers.licences import Licences
from crawlers.loading import Loader
from crawlers.reading import Reader
from crawlers.recrawl import Recrawl
from crawlers.rendering import Rendered, Renderer
from crawlers.responses import ASKED_AS, Found, judge_of, without_media
from crawlers.scope import is_wanted
from crawlers.site_policy import SitePolicy
from crawlers.turns import Turns
from schemas.consent import refusal_by
from schemas.deny import DenyList
from schemas.documents import Consent
from schemas.drops import Drop
from schemas.hash_lists import refuse_listed
from schemas.response_signals import linked_licences
from schemas.signals import Signal


@dataclass
class Visited:
    """What came of a visit. `failure`: why it is in vain, or has to be made again."""

    visit: Visit
    host: Host
    policy: SitePolicy
    is_in_turn: bool = True  # its first request
    known: Known | None = None  # its last capture by an earlier crawl
    exchange: Exchange | None = None
    failure: Drop | None = None
    found: Found = Found()
    rendered: Rendered = Rendered()
    licences: tuple[Signal, ...] = ()
    walls: list[Exchange] = field(default_factory=list)  # passed on the way, by cookies
    loaded: list[Exchange] = field(default_factory=list)  # for a page that was rendered
    others: list[Exchange] = field(default_factory=list)  # that brought licences


class Visitor:
    """Makes the visits of one spider. `refuse_look` raises `Drop` for an image that a list knows by its look."""

    def __init__(
        self,
        config: CrawlConfig,
        fetcher: Fetcher,
        turns: Turns,
        host: Callable[[str], Host],
        reader: Reader,
        deny: DenyList,
        refuse_look: Callable[[bytes], None],
        renderer: Renderer,
        recrawl: Recrawl,
    ) -> None:
        self._config, self._fetcher, self._turns = config, fetcher, turns
        self._reader, self._deny, self._refuse_look, self._renderer = reader, deny, refuse_look, renderer
        self._loader = Loader(config, fetcher, turns, host, deny)
        self._licences, self._recrawl = Licences(), recrawl

    def check(self, item: Item, policy: SitePolicy) -> None:
        """What forbids a visit without a look at the page. Raises `Drop`."""
        if not is_wanted(item.url, item.kind == "page", self._config.scope):  # the settings have changed
            raise Drop("out_of_scope")
        policy.check(item.url)
        if item.kind != "sitemap":
            policy.refuse_use(item.url, self._config.consent)

    async def visit(
        self, visit: Visit, host: Host, policy: SitePolicy, flight: Flight, is_in_turn: bool = True
    ) -> Visited:
        """`is_in_turn`: whether its first request may be sent now."""
        done = Visited(visit, host, policy, is_in_turn)
        try:
            await self._ask(done, flight)
        except Drop as drop:
            done.failure = drop
        if done.found.refusal:
            done.failure = Drop("opt_out", done.found.refusal)
        if done.failure is not None and done.failure.reason == "opt_out":
            done.found = without_media(done.found)
        return done

    async def _ask(self, done: Visited, flight: Flight) -> None:
        """Raises `Drop`."""
        item, config = done.visit.item, self._config
        judge = judge_of(item.kind, config)

        async def get(more: Mapping[str, str]) -> Exchange:
            if done.exchange is not None or not done.is_in_turn:
                await self._turns.wait(flight, item.url)
            exchange = done.exchange = await self._fetcher.get(item.url, judge, *ASKED_AS[item.kind], more=more)
            self._turns.flights.received(flight)
            return exchange

        known = done.known = self._recrawl.find(item)
        exchange, answer = await self._recrawl.ask(item, known, judge, get)
        if config.fetch.cookies and item.kind == "page" and "set-cookie" in exchange.headers:
            passed = [exchange, *await self._behind_wall(done, flight, judge, exchange)]
            exchange = answer = done.exchange = passed.pop()
            done.walls = passed
        await self._refuse_listed(item, answer)
        if answer.status not in REDIRECTS:
            check_status(answer)
            if answer.body or answer is exchange:  # else a medium that has not changed leads nowhere
                done.found = await self._reader.read(item, answer)
            done.licences = await self._read_licences(done, answer, flight)
        if done.found.bare is not None and answer is exchange:
            self._turns.flights.rest(flight)
            await self._render(done, exchange)

    async def _render(self, done: Visited, exchange: Exchange) -> None:
        """Run the scripts of a page. Raises `Drop`."""
        assert done.found.bare is not None
        rendered = done.rendered = await self._renderer.render(done.found.bare, self._loader.load)
        for each in self._loader.new(rendered.loaded):
            await self._refuse_listed(done.visit.item, each)
            done.loaded.append(each)
        if rendered.html:
            done.found = await self._reader.read_rendered(done.visit.item, exchange, rendered.html, done.found)

    async def _behind_wall(self, done: Visited, flight: Flight, judge: Judge, first: Exchange) -> list[Exchange]:
        """See `behind_wall`: each request in its turn, and none that the site forbids."""
        item = done.visit.item

        async def get(url: str, cookie: str) -> Exchange:
            if self._deny.denies(url):
                raise Drop("denied")
            self.check(msgspec.structs.replace(item, url=url), done.policy)
            await self._turns.wait(flight, url)
            exchange = await self._fetcher.get(
                url, judge, *ASKED_AS[item.kind], more={"Cookie": cookie} if cookie else {}
            )
            self._turns.flights.received(flight)
            return exchange

        return await behind_wall(first, get, self._config.fetch.max_redirects)

    async def _refuse_listed(self, item: Item, exchange: Exchange) -> None:
        """Before anything of a response is stored. Raises `Drop`: hash_listed, denied."""
        lists, body = self._config.consent.hash_lists, exchange.body
        if not (lists or self._deny.hashes) or not body:
            return
        await asyncio.to_thread(self._refuse_bytes, body)
        if exchange.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            fetch = self._config.fetch
            try:
                body = await asyncio.to_thread(exchange.decoded, max(fetch.max_page_bytes, fetch.max_image_bytes))
            except Drop:  # nobody can read it
                return
            await asyncio.to_thread(self._refuse_bytes, body)
        if item.kind == "image" and lists.pdq:
            await asyncio.to_thread(self._refuse_look, body)

    def _refuse_bytes(self, body: bytes) -> None:
        refuse_listed(body, self._config.consent.hash_lists)
        if entry := self._deny.hashes.of_bytes(body):
            raise Drop("denied", entry)

    async def _read_licences(self, done: Visited, exchange: Exchange, flight: Flight) -> tuple[Signal, ...]:
        """What the licences that a response names itself say of it. Raises `Drop("opt_out")`."""
        url = done.visit.item.url
        addresses = list(dict.fromkeys([*linked_licences(exchange.headers, url), *done.found.licences]))
        wanted = [address for address in addresses if not self._deny.denies(address)]
        if not wanted or done.found.refusal:
            return ()

        async def fetch(url: str) -> bytes | None:
            return await licence_file(
                self._fetcher, url, self._config.fetch, lambda url: self._turns.wait(flight, url), done.others.append
            )

        time_read = f"{exchange.started:%Y-%m-%dT%H:%M:%SZ}"
        found_there = await self._licences.signals(wanted, url, fetch)
        signals = tuple(msgspec.structs.replace(one, time=time_read) for one in found_there)
        if words := refusal_by(Consent(signals=signals), (), self._config.consent):
            raise Drop("opt_out", words)
        return signals
