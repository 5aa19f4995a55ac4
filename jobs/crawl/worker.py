"""A spider with its folder, its parser processes and its lock: what runs in a Ray actor, or in this process."""

import asyncio
from pathlib import Path
from typing import Any, cast

from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.items import Item
from crawlers.parsing import AT_A_TIME
from crawlers.sitemaps import Sitemap, SitemapEntry
from crawlers.spider import Spider
from jobs.crawl.parse import Picture, read_document
from jobs.engine.isolation import IsolatedPool, IsolationSettings
from schemas.commits import StagedFile
from schemas.deny import DenyList
from schemas.drop_files import DropFile
from schemas.links import PageLinks, PageSource
from schemas.storage import Store, new_attempt

_LOCK_WAIT_S = 120.0


class SpiderWorker:
    """Every method is a coroutine, so that the status can be read while pages are visited."""

    def __init__(self, folder: str, partition: int, config: CrawlConfig, denied: list[str]) -> None:
        self._folder, self._partition = folder, partition
        limits = IsolationSettings(timeout_s=config.parse.timeout_s)
        self._parsers: IsolatedPool[PageSource | Sitemap | Picture, Any] = IsolatedPool(
            read_document, limits, AT_A_TIME
        )
        self._lists = config.consent.hash_lists
        self._spider = Spider(
            Path(folder), partition, config, self._links, DenyList(denied), self._entries, self._refuse_look
        )

    def _links(self, page: PageSource) -> PageLinks:
        return cast(PageLinks, self._parsers(page))

    def _entries(self, sitemap: Sitemap) -> list[SitemapEntry]:
        return cast(list[SitemapEntry], self._parsers(sitemap))

    def _refuse_look(self, body: bytes) -> None:
        self._parsers(Picture(body, self._lists))

    async def open(self) -> None:
        """Take the partition. Workers of a driver that was killed live on for a moment: their lock is waited for."""
        waited = 0.0
        while True:
            try:
                await self._spider.__aenter__()
                return
            except BlockingIOError:
                if waited >= _LOCK_WAIT_S:
                    held = f"another process holds partition {self._partition} of {self._folder}"
                    raise OSError(held) from None
                waited += 0.2
                await asyncio.sleep(0.2)

    async def run(self) -> None:
        await self._spider.run()

    async def offer(self, items: list[Item]) -> None:
        self._spider.offer(items)

    async def outbox(self) -> list[tuple[int, int, Item]]:
        return self._spider.outbox()

    async def delivered(self, ids: list[int]) -> None:
        self._spider.delivered(ids)

    async def status(self) -> Status:
        return self._spider.status()

    async def pause(self, is_paused: bool) -> None:
        self._spider.pause(is_paused)

    async def stop(self) -> None:
        self._spider.stop()

    async def export(self) -> dict[str, int]:
        """Write `drops/crawl-{partition}.parquet`; returns how many addresses were refused, by reason."""
        store, aside = Store(self._folder), _Aside(Store(self._folder))
        with DropFile(aside, f"drops/crawl-{self._partition:06d}.parquet") as drops:
            for row in self._spider.frontier.drops():
                drops.add(row)
        for file in aside.files:
            file.close()
            store.move(file.info().staged, file.info().name)
        return self._spider.frontier.refused()

    async def close(self) -> None:
        await self._spider.__aexit__()
        self._parsers.close()


class _Aside:
    """Files written aside, to be renamed by whoever made them: a rerun writes them anew."""

    def __init__(self, store: Store) -> None:
        self._store, self.files = store, list[StagedFile]()

    def create(self, name: str) -> StagedFile:
        staged = f"drops/.{new_attempt()}.tmp"
        self.files.append(StagedFile(self._store.create(staged), name, staged))
        return self.files[-1]
