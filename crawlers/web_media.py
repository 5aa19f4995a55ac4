"""Media from the live web, for pages whose archives lack them: the fetcher, the manners and the consent of a crawl.

Everything of a partition is asked for once; its bytes wait in a temporary file. The loop runs in a thread of its own,
so that the caller can work on one image while others come.
"""

import asyncio
import concurrent.futures
import random
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from crawlers.captured import CapturedMedia, Media
from crawlers.clock import now
from crawlers.crawl_config import CrawlConfig
from crawlers.fetch import REDIRECTS, Exchange, Fetcher, FetchSettings, Unfetched, check_status, retry_after
from crawlers.flights import Flight, Flights
from crawlers.hosts import PARKED_AFTER, Host, PaceSettings, host_name, learn_policy, other_scheme, policy_file
from crawlers.licences import Licences
from crawlers.responses import ASKED_AS, judge_of, require_kind
from crawlers.site_policy import SitePolicy
from crawlers.turns import Turns
from schemas.consent import ConsentSettings, refusal_by
from schemas.deny import DenyList
from schemas.documents import Consent
from schemas.drops import Drop
from schemas.hash_lists import refuse_listed
from schemas.response_signals import linked_licences
from schemas.settings import Settings
from schemas.signals import Signal
from schemas.urls import absolute_url, media_key, resolve

T = TypeVar("T")
_FURTHER = 20  # times as many pages are looked ahead while one waits
_UNANSWERED = ("connect", "slow", "robots_unavailable")


class MediaSettings(Settings, frozen=True):
    """Where the images of pages come from."""

    from_web: bool = False
    """Fetch the images that the archives lack. Off, a build reaches no network, and its outcome is a function of its
    input alone."""
    pages_ahead: int = 50
    """Images are asked for this many pages before they are needed."""
    fetch: FetchSettings = FetchSettings()
    pace: PaceSettings = PaceSettings()


class WebMedia:
    """A `MediaSource` that gives what `captured` has, and fetches the rest. A context manager."""

    def __init__(
        self,
        captured: CapturedMedia,
        settings: MediaSettings,
        consent: ConsentSettings,
        deny: DenyList = DenyList(),
        kind: str = "image",
    ) -> None:
        self._kind = kind
        self._captured, self._settings, self._deny = captured, settings, deny
        self._config = CrawlConfig(fetch=settings.fetch, pace=settings.pace, consent=consent)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="web media", daemon=True)
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        self._spool_end = 0
        self._writing = threading.Lock()
        self._found: dict[bytes, concurrent.futures.Future[tuple[Media, int, int]]] = {}
        self._hosts: dict[str, Host] = {}
        self._licences = Licences()
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._learning: dict[str, asyncio.Lock] = {}

    @property
    def _max_bytes(self) -> int:
        fetch = self._settings.fetch
        return fetch.max_video_bytes if self._kind == "video" else fetch.max_image_bytes

    def order(self, candidates: Sequence[str]) -> list[str]:
        """What is captured comes first: it costs nobody anything."""
        return sorted(candidates, key=lambda url: not self._captured.has(url))

    def ahead(self, candidates: Sequence[str]) -> None:
        """Begin to fetch the image that will be asked for by these addresses, unless one of them is captured."""
        if candidates and not any(self._captured.has(url) for url in candidates):
            self._ask(candidates[0])

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        """The same items; their images are asked for `pages_ahead` items early: nobody waits for the network.

        While the first item's images have not come, more are asked for: a host that does not answer stops no other.
        """
        waiting: deque[tuple[T, list[Sequence[str]]]] = deque()
        for item in items:
            wanted = list(addresses(item))
            for candidates in wanted:
                self.ahead(candidates)
            waiting.append((item, wanted))
            ahead = self._settings.pages_ahead
            while len(waiting) > ahead and (len(waiting) > ahead * _FURTHER or self._is_there(waiting[0][1])):
                yield waiting.popleft()[0]
        yield from (item for item, _ in waiting)

    def _is_there(self, wanted: Iterable[Sequence[str]]) -> bool:
        """Whether nothing of this is still on its way."""
        asked = (self._found.get(media_key(candidates[0])) for candidates in wanted if candidates)
        return all(future is None or future.done() for future in asked)

    def get(self, url: str) -> Media:
        """Raises `Drop` with the reason of the last attempt."""
        if self._captured.has(url):
            return self._captured.get(url)
        media, offset, length = self._ask(url).result()
        with self._writing:
            self._spool.seek(offset)
            return msgspec.structs.replace(media, body=self._spool.read(length))

    def _ask(self, url: str) -> "concurrent.futures.Future[tuple[Media, int, int]]":
        key = media_key(url)
        if key not in self._found:
            self._found[key] = self._start(self._fetch(url))
        return self._found[key]

    def _start(self, work: Coroutine[Any, Any, Any]) -> "concurrent.futures.Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _fetch(self, url: str) -> tuple[Media, int, int]:
        """The media without its body, and where that waits."""
        address = absolute_url(url)  # in one reading from here on: policies, pace and connection are of the same host
        if not address:
            raise Drop("bad_address", url[:200])
        exchange = await self._follow(address)
        signals = await self._site_signals(exchange)
        body = exchange.decoded(self._max_bytes)
        refuse_listed(body, self._config.consent.hash_lists)
        offset, self._spool_end = self._spool_end, self._spool_end + len(body)
        with self._writing:
            self._spool.seek(offset)
            self._spool.write(body)
        media = Media(url, exchange.headers, b"", signals, f"{exchange.started:%Y-%m-%dT%H:%M:%SZ}")
        return media, offset, len(body)

    async def _site_signals(self, exchange: Exchange) -> tuple[Signal, ...]:
        """What the site's files, and the licences that a response names, say of its use. Raises `Drop("opt_out")`."""
        url, flight = exchange.url, Flight()
        policies = self._host(host_name(url)).policies  # one of them has just let it be asked for
        policy = policies.get(url.partition("://")[0]) or next(iter(policies.values()))

        async def fetch(address: str) -> bytes | None:
            wait = partial(self._turns.wait, flight)
            return await policy_file(self._fetcher, address, self._settings.fetch, wait, self._ended)

        named = [one for one in linked_licences(exchange.headers, url) if not self._deny.denies(one)]
        try:
            licences = await self._licences.signals(named, url, fetch)
        finally:
            self._turns.flights.rest(flight)
        if words := refusal_by(Consent(signals=licences), (), self._config.consent):
            raise Drop("opt_out", words)
        return policy.signals(url) + licences

    async def _follow(self, url: str) -> Exchange:
        """The image at an address or where it leads: each hop with its own consent and pace. Raises `Drop`."""
        limit = self._settings.fetch.max_redirects
        for _ in range(limit + 1):
            exchange = await self._persistently(url)
            if exchange.status not in REDIRECTS:
                check_status(exchange)
                require_kind(self._kind, exchange, self._max_bytes)
                return exchange
            url = resolve(url, exchange.headers.get("location", ""))
            if not url:
                raise Drop("bad_address", exchange.headers.get("location", "")[:200])
        raise Drop("too_many_redirects", f"over {limit}")

    async def _persistently(self, url: str) -> Exchange:
        """An exchange, tried again while its failure may pass."""
        attempts, attempt = self._settings.fetch.max_attempts, 0
        while True:
            attempt += 1
            try:
                exchange = await self._politely(url)
                if exchange.status not in REDIRECTS:
                    check_status(exchange)
                return exchange
            except Unfetched as failure:
                if failure.reason == "connect" and url.startswith("http://") and other_scheme(url):
                    url, attempt = other_scheme(url), 0  # many a host speaks https alone
                    continue
                if not failure.passing or attempt == attempts:
                    raise
                if failure.reason in _UNANSWERED and self._host(host_name(url)).failures >= PARKED_AFTER:
                    raise
                wait = max(failure.after_s, self._settings.pace.backoff_s * 2 ** (attempt - 1))
                await asyncio.sleep(wait * random.uniform(1.0, 1.25))

    async def _politely(self, url: str) -> Exchange:
        """One exchange in its turn, if nothing forbids it."""
        if self._deny.denies(url):
            raise Drop("denied")
        name = host_name(url)
        host = self._host(name)
        pace = self._turns.pace(host)
        gate = self._gates.setdefault(name, asyncio.Semaphore(pace.concurrency_per_host))
        async with gate:
            policy = await self._policy(host, url)
            policy.check(url)
            policy.refuse_use(url, self._config.consent)
            if host.delay_s(pace) > pace.max_delay_s:
                raise Drop("crawl_delay", f"{host.delay_s(pace):g} s")
            if host.over_budget(pace):
                raise Drop("host_budget", f"{host.requests} requests")
            if host.is_down(pace):
                raise Drop("host_down", f"{host.failures} failures in a row")
            flight = Flight()
            await self._turns.wait(flight, url)
            try:
                exchange = await self._get(flight, url)
            except Unfetched as failure:
                is_tried_in_https = failure.reason == "connect" and url.startswith("http://") and other_scheme(url)
                if failure.passing and not is_tried_in_https:
                    host.failed(pace)
                raise
            finally:
                self._turns.flights.rest(flight)
            host.ended(pace, exchange.sent_at)
            if exchange.status in (429, 503):
                host.failed(pace, retry_after(exchange))
            else:
                host.answered()
            return exchange

    async def _policy(self, host: Host, url: str) -> SitePolicy:
        scheme = url.partition("://")[0]
        async with self._learning.setdefault(host.name, asyncio.Lock()):
            policy = host.policy(scheme, self._settings.pace, now())
            if policy is None:
                flight, pace = Flight(), self._turns.pace(host)
                if host.is_down(pace):
                    raise Drop("host_down", f"{host.failures} failures in a row")
                try:
                    policy = await learn_policy(
                        self._fetcher, url, self._settings.fetch, partial(self._turns.wait, flight), self._ended
                    )
                finally:
                    self._turns.flights.rest(flight)
                if policy.unreached and scheme == "http" and other_scheme(url):
                    raise Unfetched("connect", passing=True)
                host.learned(scheme, policy, pace)
                if policy.robots is None:
                    raise Unfetched("robots_unavailable", passing=True)
            return policy

    async def _get(self, flight: Flight, url: str) -> Exchange:
        judge = judge_of(self._kind, self._config)

        def answered(status: int, headers: dict[str, str]) -> int:
            self._turns.flights.answered(flight)
            return judge(status, headers)

        return await self._fetcher.get(url, answered, *ASKED_AS[self._kind])

    def _ended(self, exchange: Exchange) -> None:
        host = self._host(host_name(exchange.url))
        host.ended(self._turns.pace(host), exchange.sent_at)

    def _host(self, name: str) -> Host:
        return self._hosts.setdefault(name, Host(name))

    def __enter__(self) -> "WebMedia":
        self._thread.start()
        fetch = self._settings.fetch
        self._fetcher: Fetcher = self._start(Fetcher(fetch).__aenter__()).result()
        flights = Flights(self._config.max_in_flight, fetch.max_connections)
        self._turns = Turns(self._settings.pace, flights, self._fetcher.resolver, self._host)
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._fetcher.__aexit__(None, None, None)

        self._start(end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._spool.close()
