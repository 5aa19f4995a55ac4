"""One partition of a crawl: takes addresses from its frontier, visits them politely, writes what comes to its archive.

A host belongs to one partition, by its registered domain, so its pace is kept by one `Spider` alone, however many there
are. What a page leads to in other partitions is left in an outbox, which the job delivers.
"""

import asyncio
import fcntl
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec

from crawlers.clock import now
from crawlers.cookie_walls import behind_wall
from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status, count
from crawlers.fetch import REDIRECTS, Exchange, Fetcher, Judge, Unfetched, check_status, retry_after, user_agent
from crawlers.flights import Flight, Flights
from crawlers.frontier import Frontier, Item, Visit
from crawlers.hosts import Host, host_name, learn_policy, origin, other_scheme, policy_file
from crawlers.licences import Licences
from crawlers.loading import Loader
from crawlers.reading import Reader
from crawlers.recorder import Recorder
from crawlers.rendering import Rendered, Renderer
from crawlers.responses import ASKED_AS, Found, judge_of, without_media
from crawlers.scope import crawl_url, in_scope, is_wanted, partition_of
from crawlers.site_policy import SitePolicy
from crawlers.sitemaps import Sitemap, SitemapEntry, entries_of
from crawlers.turns import Turns
from schemas.consent import refusal_by
from schemas.deny import DenyList
from schemas.documents import Consent
from schemas.drops import Drop
from schemas.hash_lists import refuse_listed
from schemas.links import PageLinks, PageSource
from schemas.presigned import is_presigned
from schemas.response_signals import linked_licences
from schemas.signals import Signal
from schemas.urls import resolve

_SKIPPED_IN_A_ROW, _SKIPPING_S = 200, 0.05
_ROUTED_AT_ONCE = 500
_HOST_FAILURES = ("connect", "dns", "slow", "bad_response")
_LOOKED_AT_AGAIN_S = 0.25
_HOSTS_LOOKED_AT = 20  # for those that take longest
_LATE_LOOKED_FOR_EVERY_S = 2.0
_SENT_WITHIN_S = 30.0  # of the turn of a request
_MOST_TASKS = 20_000
NOWHERE = ("", -1)


class Spider:
    """Crawls one partition in `folder`, as number `partition` of `config.partitions`. An async context manager.

    `parse` finds the links of a page, `read_sitemap` what a sitemap lists: see `Reader`. `refuse_look` raises
    `Drop("hash_listed")` for an image that a list knows by its look. Raises `BlockingIOError` on
    entry while another process holds the partition.
    """

    def __init__(
        self,
        folder: Path,
        partition: int,
        config: CrawlConfig,
        parse: Callable[[PageSource], PageLinks],
        deny: DenyList = DenyList(),
        read_sitemap: Callable[[Sitemap], Sequence[SitemapEntry]] = entries_of,
        refuse_look: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self._folder, self._partition, self._config = folder, partition, config
        self._reader, self._deny, self._refuse_look = Reader(config, parse, read_sitemap), deny, refuse_look
        self._status, self._licences = Status(), Licences()
        self._tasks: set[asyncio.Task[None]] = set()
        self._learning: set[str] = set()
        self._changed = asyncio.Event()
        self._stopping = self._is_paused = False
        self._failure: BaseException | None = None

    async def __aenter__(self) -> "Spider":
        base = self._folder / "work" / "frontier"
        base.mkdir(parents=True, exist_ok=True)
        self._lock: IO[str] = open(base / f"{self._partition:03d}.lock", "w")  # noqa: SIM115 - held while this lives
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        config = self._config
        self.frontier = Frontier(base / f"{self._partition:03d}.sqlite", config.scope)
        if saved := self.frontier.fact("status"):
            self._status = msgspec.msgpack.decode(saved, type=Status)
        self._requests_before = self._status.requests
        self._renderer = Renderer(config.render, user_agent(config.fetch.contact))
        self._recorder = Recorder(self._folder, self._partition, config, self.frontier)
        self._fetcher = await Fetcher(config.fetch).__aenter__()
        self._flights = Flights(config.max_in_flight, config.fetch.max_connections)
        self._turns = Turns(
            config.pace,
            self._flights,
            self._fetcher.resolver,
            self.frontier.host,
            self.frontier.touch,
            config.partitions,
        )
        with self.frontier.transaction():
            self._turns.resume(self.frontier.names_waiting(ready_after=now() - _SENT_WITHIN_S))
        self._loader = Loader(config, self._fetcher, self._turns, self.frontier.host, self._deny)
        return self

    async def __aexit__(self, *failure: object) -> None:
        for task in self._tasks:
            task.cancel()  # their visits stay queued
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._renderer.close()
        await self._fetcher.__aexit__(None, None, None)
        self._recorder.close()
        self.frontier.close()
        self._lock.close()

    def offer(self, items: Iterable[Item]) -> None:
        """Take up items that belong to this partition: seeds, and what others found."""
        with self.frontier.transaction():
            for item in items:
                self._add(item)
        self._status.received += 1
        self._changed.set()

    def outbox(self, limit: int = 2000) -> list[tuple[int, int, Item]]:
        """Id, partition and item of what others are to have."""
        return self.frontier.outbox(limit)

    def delivered(self, ids: Iterable[int]) -> None:
        with self.frontier.transaction():
            self.frontier.delivered(ids)

    def status(self) -> Status:
        status = self._status
        status.requests = self._requests_before + self._turns.requests
        status.queued, status.unsent = self.frontier.queued(), self.frontier.unsent()
        status.in_flight, status.hosts = len(self._tasks), self.frontier.hosts_waiting()
        status.slowest = self._turns.slowest(self.frontier.fullest_hosts(_HOSTS_LOOKED_AT))
        return status

    def stop(self) -> None:
        """Have `run` end: what is in flight is finished, what is queued stays queued."""
        self._stopping = True
        self._changed.set()

    def roll(self) -> None:
        """Give the archive in hand its name; the next record begins another."""
        self._recorder.finish()

    def pause(self, is_paused: bool) -> None:
        """Begin no visit any more, or go on; what is in flight is finished."""
        self._is_paused = is_paused
        self._changed.set()

    async def run(self) -> None:
        """Visit until `stop` is called, then give the archive in hand its name.

        Raises what no visit can be blamed for: a full disk, an error in weft itself.
        """
        self._began = now()
        self._late_at = self._began + self._config.pace.first_limit_s
        while not self._stopping and self._failure is None:
            self._changed.clear()
            self._end_late()
            self._start_due()
            await self._wait()
        if self._tasks and self._failure is None:
            await asyncio.wait(self._tasks, timeout=self._config.fetch.deadline_s)
        if self._failure is not None:
            raise self._failure
        self._recorder.finish()

    def _end_late(self) -> None:
        """Give up hosts whose time is over, those too that are not to be asked for long."""
        at = now()
        if at < self._late_at:
            return
        for name in self.frontier.names_waiting():
            if not self._turns.has_time(name, at - self._began):
                with self.frontier.transaction():
                    if not self._give_up(self.frontier.host(name), "not_in_time", f"after {at - self._began:.0f} s"):
                        return
        self._late_at = at + _LATE_LOOKED_FOR_EVERY_S

    async def _wait(self) -> None:
        """Until something ends or arrives, or the next host is ready."""
        due = self.frontier.next_due()
        at = now()
        wait = 1.0 if due is None else due - at
        if wait <= 0 or self._flights.room <= 0:
            wait = max(0.02, self._turns.next_request - at)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait, 1.0)):  # `wait_for` of Python 3.11 may lose a cancellation
                await self._changed.wait()

    def _start_due(self) -> None:
        self._flights.wake()
        room = min(self._flights.room, _MOST_TASKS - len(self._tasks))
        if room <= 0 or self._is_paused:
            return
        with self.frontier.transaction():
            for host in self.frontier.due_hosts(now(), 2 * room):
                if self._flights.room <= 0 or now() < self._turns.next_request:
                    return
                is_full = host.in_flight >= self._turns.pace(host).concurrency_per_host or host.name in self._learning
                if is_full or (self._flights.are_strained and not host.has_answered):
                    self.frontier.defer(host, now() + _LOOKED_AT_AGAIN_S)
                elif self._turns.may_start(host):
                    self._start(host)

    def _start(self, host: Host) -> None:
        """Begin the next request to a host, unless nothing of it may be requested."""
        pace = self._turns.pace(host)
        if host.is_down(pace):
            self._give_up(host, "host_down", f"{host.failures} failures in a row")
            return
        if host.over_budget(pace):
            self._give_up(host, "host_budget", f"{host.requests} requests")
            return
        if host.delay_s(pace) > pace.max_delay_s:
            self._give_up(host, "crawl_delay", f"{host.delay_s(pace):g} s")
            return
        began = time.monotonic()
        for _ in range(_SKIPPED_IN_A_ROW):
            if time.monotonic() - began > _SKIPPING_S:  # so many rules that others would wait
                return
            visit = self.frontier.take(host)
            if visit is None:
                return
            url = visit.item.url
            if self._deny.denies(url):
                self._drop(visit, Drop("denied"))
                continue
            scheme = url.partition("://")[0]
            if scheme in host.silent and (other := other_scheme(url)):
                self.frontier.moved(visit, msgspec.structs.replace(visit.item, url=other))
                continue
            policy = host.policy(scheme, pace, now())
            if policy is None:
                self.frontier.again(visit, 0.0, tried=False)
                self._learning.add(host.name)
                self._launch(host, partial(self._learn, host, visit.item))
                return
            try:
                self._check(visit.item, policy)
            except Drop as drop:
                self._drop(visit, drop)
                continue
            self._turns.start(host)
            self._launch(host, partial(self._visit, visit, host, policy))
            return

    def _launch(self, host: Host, work: Callable[[Flight], Coroutine[Any, Any, None]]) -> None:
        host.in_flight += 1
        flight = Flight()
        self._flights.ask(flight)

        async def guarded() -> None:
            try:
                await work(flight)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # no visit's fault: the run ends with it
                self._failure = self._failure or error
            finally:
                host.in_flight -= 1
                self._flights.rest(flight)
                self._changed.set()

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check(self, item: Item, policy: SitePolicy) -> None:
        """What forbids a visit without a look at the page. Raises `Drop`."""
        if not is_wanted(item.url, item.kind == "page", self._config.scope):  # the settings have changed
            raise Drop("out_of_scope")
        policy.check(item.url)
        if item.kind != "sitemap":
            policy.refuse_use(item.url, self._config.consent)

    async def _learn(self, host: Host, item: Item, flight: Flight) -> None:
        """Fetch the policy files of an origin, and keep them with the host."""
        url, exchanges = item.url, list[Exchange]()

        def seen(exchange: Exchange) -> None:
            exchanges.append(exchange)
            asked = self.frontier.host(host_name(exchange.url))
            asked.ended(self._turns.pace(asked), exchange.sent_at)

        try:
            policy = await learn_policy(
                self._fetcher, url, self._config.fetch, lambda url: self._turns.wait(flight, url), seen
            )
        finally:
            self._learning.discard(host.name)
        with self.frontier.transaction():
            for exchange in exchanges:
                self._recorder.record(exchange)
            self._learned(host, item, policy)
            if self._config.sitemaps and self.frontier.has_pages(host):
                found = (resolve(origin(url), address) for address in policy.sitemaps[:_ROUTED_AT_ONCE])
                self._route(Item(sitemap, "sitemap", 0, found_on=url) for sitemap in found if sitemap)
            self.frontier.save(host)
            self._save()

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

    def _give_up(self, host: Host, reason: str, detail: str) -> bool:
        """Drop what is queued for a host, a million images perhaps: for so long that others need not wait. Returns
        whether that is all; the rest is for the next call."""
        began = time.monotonic()
        while items := self.frontier.give_up_host(host, reason, detail, _ROUTED_AT_ONCE):
            count(self._status.drops, reason, len(items))
            for item in items:
                self._fall_back(item, item.fallbacks)
            if time.monotonic() - began > _SKIPPING_S:
                return False
        return True

    async def _visit(self, visit: Visit, host: Host, policy: SitePolicy, flight: Flight) -> None:
        """One request, and all that follows from its answer, kept in one transaction."""
        item, config = visit.item, self._config
        exchange: Exchange | None = None
        found, failure, rendered = Found(), None, Rendered()
        walls, loaded = list[Exchange](), list[Exchange]()
        licences, others = tuple[Signal, ...](), list[Exchange]()
        try:
            judge = judge_of(item.kind, config)

            def answered(status: int, headers: dict[str, str]) -> int:
                self._flights.answered(flight)
                return judge(status, headers)

            exchange = await self._fetcher.get(item.url, answered, *ASKED_AS[item.kind])
            host.ended(self._turns.pace(host), exchange.sent_at)
            await self._turns.find_address(host, item.url)
            if config.fetch.cookies and item.kind == "page" and "set-cookie" in exchange.headers:
                walls = [exchange, *await self._behind_wall(item, host, policy, flight, answered, exchange)]
                exchange = walls.pop()
            await self._refuse_listed(item, exchange)
            if exchange.status not in REDIRECTS:
                check_status(exchange)
                found = await self._reader.read(item, exchange)
                licences = await self._read_licences(item, exchange, found, flight, others)
            if found.bare is not None:
                self._flights.rest(flight)
                rendered = await self._renderer.render(found.bare, self._loader.load)
                for each in self._loader.new(rendered.loaded):
                    await self._refuse_listed(item, each)
                    loaded.append(each)
                if rendered.problem:
                    count(self._status.drops, f"rendering of a page: {rendered.problem}")
                if rendered.html:
                    found = await self._reader.read_rendered(item, exchange, rendered.html, found)
        except Drop as drop:
            failure = drop
        if found.unread:
            count(self._status.drops, f"links of a page: {found.unread}")
        if found.cut:
            count(self._status.drops, "links of a page: too_many", found.cut)
        if found.refusal:
            failure = Drop("opt_out", found.refusal)
        if failure is not None and failure.reason == "opt_out":
            found = without_media(found)
        await self._route_most(found.items)
        with self.frontier.transaction():
            for other in others:
                self._recorder.record(other)
            self._paced(host, exchange, failure)
            for passed in walls:
                self._recorder.record(passed)
            for each in loaded:
                self._recorder.record(each, loaded_for=item.url)
            self._route(found.items[-_ROUTED_AT_ONCE:])
            if failure is not None:
                # What is not to be used is not kept; what the server said when it failed is.
                kept = exchange is not None and exchange.status != 200 and failure.reason != "hash_listed"
                self._failed(
                    visit, failure, self._recorder.record(exchange) if exchange is not None and kept else NOWHERE
                )
            elif exchange is not None and exchange.status in REDIRECTS:
                self._redirected(visit, exchange)
            elif exchange is not None:
                count(self._status.visits, item.kind)
                position = self._recorder.record(exchange, visit, policy, licences, rendered.html)
                self.frontier.done(visit, position)
            self.frontier.save(host)
            self._save()

    async def _behind_wall(
        self, item: Item, host: Host, policy: SitePolicy, flight: Flight, judge: Judge, first: Exchange
    ) -> list[Exchange]:
        """See `behind_wall`: each request in its turn, and none that the site forbids."""

        async def get(url: str, cookie: str) -> Exchange:
            if self._deny.denies(url):
                raise Drop("denied")
            self._check(msgspec.structs.replace(item, url=url), policy)
            await self._turns.wait(flight, url)
            exchange = await self._fetcher.get(
                url, judge, *ASKED_AS[item.kind], more={"Cookie": cookie} if cookie else {}
            )
            host.ended(self._turns.pace(host), exchange.sent_at)
            return exchange

        return await behind_wall(first, get, self._config.fetch.max_redirects)

    async def _refuse_listed(self, item: Item, exchange: Exchange) -> None:
        """Before anything of a response is stored. Raises `Drop("hash_listed")`."""
        lists, body = self._config.consent.hash_lists, exchange.body
        if not lists or not body:
            return
        await asyncio.to_thread(refuse_listed, body, lists)
        if exchange.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            fetch = self._config.fetch
            try:
                body = await asyncio.to_thread(exchange.decoded, max(fetch.max_page_bytes, fetch.max_image_bytes))
            except Drop:  # nobody can read it
                return
            await asyncio.to_thread(refuse_listed, body, lists)
        if item.kind == "image" and lists.pdq:
            await asyncio.to_thread(self._refuse_look, body)

    async def _read_licences(
        self, item: Item, exchange: Exchange, found: Found, flight: Flight, others: list[Exchange]
    ) -> tuple[Signal, ...]:
        """What the licences that a response names itself say of it. Raises `Drop("opt_out")`."""
        addresses = list(dict.fromkeys([*linked_licences(exchange.headers, item.url), *found.licences]))
        wanted = [address for address in addresses if not self._deny.denies(address)]
        if not wanted or found.refusal:
            return ()

        def seen(other: Exchange) -> None:
            others.append(other)
            asked = self.frontier.host(host_name(other.url))
            asked.ended(self._turns.pace(asked), other.sent_at)

        async def fetch(url: str) -> bytes | None:
            return await policy_file(
                self._fetcher, url, self._config.fetch, lambda url: self._turns.wait(flight, url), seen
            )

        time_read = f"{exchange.started:%Y-%m-%dT%H:%M:%SZ}"
        found_there = await self._licences.signals(wanted, item.url, fetch)
        signals = tuple(msgspec.structs.replace(one, time=time_read) for one in found_there)
        if words := refusal_by(Consent(signals=signals), (), self._config.consent):
            raise Drop("opt_out", words)
        return signals

    def _paced(self, host: Host, exchange: Exchange | None, failure: Drop | None) -> None:
        """Tell the host's pace how it answered."""
        if exchange is not None:
            count(self._status.statuses, str(exchange.status))
            self._status.bytes += len(exchange.body)
        pace = self._turns.pace(host)
        if exchange is not None and exchange.status in (429, 503):
            host.failed(pace, retry_after(exchange))
        elif exchange is None and isinstance(failure, Unfetched) and failure.reason in _HOST_FAILURES:
            host.failed(pace)
        else:
            host.answered()

    def _failed(self, visit: Visit, failure: Drop, position: tuple[str, int]) -> None:
        """Try again later what may pass; else drop it, or turn to the next address of an image."""
        config = self._config
        if isinstance(failure, Unfetched) and failure.passing and visit.tries + 1 < config.fetch.max_attempts:
            wait = max(failure.after_s, config.pace.backoff_s * 2**visit.tries)
            self.frontier.again(visit, now() + wait)
            return
        self._drop(visit, failure, position)

    def _drop(self, visit: Visit, drop: Drop, position: tuple[str, int] = NOWHERE) -> None:
        count(self._status.drops, drop.reason)
        self.frontier.drop(visit, drop.reason, drop.detail, position)
        self._fall_back(visit.item, self.frontier.fallbacks(visit))

    def _fall_back(self, item: Item, fallbacks: Sequence[str]) -> None:
        """Turn to the next address of an image."""
        if fallbacks:
            other = msgspec.structs.replace(item, url=fallbacks[0], fallbacks=tuple(fallbacks[1:]), redirects=0, via=())
            self._route([other])

    def _redirected(self, visit: Visit, exchange: Exchange) -> None:
        """Keep the redirect, and go where it leads: as another visit, with its own consent and its own host's pace."""
        item = visit.item
        target = resolve(item.url, exchange.headers.get("location", ""))
        if is_presigned(target):  # nor is the redirect kept, which holds the key
            self._drop(visit, Drop("presigned"))
            return
        position = self._recorder.record(exchange)
        via = (*item.via, item.url) if item.kind in ("image", "video") else ()
        moved = msgspec.structs.replace(item, url=crawl_url(target or item.url), redirects=item.redirects + 1, via=via)
        if not target:
            self._drop(visit, Drop("bad_address", exchange.headers.get("location", "")[:200]), position)
        elif moved.redirects > self._config.fetch.max_redirects or moved.url == item.url:
            self._drop(visit, Drop("too_many_redirects", moved.url[:200]), position)
        elif item.kind == "page" and item.depth and not in_scope(moved.url, item.url, self._config.scope):
            self.frontier.done(visit, position)
        elif moved.key == item.key and partition_of(moved.url, self._config.partitions) == self._partition:
            self.frontier.moved(visit, moved)
        else:
            self.frontier.done(visit, position)
            self._route([moved])

    def _save(self) -> None:
        """Keep with the outcome how far the archive reaches, and the counts."""
        self._recorder.keep_position()
        self.frontier.keep_clock()
        self._status.requests = self._requests_before + self._turns.requests
        self.frontier.set_fact("status", msgspec.msgpack.encode(self._status))

    async def _route_most(self, items: Sequence[Item]) -> None:
        """All but the last of very many, with room between for the visits of others. Met again, they are known."""
        for start in range(0, len(items) - _ROUTED_AT_ONCE, _ROUTED_AT_ONCE):
            with self.frontier.transaction():
                self._route(items[start : min(start + _ROUTED_AT_ONCE, len(items) - _ROUTED_AT_ONCE)])
            await asyncio.sleep(0)

    def _route(self, items: Iterable[Item]) -> None:
        """Queue items here, or leave them for the partition that they belong to."""
        for item in items:
            partition = partition_of(item.url, self._config.partitions)
            if partition == self._partition:
                self._add(item)
            else:
                self.frontier.post(partition, item)

    def _add(self, item: Item) -> None:
        if is_wanted(item.url, item.kind == "page", self._config.scope):
            is_queued = self.frontier.add(item)
            if not is_queued and item.fallbacks and self.frontier.has_failed(item):
                self._fall_back(item, item.fallbacks)
