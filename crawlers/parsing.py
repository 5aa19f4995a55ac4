"""Reading what sites send, so that none of them holds up the others: off the event loop, one document of a site at a
time, and within a budget for each site.

What reads is handed in. In a crawl it is a child process with limits of its own, for hostile markup can be stopped no
other way.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

import msgspec

from schemas.drops import Drop
from schemas.settings import Settings
from schemas.urls import host_of, registered_domain

T = TypeVar("T")

#: Documents that are read at a time: a site that takes long has one of them.
AT_A_TIME = 2
_ORDINARY_S = 1.0  # no real page takes longer; a busy machine needs slack
_MAX_WAITING = 4  # of a site that takes long: each holds a place among the visits of its worker
_COSTLY = ("timeout", "crashed", "out_of_memory")


class ParseSettings(Settings, frozen=True):
    """How much work the markup of a site may make. Its pages are kept beyond that, and their links not looked for."""

    timeout_s: float = 10.0
    """For one page or sitemap."""
    max_slow_s: float = 60.0
    """Of a site, by registered domain, over all its pages: the seconds that each took beyond the first."""
    max_failures: int = 5
    """Pages of a site in a row that took too long or too much memory."""


class _Site(msgspec.Struct):
    turn: asyncio.Lock
    slow_s: float = 0.0
    failures: int = 0  # in a row
    waiting: int = 0
    since: float = 0.0  # when the one in hand was begun, by the monotonic clock; 0: none is


class Parsing:
    """Runs readers for the sites of one crawler; remembers those that cost much, for as long as the process lives."""

    def __init__(self, settings: ParseSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._suspects = asyncio.Semaphore(AT_A_TIME - 1)  # so that a slot is left for others
        self._sites: dict[str, _Site] = {}

    async def run(self, url: str, read: Callable[[], T]) -> T:
        """What `read` returns for the document of an address, in a thread. Raises what it raises, and
        `Drop("parse_budget")` once the site has had its share."""
        name = registered_domain(host_of(url))
        site = self._sites.setdefault(name, _Site(asyncio.Lock()))
        site.waiting += 1
        try:
            await self._take_turn(site, name)  # before a slot: who waits for another page of its site holds none
            try:
                self._refuse_spent(site, name)
                took_long = site.slow_s or site.failures
                async with self._suspects if took_long else nullcontext(), self._slots:
                    return await self._timed(site, read)
            finally:
                site.turn.release()
        finally:
            site.waiting -= 1
            if not (site.waiting or site.slow_s or site.failures):
                del self._sites[name]

    async def _take_turn(self, site: _Site, name: str) -> None:
        while True:
            try:
                async with asyncio.timeout(_ORDINARY_S):
                    await site.turn.acquire()
                return
            except TimeoutError:
                takes_long = site.since and time.monotonic() - site.since > _ORDINARY_S
                if takes_long and site.waiting > _MAX_WAITING:
                    raise Drop("parse_budget", f"{name}: another page takes long") from None

    def _refuse_spent(self, site: _Site, name: str) -> None:
        if site.slow_s > self._settings.max_slow_s:
            raise Drop("parse_budget", f"{name}: {site.slow_s:.0f} s")
        if site.failures >= self._settings.max_failures:
            raise Drop("parse_budget", f"{name}: {site.failures} failures in a row")

    async def _timed(self, site: _Site, read: Callable[[], T]) -> T:
        began = site.since = time.monotonic()
        try:
            found = await asyncio.to_thread(read)
        except Drop as drop:
            site.failures += drop.reason in _COSTLY
            raise
        finally:
            site.since = 0.0
            site.slow_s += max(0.0, time.monotonic() - began - _ORDINARY_S)
        site.failures = 0
        return found
