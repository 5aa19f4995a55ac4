"""One partition of a crawl: takes addresses from its frontier, visits them politely, writes what comes to its archive.

A host belongs to one partition, by its registered domain, so its pace is kept by one `Spider` alone, however many there
are. What a page leads to in other partitions is left in an outbox, which the job delivers.
"""

import asyncio
import fcntl
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from crawlers.clock import now
from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.earlier import EARLIER, Earlier
from crawlers.fetch import Fetcher, user_agent
from crawlers.flights import Flight, Flights
from crawlers.frontier import Frontier
from crawlers.hosts import Host
from crawlers.items import Item, Visit
from crawlers.learning import Learner
from crawlers.origins import host_name, other_scheme
from crawlers.ranking import Ranking
from crawlers.reading import Reader
from crawlers.recorder import Recorder
from crawlers.recrawl import Recrawl
from crawlers.rendering import Renderer
from crawlers.routing import ROUTED_AT_ONCE, Router
from crawlers.settling import Settler
from crawlers.site_policy import SitePolicy
from crawlers.sitemaps import Sitemap, SitemapEntry, entries_of
from crawlers.turns import Turns
from crawlers.visiting import Visitor
from schemas.deny import DenyList
from schemas.drops import Drop
from schemas.links import PageLinks, PageSource

_SKIPPED_IN_A_ROW, _SKIPPING_S = 200, 0.05
_LOOKED_AT_AGAIN_S = 0.25
_HOSTS_LOOKED_AT = 20  # for those that take longest
_LATE_LOOKED_FOR_EVERY_S = 2.0
_SENT_WITHIN_S = 30.0  # of the turn of a request
_MOST_TASKS = 20_000


class Spider:
    """Crawls one partition in `folder`, as number `partition` of `config.partitions`. An async context manager.

    `parse` finds the links of a page, `read_sitemap` what a sitemap lists: see `Reader`. `refuse_look` raises
    `Drop("hash_listed")` for an image that a list knows by its look. `ranking` says which addresses come first. Raises
    `BlockingIOError` on entry while another process holds the partition.
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
        ranking: Ranking | None = None,
    ) -> None:
        self._folder, self._partition, self._config = folder, partition, config
        self._reader, self._deny, self._refuse_look = Reader(config, parse, read_sitemap), deny, refuse_look
        self._ranking = ranking or Ranking(config.priority)
        self._status = Status()
        self._tasks: set[asyncio.Task[None]] = set()
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
        self._require_own()
        if saved := self.frontier.fact("status"):
            self._status = msgspec.msgpack.decode(saved, type=Status)
        self._renderer = Renderer(config.render, user_agent(config.fetch.contact))
        self.earlier = Earlier(self._folder / EARLIER)
        self._recorder = Recorder(self._folder, self._partition, config, self.frontier, bool(self.earlier))
        self._fetcher = await Fetcher(config.fetch).__aenter__()
        self._flights = Flights(config.max_in_flight, config.fetch.max_connections)
        self._turns = Turns(
            config.pace,
            self._flights,
            self._fetcher.resolver,
            self.frontier.hosts.get,
            self.frontier.hosts.touch,
            config.partitions,
        )
        self._fetcher.ended = self._turns.ended
        with self.frontier.transaction():
            self._turns.resume(self.frontier.hosts.names_waiting(ready_after=now() - _SENT_WITHIN_S))
        self._share_out()
        await self._router.renew()
        return self

    def _require_own(self) -> None:
        """A frontier of another number of partitions has other hosts. Raises `OSError`."""
        partitions = max(1, self._config.partitions)
        known = self.frontier.fact("partitions")
        if known and (of := msgspec.msgpack.decode(known, type=int)) != partitions:
            self.frontier.close()
            self._lock.close()
            raise OSError(f"{self._folder} is in {of} partitions now, not {partitions}: another run has changed it")
        with self.frontier.transaction():
            self.frontier.set_fact("partitions", msgspec.msgpack.encode(partitions))

    def _share_out(self) -> None:
        """Give those that work for this spider what they work with."""
        config, frontier, fetcher, turns = self._config, self.frontier, self._fetcher, self._turns
        self._router = Router(frontier, self._partition, config, self._ranking, self._status)
        recrawl = Recrawl(self.earlier, config)
        self._visitor = Visitor(
            config,
            fetcher,
            turns,
            frontier.hosts.get,
            self._reader,
            self._deny,
            self._refuse_look,
            self._renderer,
            recrawl,
        )
        self._settler = Settler(config, frontier, self._recorder, self._router, turns, self._status)
        self._learner = Learner(config, fetcher, turns, frontier, self._recorder, self._router, self._settler)

    async def __aexit__(self, *failure: object) -> None:
        for task in self._tasks:
            task.cancel()  # their visits stay queued
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._renderer.close()
        await self._fetcher.__aexit__(None, None, None)
        self._recorder.close()
        self.earlier.close()
        self.frontier.close()
        self._lock.close()

    async def ranked(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items as they are to be offered: with their points."""
        return await self._router.ranked(items)

    def offer(self, items: Iterable[Item]) -> None:
        """Take up items that belong to this partition: seeds, and what others found."""
        with self.frontier.transaction():
            for item in items:
                self._router.add(item)
        self._status.received += 1
        self._changed.set()

    async def offer_known(self) -> int:
        """Take up the pages that an earlier crawl has and no link led to, of hosts that this one takes pages from;
        nothing is followed from them. Returns how many that are."""
        before, pages = self.frontier.queued(), self.earlier.pages() if self._config.scope.revisit else iter(())
        while batch := list(islice(pages, ROUTED_AT_ONCE)):
            with self.frontier.transaction():
                for known in batch:
                    host = self.frontier.hosts.get(host_name(known.url))
                    if self._router.is_own(known.url) and self.frontier.hosts.has_pages(host):
                        self._router.add(Item(known.url, "page", self._config.scope.max_depth))
            await asyncio.sleep(0)
        self._changed.set()
        return self.frontier.queued() - before

    def outbox(self, limit: int = 2000) -> list[tuple[int, int, Item]]:
        """Id, partition and item of what others are to have."""
        return self.frontier.outbox(limit)

    def delivered(self, ids: Iterable[int]) -> None:
        with self.frontier.transaction():
            self.frontier.delivered(ids)

    def status(self) -> Status:
        status = self._status
        status.requests = self._settler.requests
        status.queued, status.unsent = self.frontier.queued(), self.frontier.unsent()
        status.in_flight, status.hosts = len(self._tasks), self.frontier.hosts.waiting()
        status.slowest = self._turns.slowest(self.frontier.hosts.fullest(_HOSTS_LOOKED_AT))
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
        for name in self.frontier.hosts.names_waiting():
            if not self._turns.has_time(name, at - self._began):
                with self._settler.transaction():
                    detail = f"after {at - self._began:.0f} s"
                    if not self._settler.give_up(self.frontier.hosts.get(name), "not_in_time", detail):
                        return
        self._late_at = at + _LATE_LOOKED_FOR_EVERY_S

    async def _wait(self) -> None:
        """Until something ends or arrives, or the next host is ready."""
        due = self.frontier.hosts.next_due()
        at = now()
        wait = 1.0 if due is None else due - at
        if wait <= 0 or self._flights.room <= 0:
            wait = max(0.02, self._turns.next_request - at)
        alarm = asyncio.get_running_loop().call_later(min(wait, 1.0), self._changed.set)
        try:
            await self._changed.wait()
        finally:
            alarm.cancel()

    def _start_due(self) -> None:
        self._flights.wake()
        room = min(self._flights.room, _MOST_TASKS - len(self._tasks))
        if room <= 0 or self._is_paused:
            return
        with self._settler.transaction():
            for host in self.frontier.hosts.due(now(), 2 * room):
                if self._flights.room <= 0 or now() < self._turns.next_request:
                    return
                at_once = self._turns.pace(host).concurrency_per_host
                is_full = host.in_flight >= at_once or host.name in self._learner.hosts
                if is_full or (self._flights.are_strained and not host.is_prompt):
                    self.frontier.hosts.defer(host, now() + _LOOKED_AT_AGAIN_S)
                elif self._turns.may_start(host):
                    self._start(host)

    def _start(self, host: Host) -> None:
        """Begin the next request to a host, unless nothing of it may be requested."""
        pace = self._turns.pace(host)
        if host.is_down(pace):
            self._settler.give_up(host, "host_down", f"{host.failures} failures in a row")
            return
        if host.over_budget(pace):
            self._settler.give_up(host, "host_budget", f"{host.requests} requests")
            return
        if host.delay_s(pace) > pace.max_delay_s:
            self._settler.give_up(host, "crawl_delay", f"{host.delay_s(pace):g} s")
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
                self._settler.drop(visit, Drop("denied"))
                continue
            scheme = url.partition("://")[0]
            if scheme in host.silent and (other := other_scheme(url)):
                self.frontier.moved(visit, msgspec.structs.replace(visit.item, url=other))
                continue
            policy = host.policy(scheme, pace, now())
            if policy is None:
                self.frontier.again(visit, 0.0, tried=False)
                self._learner.hosts.add(host.name)
                self._launch(host, partial(self._learner.learn, host, visit.item))
                return
            try:
                self._visitor.check(visit.item, policy)
            except Drop as drop:
                self._settler.drop(visit, drop)
                continue
            if is_in_turn := self._turns.knows_address(host):
                self._turns.start(host)
            self._launch(host, partial(self._visit, visit, host, policy, is_in_turn))
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

    async def _visit(self, visit: Visit, host: Host, policy: SitePolicy, is_in_turn: bool, flight: Flight) -> None:
        await self._settler.settle(await self._visitor.visit(visit, host, policy, flight, is_in_turn))
