"""A spider that ends in the middle, and the next one in its folder."""

import asyncio
from pathlib import Path

import pytest

from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.scope import ScopeSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from tests.crawlers.crawling import config, crawl
from tests.crawlers.servers import Reply, WebServer, page


def test_what_was_in_flight_is_visited_again_and_nothing_else(web: WebServer, tmp_path: Path) -> None:
    """Left in the middle without a goodbye, as a killed process leaves it."""
    web.routes["/"] = Reply(page(*(f"/{n}" for n in range(30))))
    web.routes |= {f"/{n}": Reply(page(), delay_s=0.02) for n in range(30)}
    settings = config(web, PaceSettings(delay_s=0.0, concurrency_per_host=2))

    async def first() -> None:
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            spider.offer([Item("http://a.example/", "page")])
            running = asyncio.create_task(spider.run())
            while len(web.paths()) < 12:
                await asyncio.sleep(0.005)
            running.cancel()

    asyncio.run(first())
    assert not list((tmp_path / "warc").glob("*.warc.gz"))
    done = crawl(tmp_path, settings, "http://a.example/")
    assert len(done.urls()) == len(set(done.urls())) == 31
    assert len(web.paths()) <= 31 + 2


def test_what_was_dropped_without_a_request_is_counted_by_the_next_run(web: WebServer, tmp_path: Path) -> None:
    web.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /", "text/plain")

    async def first() -> None:
        async with Spider(tmp_path, 0, config(web), find_links) as spider:
            spider.offer([Item("http://a.example/", "page")])
            running = asyncio.create_task(spider.run())
            while not spider.status().drops:
                await asyncio.sleep(0.005)
            running.cancel()

    asyncio.run(first())
    done = crawl(tmp_path, config(web))
    assert done.reasons() == {"http://a.example/": "robots"}
    assert done.status.drops == {"robots": 1}


def test_what_the_disk_lost_is_visited_again(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(*(f"/{n}" for n in range(9))))
    web.routes |= {f"/{n}": Reply(page()) for n in range(9)}

    async def first() -> None:
        async with Spider(tmp_path, 0, config(web), find_links) as spider:
            spider.offer([Item("http://a.example/", "page")])
            running = asyncio.create_task(spider.run())
            while not spider.status().is_idle:
                await asyncio.sleep(0.01)
            running.cancel()

    asyncio.run(first())
    (staged,) = (tmp_path / "warc").glob(".*.tmp")
    staged.write_bytes(staged.read_bytes()[: staged.stat().st_size // 2])
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert sorted(set(done.urls())) == sorted(["http://a.example/", *(f"http://a.example/{n}" for n in range(9))])


def test_a_partition_has_one_worker(web: WebServer, tmp_path: Path) -> None:
    async def run() -> None:
        async with Spider(tmp_path, 0, config(web), find_links):
            with pytest.raises(BlockingIOError):
                await Spider(tmp_path, 0, config(web), find_links).__aenter__()

    asyncio.run(run())


def test_what_belongs_to_others_waits_in_the_outbox(web: WebServer, tmp_path: Path) -> None:
    hosts = [f"http://{name}.example/" for name in "bcdefgh"]
    web.routes["/"] = Reply(page(*hosts))
    settings = config(web, scope=ScopeSettings(follow="any"), partitions=3)

    async def run() -> None:
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            spider.offer([Item("http://a.example/", "page")])
            running = asyncio.create_task(spider.run())
            while not (spider.status().visits.get("page") and not spider.status().queued):
                await asyncio.sleep(0.01)
            waiting = spider.outbox()
            assert waiting
            assert {partition for _, partition, _ in waiting} <= {1, 2}
            spider.delivered([number for number, _, _ in waiting])
            assert spider.outbox() == []
            spider.stop()
            await running

    asyncio.run(run())
