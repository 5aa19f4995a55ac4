"""A spider against servers on this machine; the servers' own logs say how it behaved."""

import asyncio
import gzip
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from crawlers.crawl_status import Status
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.parsing import ParseSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from schemas.drops import Drop
from schemas.links import PageLinks, PageSource
from tests.crawlers.crawling import FAST, MP4, PNG, Outcome, config, crawl, image
from tests.crawlers.servers import Reply, Request, WebServer, drip, page


def test_a_site_is_followed_page_by_page_with_its_images_and_videos(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/": Reply(page("/one", "two.html#part", "http://b.example/away", images=("/i.png",))),
        "/one": Reply(page("/", "/one?utm_source=x") + b"<video src=/v.mp4></video>"),
        "/two.html": Reply(page("/gone", images=("/i.png", "http://b.example/j.png"))),
        "/i.png": image(), "/j.png": image(PNG + b"2"), "/v.mp4": Reply(MP4, "video/mp4"),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert done.status.visits == {"page": 3, "image": 2, "video": 1}
    assert done.urls() == [
        "http://a.example/", "http://a.example/gone", "http://a.example/i.png", "http://a.example/one",
        "http://a.example/two.html", "http://a.example/v.mp4", "http://b.example/j.png",
    ]  # fmt: skip
    assert done.reasons() == {"http://a.example/gone": "http_status"}
    assert max(Counter((line.host, line.path) for line in web.log).values()) == 1


def test_a_page_cut_off_in_its_encoding_is_no_page(web: WebServer, tmp_path: Path) -> None:
    headers = (("Content-Encoding", "gzip"),)
    web.routes |= {"/": Reply(gzip.compress(page("/b"))[:-9], headers=headers), "/b": Reply(page())}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths() == ["/"]
    assert done.reasons() == {"http://a.example/": "truncated_body"}


def test_hostile_servers_cost_only_themselves(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/": Reply(page("/drip", "/fine", images=("/drip.png", "/html.png"))), "/fine": Reply(page()),
        "/drip": Reply(pieces=drip), "/drip.png": Reply(PNG, "image/png", pieces=drip, length=None),
        "/html.png": Reply(b"<html>no such picture</html>", "image/png"),
    }  # fmt: skip
    settings = config(web, msgspec.structs.replace(FAST, max_failures=50))
    fetch = msgspec.structs.replace(settings.fetch, deadline_s=0.3)
    done = crawl(tmp_path, msgspec.structs.replace(settings, fetch=fetch), "http://a.example/")
    assert done.urls() == ["http://a.example/", "http://a.example/fine"]
    assert done.reasons() == {
        "http://a.example/drip": "slow",
        "http://a.example/drip.png": "slow",
        "http://a.example/html.png": "unsupported_type",
    }


def test_drawings_are_images_of_a_crawl(web: WebServer, tmp_path: Path) -> None:
    drawing = b"<?xml version='1.0'?><!-- drawn by hand, and said so at length --><svg width='200' height='100'></svg>"
    web.routes |= {
        "/": Reply(page(images=("/map.svg", "/none.svg"))),
        "/map.svg": Reply(drawing, "image/svg+xml"), "/none.svg": Reply(b"<html>no such map</html>", "image/svg+xml"),
    }  # fmt: skip
    done = crawl(tmp_path, config(web, FAST), "http://a.example/")
    assert done.urls() == ["http://a.example/", "http://a.example/map.svg"]
    assert done.reasons() == {"http://a.example/none.svg": "unsupported_type"}


def test_the_same_picture_under_another_address_is_a_revisit(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page(images=("/i.png", "/copy.png"))), "/i.png": image(), "/copy.png": image()}
    done = crawl(tmp_path, config(web, PaceSettings(delay_s=0.0)), "http://a.example/")
    assert done.records()[1:] == [("response", "http://a.example/i.png"), ("revisit", "http://a.example/copy.png")]


def _wall(request: Request) -> Reply:
    """Shows its page to who brings back both cookies, the second of which is set elsewhere."""
    cookies = request.headers.get("cookie", "")
    if "seen=1" in cookies and "id=a,b" in cookies:
        return Reply(page("/b") if request.path == "/a" else b"<p>Inside</p>")
    expires = "Expires=Wed, 21 Oct 2099 07:28:00 GMT"
    cookie = ("Set-Cookie", f"id=a,b; {expires}; Path=/")
    return Reply(status=302, headers=(("Location", f"/check?to={request.path}"), cookie, ("Set-Cookie", "x=y")))


def _check_of_wall(request: Request) -> Reply:
    assert "id=a,b" in request.headers["cookie"]
    return Reply(status=302, headers=(("Location", request.path.partition("to=")[2]), ("Set-Cookie", "seen=1")))


def test_a_wall_of_cookies_is_passed_where_the_settings_say_so(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/a": _wall, "/b": _wall, "/check": _check_of_wall}
    settings = config(web)
    settings = msgspec.structs.replace(settings, fetch=msgspec.structs.replace(settings.fetch, cookies=True))
    outcome = crawl(tmp_path / "with", settings, "http://a.example/a")
    assert outcome.status.visits == {"page": 2}
    assert outcome.urls().count("http://a.example/b") == 2  # the redirect, and the page
    asked = [line for line in web.log if line.path == "/b"]
    assert "cookie" not in asked[0].headers  # each visit begins without any
    assert sorted(asked[1].headers["cookie"].split("; ")) == ["id=a,b", "seen=1", "x=y"]
    web.log.clear()
    web.routes["/check"] = Reply(status=302, headers=(("Location", "/a"),))
    assert crawl(tmp_path / "without", config(web), "http://a.example/a").status.visits == {}
    assert all("cookie" not in line.headers for line in web.log)


@pytest.mark.parametrize("target", ["http://b.example/a", "/a"])
def test_cookies_go_to_no_other_host_and_not_in_circles(web: WebServer, tmp_path: Path, target: str) -> None:
    web.routes["a.example/a"] = Reply(status=302, headers=(("Location", target), ("Set-Cookie", "id=1")))
    web.routes["b.example/a"] = Reply(page())
    settings = config(web)
    settings = msgspec.structs.replace(settings, fetch=msgspec.structs.replace(settings.fetch, cookies=True))
    outcome = crawl(tmp_path, settings, "http://a.example/a")
    assert all("cookie" not in line.headers for line in web.log if line.host == "b.example")
    assert len(web.paths("a.example")) <= 1 + settings.fetch.max_redirects
    assert set(outcome.reasons().values()) == ({"too_many_redirects"} if target == "/a" else set())


def test_what_is_cut_off_a_page_is_counted(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(images=tuple(f"http://b.example/{n}.png" for n in range(503))))
    done = crawl(tmp_path, config(web, videos=False), "http://a.example/", limit_s=10)
    assert done.status.drops["links of a page: too_many"] == 3


def test_a_server_that_dies_and_comes_back_is_finished(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {f"/{n}": Reply(page(f"/{n + 1}")) for n in range(10)}
    web.routes |= {"/10": Reply(page())}

    async def run() -> Status:
        pace = PaceSettings(delay_s=0.02, backoff_s=0.2, max_failures=20)
        settings = config(web, pace)
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            spider.offer([Item("http://a.example/0", "page")])
            running = asyncio.create_task(spider.run())
            while len(web.paths()) < 4:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(web.stop)
            await asyncio.sleep(0.4)
            await asyncio.to_thread(web.start)
            while not spider.status().is_idle:
                await asyncio.sleep(0.02)
            spider.stop()
            await running
            return spider.status()

    status = asyncio.run(asyncio.wait_for(run(), 30))
    assert status.visits.get("page", 0) == 11


def test_a_site_beyond_its_budget_is_recorded_and_not_parsed(web: WebServer, tmp_path: Path) -> None:
    def parse(markup: PageSource) -> PageLinks:
        if markup.url.startswith("http://a."):
            raise Drop("timeout")
        return find_links(markup)

    web.routes |= {f"/{number}": Reply(page()) for number in range(9)}
    web.routes["b.example/"] = Reply(page("/1", "/2"))
    settings = config(web, parse=ParseSettings(max_failures=3))

    async def run() -> Outcome:
        async with Spider(tmp_path, 0, settings, parse) as spider:
            spider.offer(
                [Item(f"http://a.example/{n}", "page") for n in range(9)] + [Item("http://b.example/", "page")]
            )
            running = asyncio.create_task(spider.run())
            while not spider.status().is_idle:
                await asyncio.sleep(0.01)
            spider.stop()
            await running
            return Outcome(tmp_path, spider.status(), list(spider.frontier.drops()), spider.frontier.refused())

    outcome = asyncio.run(run())
    assert len(outcome.urls()) == 9 + 3
    counts = outcome.status.drops
    assert counts["links of a page: timeout"] == 3
    assert counts["links of a page: parse_budget"] == 6
