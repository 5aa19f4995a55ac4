"""A response of status 200 read: where it leads, by what is handed in to parse it."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.exchange import Exchange
from crawlers.items import Item
from crawlers.parsing import Parsing
from crawlers.responses import Found, cap_of, in_page, in_sitemap, is_encoded, markup_of, require_kind
from crawlers.sitemaps import MAX_SITEMAP_BYTES, Sitemap, SitemapEntry, entries_of
from schemas.drops import Drop
from schemas.links import PageLinks, PageSource


class Reader:
    """`parse` finds the links of a page, `read_sitemap` what a sitemap lists; both are called in threads."""

    def __init__(
        self,
        config: CrawlConfig,
        parse: Callable[[PageSource], PageLinks],
        read_sitemap: Callable[[Sitemap], Sequence[SitemapEntry]] = entries_of,
    ) -> None:
        self._config, self._parse, self._read_sitemap = config, parse, read_sitemap
        self._parsing = Parsing(config.parse)

    async def read(self, item: Item, exchange: Exchange) -> Found:
        """What it leads to; its headers were judged when they came. Raises `Drop` where it is not what was asked for,
        and for a sitemap that cannot be read."""
        max_bytes = cap_of(item.kind, self._config)
        if item.kind == "page":
            return await self._page(item, exchange, await asyncio.to_thread(self._markup, exchange, max_bytes))
        if is_encoded(exchange):
            await asyncio.to_thread(require_kind, item.kind, exchange, max_bytes)
        else:  # a look at some bytes: less than a thread costs
            require_kind(item.kind, exchange, max_bytes)
        match item.kind:
            case "sitemap":
                sitemap = Sitemap(item.url, await asyncio.to_thread(exchange.decoded, MAX_SITEMAP_BYTES))
                entries = await self._parsing.run(item.url, lambda: self._read_sitemap(sitemap))
                return in_sitemap(item, entries, self._config)
        return Found()

    def _markup(self, exchange: Exchange, max_bytes: int) -> PageSource:
        require_kind("page", exchange, max_bytes)
        return markup_of(exchange, self._config.fetch.max_page_bytes)

    async def _page(self, item: Item, exchange: Exchange, markup: PageSource) -> Found:
        """A page whose links cannot be found is kept all the same."""
        links, unread = PageLinks(), ""
        try:
            links = await self._parsing.run(item.url, lambda: self._parse(markup))
        except Drop as drop:
            unread = drop.reason
        found = msgspec.structs.replace(in_page(item, exchange, links, self._config), unread=unread)
        render = self._config.render
        if render.enabled and not found.refusal and await asyncio.to_thread(render.wants, item.url, markup.html):
            return msgspec.structs.replace(found, bare=markup)
        return found

    async def read_rendered(self, item: Item, exchange: Exchange, html: bytes, raw: Found) -> Found:
        """Where a page leads as its scripts made it, and where its own markup did."""
        try:
            links = await self._parsing.run(item.url, lambda: self._parse(PageSource(item.url, html, "utf-8")))
        except Drop as drop:
            return msgspec.structs.replace(raw, unread=drop.reason)
        found = in_page(item, exchange, links, self._config)
        return msgspec.structs.replace(
            found,
            items=tuple(dict.fromkeys((*found.items, *raw.items))),
            licences=tuple(dict.fromkeys((*found.licences, *raw.licences))),
        )
