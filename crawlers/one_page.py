"""A single page from the web, for somebody who wants to look at it: with a crawl's safety and consent, and at once."""

import asyncio
from urllib.parse import urlsplit

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, check_status
from crawlers.hosts import learn_policy
from crawlers.http import REDIRECTS
from crawlers.pages import page_of
from crawlers.responses import ASKED_AS, judge_of, require_kind
from schemas.documents import Page
from schemas.drops import Drop
from schemas.signals import Signal
from schemas.urls import resolve


def fetch_page(url: str, config: CrawlConfig = CrawlConfig()) -> Page:
    """The page at an address, or where that leads. Raises `Drop` with the reason a crawl would give.

    The host that is named may lie on this machine or in a private network; one that a redirect leads to may not.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError as error:
        raise Drop("bad_address", f"{url[:200]} ({error})") from None
    allowed = (*config.fetch.allow_private, host)
    fetch = msgspec.structs.replace(config.fetch, allow_private=allowed)
    return asyncio.run(_fetch(url, msgspec.structs.replace(config, fetch=fetch)))


async def _fetch(url: str, config: CrawlConfig) -> Page:
    async with Fetcher(config.fetch) as fetcher:
        for _ in range(config.fetch.max_redirects + 1):
            exchange, site = await _ask(fetcher, url, config)
            if exchange.status not in REDIRECTS:
                check_status(exchange)
                require_kind("page", exchange, config.fetch.max_page_bytes)
                html = exchange.decoded(config.fetch.max_page_bytes)
                fetch_time = f"{exchange.started:%Y-%m-%dT%H:%M:%SZ}"
                return page_of(exchange.url, exchange.headers, html, fetch_time=fetch_time, site=site)
            location = exchange.headers.get("location", "")
            url = resolve(url, location)
            if not url:
                raise Drop("bad_address", location[:200])
    raise Drop("too_many_redirects", f"over {config.fetch.max_redirects}")


async def _ask(fetcher: Fetcher, url: str, config: CrawlConfig) -> tuple[Exchange, tuple[Signal, ...]]:
    """One exchange, if the site's robots.txt and the like allow it, and what they say about the use of the address.

    No pace is kept: a handful of requests is made.
    """

    async def turn(_: str) -> None:
        return None

    policy = await learn_policy(fetcher, url, config.fetch, turn, lambda _: None)
    policy.check(url)
    policy.refuse_use(url, config.consent)
    return await fetcher.get(url, judge_of("page", config), *ASKED_AS["page"]), policy.signals(url)
