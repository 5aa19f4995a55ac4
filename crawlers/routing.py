"""Where addresses go that were found: into the frontier of this partition, or to the one that they belong to."""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.frontier import Frontier
from crawlers.items import Item
from crawlers.ranking import Link, Ranking
from crawlers.scope import is_wanted, partition_of

#: Items in one transaction: visits of others come between.
ROUTED_AT_ONCE = 500
_RANKING = "ranking"  # the name of what gave the points of this frontier


class Router:
    """Of partition number `partition` of `config.partitions`. Items are routed inside a transaction of its frontier."""

    def __init__(
        self, frontier: Frontier, partition: int, config: CrawlConfig, ranking: Ranking, status: Status
    ) -> None:
        self._frontier, self._partition, self._config = frontier, partition, config
        self._ranking, self._status = ranking, status
        frontier.intake.counts_links = ranking.is_used

    def is_own(self, url: str) -> bool:
        return partition_of(url, self._config.partitions) == self._partition

    async def ranked(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items with their points; others than our own get theirs where they belong. Before a transaction."""
        if not self._ranking.is_used:
            return items
        done: list[Item] = []
        for start in range(0, len(items), ROUTED_AT_ONCE):
            done += await self._rank(list(items[start : start + ROUTED_AT_ONCE]))
        return done

    async def _rank(self, items: list[Item]) -> list[Item]:
        """What is queued is asked for anew as the links to it double."""
        asked, links = list[int](), list[int]()
        for number, item in enumerate(items):
            if not self.is_own(item.url):
                continue
            known = self._frontier.intake.standing(item)
            if known is None or (known[0] & (known[0] + 1)) == 0:
                asked.append(number)
                links.append(1 if known is None else known[0] + 1)
            else:
                items[number] = msgspec.structs.replace(item, score=known[1])
        scores = await self._points([items[number] for number in asked], links)
        for number, score in zip(asked, scores, strict=True):
            items[number] = msgspec.structs.replace(items[number], score=score)
        return items

    async def _points(self, items: Sequence[Item], links: Sequence[int]) -> list[float]:
        seen = [
            Link(item.url, item.kind, item.depth, item.found_on, item.language, n)
            for item, n in zip(items, links, strict=True)
        ]
        return await self._ranking.points(seen, self._status)

    async def renew(self) -> None:
        """Give what is queued its points anew, where they were given by other settings or another function."""
        if self._frontier.fact(_RANKING).decode() == self._ranking.name:
            return
        last = 0
        while rows := self._frontier.intake.queued(last, ROUTED_AT_ONCE):
            scores = await self._points([item for _, item, _ in rows], [links for _, _, links in rows])
            last = rows[-1][0]
            with self._frontier.transaction():
                self._frontier.intake.rank(zip((number for number, _, _ in rows), scores, strict=True))
        with self._frontier.transaction():
            self._frontier.hosts.renew_bands()
            self._frontier.set_fact(_RANKING, self._ranking.name.encode())

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
