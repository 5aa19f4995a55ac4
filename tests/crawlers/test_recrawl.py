"""A spider that knows what an earlier crawl captured, against a server that says whether it has changed."""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from crawlers.crawl_config import CrawlConfig
from crawlers.earlier import EARLIER, Earlier, make_earlier
from crawlers.exchange import Exchange
from crawlers.items import Item
from crawlers.recrawl import Recrawl
from crawlers.render_config import RenderSettings
from crawlers.scope import ScopeSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from tests.crawlers.crawling import config, crawl, image
from tests.crawlers.servers import HTML, Reply, Request, WebServer, page
from tests.crawlers.test_warc_writer import exchange

SEED = "http://a.example/"


def honest(reply: Reply, *validators: tuple[str, str]) -> Callable[[Request], Reply]:
    """Answers 304 to whoever brings back one of these."""
    values = {value for _, value in validators}

    def answer(request: Request) -> Reply:
        brought = {request.headers.get(name, "") for name in ("if-none-match", "if-modified-since")}
        if values & brought:
            return Reply(b"", status=304, headers=validators)
        return Reply(reply.body, reply.content_type, headers=(*reply.headers, *validators))

    return answer


def again(web: WebServer, folder: Path, settings: CrawlConfig, *seeds: str) -> list[str]:
    """Crawl a second time, since `folder/first`; what was asked for."""
    make_earlier(folder / "second" / EARLIER, [str(folder / "first")])
    web.log.clear()
    crawl(folder / "second", settings, *seeds)
    return web.paths()


@pytest.mark.parametrize(
    ("stated", "asked"),
    [
        ((("ETag", '"a"'),), {"if-none-match": '"a"'}),
        ((("ETag", 'W/"a"'),), {"if-none-match": 'W/"a"'}),
        ((("ETag", "*"),), {}),
        ((("ETag", '*, "a"'),), {}),
        ((("ETag", "bare"),), {}),
        ((("ETag", '"a"'), ("ETag", '"b"')), {}),
        ((("Last-Modified", "Mon, 02 Mar 2026 10:00:00 GMT"),), {"if-modified-since": "Mon, 02 Mar 2026 10:00:00 GMT"}),
        ((("Last-Modified", "yesterday"),), {}),
        (
            (("ETag", '""'), ("Last-Modified", "Mon, 02 Mar 2026 10:00:00 GMT")),
            {"if-none-match": '""', "if-modified-since": "Mon, 02 Mar 2026 10:00:00 GMT"},
        ),
        ((), {}),
    ],
)
def test_a_server_is_asked_with_what_it_stated_if_that_can_mean_anything(
    web: WebServer, tmp_path: Path, stated: tuple[tuple[str, str], ...], asked: dict[str, str]
) -> None:
    web.routes["/"] = Reply(page(), headers=stated)
    crawl(tmp_path / "first", config(web), SEED)
    again(web, tmp_path, config(web), SEED)
    line = next(line for line in web.log if line.path == "/")
    assert {name: value for name, value in line.headers.items() if name.startswith("if-")} == asked


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_links_and_images_of_a_page_that_has_not_changed_are_followed(
    web: WebServer, tmp_path: Path, encoding: str
) -> None:
    body = page("/new", images=("/i.png",))
    packed = gzip.compress(body) if encoding == "gzip" else body
    web.routes["/"] = honest(Reply(packed, headers=(("Content-Encoding", encoding),)), ("ETag", '"1"'))
    crawl(tmp_path / "first", config(web), SEED)
    web.routes |= {"/new": Reply(page()), "/i.png": image()}
    assert sorted(again(web, tmp_path, config(web), SEED)) == ["/", "/i.png", "/new"]


def test_a_sitemap_that_has_not_changed_leads_on(web: WebServer, tmp_path: Path) -> None:
    listed = Reply(b"<urlset><url><loc>http://a.example/new</loc></url></urlset>", "text/xml")
    web.routes |= {
        "/robots.txt": Reply(b"Sitemap: /map.xml\n", "text/plain"), "/": Reply(page()),
        "/map.xml": honest(listed, ("ETag", '"m"')),
    }  # fmt: skip
    crawl(tmp_path / "first", config(web), SEED)
    web.routes["/new"] = Reply(page())
    assert sorted(again(web, tmp_path, config(web), SEED)) == ["/", "/map.xml", "/new"]


def test_what_is_said_of_use_counts_as_it_is_now(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(images=("/i.png",)), headers=(("ETag", '"1"'),))
    crawl(tmp_path / "first", config(web), SEED)
    web.routes["/"] = Reply(b"", status=304, headers=(("ETag", '"1"'), ("X-Robots-Tag", "noai")))
    assert again(web, tmp_path, config(web), SEED) == ["/"]
    done = crawl(tmp_path / "second", config(web))
    assert done.reasons() == {SEED: "opt_out"}
    assert done.records() == []


def test_304_from_a_server_that_was_not_asked_is_a_failure(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page())
    crawl(tmp_path / "first", config(web), SEED)
    web.routes["/"] = Reply(b"", status=304)
    again(web, tmp_path, config(web), SEED)
    assert crawl(tmp_path / "second", config(web)).reasons() == {SEED: "http_status"}


def test_an_address_captured_by_another_scheme_comes_whole_and_so_do_pages_that_may_be_rendered(
    web: WebServer, tmp_path: Path
) -> None:
    web.routes["/"] = Reply(page(), headers=(("ETag", '"1"'),))
    crawl(tmp_path / "first", config(web), SEED)
    make_earlier(tmp_path / EARLIER, [str(tmp_path / "first")])
    recrawl, asked = Recrawl(Earlier(tmp_path / EARLIER), config(web)), list[Mapping[str, str]]()
    rendering = Recrawl(Earlier(tmp_path / EARLIER), config(web, render=RenderSettings(enabled=True)))

    async def get(more: Mapping[str, str]) -> Exchange:
        asked.append(more)
        return exchange(SEED, b"")

    for url in (SEED, "https://a.example/"):
        item = Item(url, "page")
        assert recrawl.find(item) is not None
        asyncio.run(recrawl.ask(item, recrawl.find(item), lambda status, headers: 1000, get))
    known = rendering.find(Item(SEED, "page"))
    asyncio.run(rendering.ask(Item(SEED, "page"), known, lambda status, headers: 1000, get))
    assert asked == [{"If-None-Match": '"1"'}, {}, {}]


async def _to_the_end(folder: Path, settings: CrawlConfig, *seeds: str) -> None:
    async with Spider(folder, 0, settings, find_links) as spider:
        spider.offer([Item(seed, "page") for seed in seeds])
        running = asyncio.create_task(spider.run())
        for _ in range(2):
            while not spider.status().is_idle:
                await asyncio.sleep(0.01)
            await spider.offer_known()
        spider.stop()
        await running


def test_pages_without_a_link_are_asked_for_at_the_end_and_nothing_is_followed_from_them(
    web: WebServer, tmp_path: Path
) -> None:
    web.routes |= {
        "a.example/": Reply(page("/old", "/linked")), "/old": Reply(page()), "/linked": Reply(page()),
        "b.example/": Reply(page()), "/beyond": Reply(page()), "/i.png": image(),
    }  # fmt: skip
    crawl(tmp_path / "first", config(web), SEED, "http://b.example/")
    web.routes |= {"a.example/": Reply(page("/linked")), "/old": Reply(page("/beyond", images=("/i.png",)))}
    make_earlier(tmp_path / "second" / EARLIER, [str(tmp_path / "first")])
    web.log.clear()
    settings = config(web, scope=ScopeSettings(max_depth=1))
    asyncio.run(_to_the_end(tmp_path / "second", settings, SEED))
    assert web.paths() == ["/", "/linked", "/old", "/i.png"]
    assert not web.paths("b.example")
    make_earlier(tmp_path / "third" / EARLIER, [str(tmp_path / "first")])
    web.log.clear()
    asyncio.run(_to_the_end(tmp_path / "third", config(web, scope=ScopeSettings(revisit=False)), SEED))
    assert web.paths() == ["/", "/linked"]


def test_content_type_of_a_304_says_nothing(web: WebServer, tmp_path: Path) -> None:
    """Some servers send one with it, of a page that they do not show."""
    web.routes |= {
        "/": Reply(page(images=("/i.png",))),
        "/i.png": image(b"\x89PNG\r\n\x1a\n" + bytes(64), ("ETag", '"p"')),
    }
    crawl(tmp_path / "first", config(web), SEED)
    web.routes["/i.png"] = Reply(b"", HTML, status=304)
    again(web, tmp_path, config(web), SEED)
    assert ("revisit", "http://a.example/i.png") in crawl(tmp_path / "second", config(web)).records()
