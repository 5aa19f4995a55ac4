"""A spider let loose on a server of this machine, and what came of it."""

import asyncio
import time
from pathlib import Path

import msgspec
from warcio.archiveiterator import ArchiveIterator

from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.fetch_settings import FetchSettings
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from schemas.deny import DenyList
from schemas.drops import DropRow
from tests.crawlers.servers import Reply, WebServer

PNG = b"\x89PNG\r\n\x1a\n" + b"picture " * 50
MP4 = b"\0\0\0\x18ftypisom" + bytes(100)
FAST = PaceSettings(delay_s=0.0, concurrency_per_host=4, backoff_s=0.05)


def image(body: bytes = PNG, *headers: tuple[str, str]) -> Reply:
    return Reply(body, "image/png", headers=headers)


def config(web: WebServer, pace: PaceSettings = FAST, **settings: object) -> CrawlConfig:
    hosts = {f"{name}.example": web.address for name in "abcdefgh"}
    fetch = FetchSettings(connect_to=hosts, deadline_s=2.0)
    return msgspec.structs.replace(CrawlConfig(partitions=1, pace=pace, fetch=fetch), **settings)


class Outcome:
    def __init__(self, folder: Path, status: Status, drops: list[DropRow], refused: dict[str, int]) -> None:
        self.folder, self.status, self.refused = folder, status, refused
        self.drops = {row.url: row for row in drops}

    def reasons(self) -> dict[str, str]:
        return {url: row.reason for url, row in self.drops.items()}

    def records(self) -> list[tuple[str, str]]:
        """Type and address of every record in the finished archives but those of requests and policy files."""
        found = []
        for path in sorted((self.folder / "warc").glob("*.warc.gz")):
            with path.open("rb") as file:
                for record in ArchiveIterator(file):
                    uri = record.rec_headers.get_header("WARC-Target-URI") or ""
                    if record.rec_type in ("response", "revisit") and not uri.endswith((".txt", "tdmrep.json")):
                        found.append((record.rec_type, uri))
        return found

    def urls(self) -> list[str]:
        return sorted(uri for _, uri in self.records())


def crawl(
    folder: Path,
    settings: CrawlConfig,
    *seeds: str,
    deny: tuple[str, ...] = (),
    limit_s: float = 20.0,
    wait: bool = True,
) -> Outcome:
    """Until nothing is left, for `limit_s` seconds at most; without `wait` what is in flight then is cut off."""

    async def run() -> Outcome:
        async with Spider(folder, 0, settings, find_links, DenyList(deny)) as spider:
            spider.offer(await spider.ranked([Item(seed, "page") for seed in seeds]))
            running = asyncio.create_task(spider.run())
            end = time.monotonic() + limit_s
            while not running.done() and not spider.status().is_idle and time.monotonic() < end:
                await asyncio.sleep(0.01)
            if not wait:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                return Outcome(folder, spider.status(), list(spider.frontier.drops()), spider.frontier.refused())
            spider.stop()
            await running
            return Outcome(folder, spider.status(), list(spider.frontier.drops()), spider.frontier.refused())

    return asyncio.run(run())
