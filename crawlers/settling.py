"""What a visit came to, kept in one transaction: its record and outcome, what it found, how its host is treated now."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from crawlers.clock import now
from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status, count
from crawlers.exchange import Exchange
from crawlers.fetch import Unfetched
from crawlers.frontier import Frontier
from crawlers.hosts import Host
from crawlers.http import REDIRECTS
from crawlers.items import Visit
from crawlers.recorder import Recorder
from crawlers.recrawl import NOT_MODIFIED, is_unchanged
from crawlers.routing import ROUTED_AT_ONCE, Router
from crawlers.scope import crawl_url, in_scope
from crawlers.turns import Turns
from crawlers.visiting import Visited
from schemas.drops import Drop
from schemas.presigned import is_presigned
from schemas.urls import resolve

_MOVED = (301, 308)  # for good
NOWHERE = ("", -1)
#: Reasons for which not even an answer that failed is recorded: its bytes are listed.
_KEPT_NOWHERE = ("hash_listed", "denied")
_GIVING_UP_S = 0.05


class Settler:
    """Settles the visits of one spider, whose progress is counted in `status`."""

    def __init__(
        self, config: CrawlConfig, frontier: Frontier, recorder: Recorder, router: Router, turns: Turns, status: Status
    ) -> None:
        self._config, self._frontier, self._recorder = config, frontier, recorder
        self._router, self._turns, self._status = router, turns, status
        self._requests_before = status.requests

    async def settle(self, done: Visited) -> None:
        found, host, failure, exchange = done.found, done.host, done.failure, done.exchange
        if done.rendered.problem:
            count(self._status.drops, f"rendering of a page: {done.rendered.problem}")
        if found.unread:
            count(self._status.drops, f"links of a page: {found.unread}")
        if found.cut:
            count(self._status.drops, "links of a page: too_many", found.cut)
        items = await self._router.ranked(found.items)
        await self._router.route_most(items)
        with self._frontier.transaction():
            for other in done.others:
                self._recorder.record(other)
            self._paced(host, exchange, failure)
            for passed in done.walls:
                self._recorder.record(passed)
            for each in done.loaded:
                self._recorder.record(each, loaded_for=done.visit.item.url)
            self._router.route(items[-ROUTED_AT_ONCE:])
            self._end(done)
            self._frontier.hosts.save(host)
            self.save()

    def _end(self, done: Visited) -> None:
        visit, exchange, failure = done.visit, done.exchange, done.failure
        if failure is not None:
            # What is not to be used is not kept; what the server said when it failed is.
            is_told = exchange is not None and exchange.status not in (200, NOT_MODIFIED)
            is_kept = is_told and failure.reason not in _KEPT_NOWHERE
            position = self._recorder.record(exchange) if exchange is not None and is_kept else NOWHERE
            self._failed(visit, failure, position)
        elif exchange is not None and exchange.status in REDIRECTS:
            self._redirected(visit, exchange)
        elif exchange is not None:
            count(self._status.visits, visit.item.kind)
            if is_unchanged(exchange, done.known, done.rendered.html):
                count(self._status.unchanged, visit.item.kind)
            position = self._recorder.record(
                exchange, visit, done.policy, done.licences, done.rendered.html, known=done.known
            )
            self._frontier.done(visit, position)

    def _paced(self, host: Host, exchange: Exchange | None, failure: Drop | None) -> None:
        """Tell the host's pace how it answered."""
        if exchange is not None:
            count(self._status.statuses, str(exchange.status))
            self._status.bytes += len(exchange.body)
        host.told(self._turns.pace(host), exchange, failure)

    def _failed(self, visit: Visit, failure: Drop, position: tuple[str, int]) -> None:
        """Try again later what may pass; else drop it, or turn to the next address of an image."""
        config = self._config
        if isinstance(failure, Unfetched) and failure.passing and failure.reason == "proxy":
            self._frontier.again(visit, now() + config.pace.backoff_s, tried=False)
            return
        if isinstance(failure, Unfetched) and failure.passing and visit.tries + 1 < config.fetch.max_attempts:
            wait = max(failure.after_s, config.pace.backoff_s * 2**visit.tries)
            self._frontier.again(visit, now() + wait)
            return
        self.drop(visit, failure, position)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One that keeps the counts with what is dropped in it before any request."""
        before = sum(self._status.drops.values())
        with self._frontier.transaction():
            yield
            if sum(self._status.drops.values()) != before:
                self.save()

    def drop(self, visit: Visit, drop: Drop, position: tuple[str, int] = NOWHERE) -> None:
        """Inside a transaction."""
        count(self._status.drops, drop.reason)
        self._frontier.drop(visit, drop.reason, drop.detail, position)
        self._router.fall_back(visit.item, self._frontier.intake.fallbacks(visit))

    def give_up(self, host: Host, reason: str, detail: str) -> bool:
        """Drop what is queued for a host, a million images perhaps: for so long that others need not wait. Returns
        whether that is all; the rest is for the next call. Inside a transaction."""
        began = time.monotonic()
        while items := self._frontier.give_up_host(host, reason, detail, ROUTED_AT_ONCE):
            count(self._status.drops, reason, len(items))
            for item in items:
                self._router.fall_back(item, item.fallbacks)
            if time.monotonic() - began > _GIVING_UP_S:
                return False
        return True

    def _redirected(self, visit: Visit, exchange: Exchange) -> None:
        """Keep the redirect, and go where it leads: as another visit, with its own consent and its own host's pace."""
        item = visit.item
        target = resolve(item.url, exchange.headers.get("location", ""))
        if is_presigned(target):  # nor is the redirect kept, which holds the key
            self.drop(visit, Drop("presigned"))
            return
        position = self._recorder.record(exchange)
        via = (*item.via, item.url) if item.kind in ("image", "video") else ()
        moved = msgspec.structs.replace(item, url=crawl_url(target or item.url), redirects=item.redirects + 1, via=via)
        if "location" not in exchange.headers:
            self.drop(visit, Drop("http_status", str(exchange.status)), position)
        elif not target:
            self.drop(visit, Drop("bad_address", exchange.headers.get("location", "")[:200]), position)
        elif moved.redirects > self._config.fetch.max_redirects or moved.url == item.url:
            self.drop(visit, Drop("too_many_redirects", moved.url[:200]), position)
        elif item.kind == "page" and item.depth and not in_scope(moved.url, item.url, self._config.scope):
            self._frontier.done(visit, position)
        elif moved.key == item.key and self._router.is_own(moved.url):
            self._frontier.moved(visit, moved)
        else:
            self._frontier.done(visit, position, moved.url if exchange.status in _MOVED else "")
            self._router.route([moved])

    @property
    def requests(self) -> int:
        """Over all runs."""
        return self._requests_before + self._turns.requests

    def save(self) -> None:
        """Keep with the outcome how far the archive reaches, and the counts; inside a transaction."""
        self._recorder.keep_position()
        self._frontier.keep_clock()
        self._status.requests = self.requests
        self._frontier.set_fact("status", msgspec.msgpack.encode(self._status))
