"""Where addresses go that were found: into the frontier of this partition, or to the one that they belong to."""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.frontier import Frontier
from crawlers.items import Item
from crawlers.scope import is_wanted, partition_of

#: Items in one transaction: visits of others come between.
ROUTED_AT_ONCE = 500


class Router:
    """Of partition number `partition` of `config.partitions`. Items are routed inside a transaction of its frontier."""

    def __init__(self, frontier: Frontier, partition: int, config: CrawlConfig) -> None:
        self._frontier, self._partition, self._config = frontier, partition, config

    def is_own(self, url: str) -> bool:
        return partition_of(url, self._config.partitions) == self._partition

    async def route_most(self, items: Sequence[Item]) -> None:
        """All but the last of very many, in transactions of their own, with room between for the visits of others. Met
        again, they are known."""
        for start in range(0, len(items) - ROUTED_AT_ONCE, ROUTED_AT_ONCE):
            with self._frontier.transaction():
                self.route(items[start : min(start + ROUTED_AT_ONCE, len(items) - ROUTED_AT_ONCE)])
            await asyncio.sleep(0)

    def route(self, items: Iterable[Item]) -> None:
        """Queue items here, or leave them for the partition that they belong to."""
        for item in items:
            partition = partition_of(item.url, self._config.partitions)
            if partition == self._partition:
                self.add(item)
            else:
                self._frontier.post(partition, item)

    def add(self, item: Item) -> None:
        if is_wanted(item.url, item.kind == "page", self._config.scope):
            is_queued = self._frontier.intake.add(item)
            if not is_queued and item.fallbacks and self._frontier.intake.has_failed(item):
                self.fall_back(item, item.fallbacks)

    def fall_back(self, item: Item, fallbacks: Sequence[str]) -> None:
        """Turn to the next address of an image."""
        if fallbacks:
            other = msgspec.structs.replace(item, url=fallbacks[0], fallbacks=tuple(fallbacks[1:]), redirects=0, via=())
            self.route([other])
