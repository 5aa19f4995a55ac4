"""Which addresses a spider goes to: redirects, aliases, sitemaps, scope and budgets."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from crawlers.items import Item
from crawlers.scope import ScopeSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from tests.crawlers.crawling import FAST, config, crawl, image
from tests.crawlers.servers import Reply, Request, WebServer, page


def test_a_redirect_out_of_a_sitemap_does_not_lead_elsewhere(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "a.example/robots.txt": Reply(b"Sitemap: /map.xml\n", "text/plain"), "a.example/": Reply(page()),
        "/map.xml": Reply(b"<urlset><url><loc>http://a.example/out</loc></url></urlset>", "text/xml"),
        "/out": Reply(status=302, headers=(("Location", "http://b.example/"),)), "b.example/": Reply(page()),
    }  # fmt: skip
    crawl(tmp_path, config(web), "http://a.example/")
    assert "/out" in web.paths()
    assert not web.paths("b.example")


def test_a_sitemap_on_another_host_speaks_for_the_site_that_names_it(web: WebServer, tmp_path: Path) -> None:
    entry = "<{0}><loc>{1}</loc></{0}>".format
    index = entry("sitemap", "http://b.example/more.xml") + entry("sitemap", "http://c.example/map.xml")
    listed = entry("url", "http://a.example/listed") + entry("url", "http://b.example/own")
    web.routes |= {
        "a.example/robots.txt": Reply(b"Sitemap: http://b.example/index.xml\n", "text/plain"),
        "b.example/index.xml": Reply(f"<sitemapindex>{index}</sitemapindex>".encode(), "text/xml"),
        "b.example/more.xml": Reply(f"<urlset>{listed}</urlset>".encode(), "text/xml"),
        "/": Reply(page()), "/listed": Reply(page()), "/own": Reply(page()),
    }  # fmt: skip
    crawl(tmp_path, config(web), "http://a.example/")
    assert sorted(web.paths("a.example")) == ["/", "/listed"]
    assert sorted(web.paths("b.example")) == ["/index.xml", "/more.xml"]


@pytest.mark.parametrize(("head", "path"), [
    (("Location", "/b\xc3\xbccher"), "/b%C3%BCcher"), (("Location", "/b\xfccher"), "/b%FCcher"),
    (("Refresh", "0; url=/b\xc3\xbccher"), "/b%C3%BCcher"),
])  # fmt: skip
def test_addresses_in_headers_are_taken_to_the_byte(
    web: WebServer, tmp_path: Path, head: tuple[str, str], path: str
) -> None:
    web.routes |= {
        "/": Reply(page(), status=302 if head[0] == "Location" else 200, headers=(head,)),
        path: Reply(page()),
    }
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths() == ["/", path]
    assert not done.drops


@pytest.mark.parametrize("stated", ["Charset=iso-8859-2", "CHARSET = iso-8859-2", "x=y; charset='iso-8859-2'"])
def test_the_charset_of_the_header_is_read_however_it_is_written(web: WebServer, tmp_path: Path, stated: str) -> None:
    web.routes |= {
        "/": Reply("<a href='/\u017e'>".encode("iso-8859-2"), f"text/html; {stated}"),
        "/%C5%BE": Reply(page()),
    }
    crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths() == ["/", "/%C5%BE"]


def test_a_redirect_to_nowhere_says_its_status(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(status=302)
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert [(row.reason, row.detail) for row in done.drops.values()] == [("http_status", "302")]


def test_a_redirect_to_a_private_address_is_refused(web: WebServer, tmp_path: Path) -> None:
    places = ("http://127.0.0.1:{port}/in", "http://169.254.169.254/latest/", "http://[::1]/", "file:///etc/passwd")
    for number, place in enumerate(places):
        web.routes[f"/{number}"] = Reply(status=302, headers=(("Location", place.format(port=web.port)),))
    web.routes["/"] = Reply(page(images=tuple(f"/{number}" for number in range(len(places)))))
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert "/in" not in web.paths()
    assert sorted(done.reasons().values()) == ["bad_address", *["blocked_address"] * 3]


def test_redirects_are_followed_kept_and_limited(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/": Reply(page("/old", "/loop", images=("/img",))),
        "/old": Reply(status=301, headers=(("Location", "http://b.example/new"),)),
        "a.example/img": Reply(status=302, headers=(("Location", "http://c.example/i.png"),)),
        "/i.png": image(),
        "/loop": lambda request: Reply(status=302, headers=(("Location", f"{request.path}x"),)),
        **{f"/loop{'x' * n}": Reply(status=302, headers=(("Location", f"/loop{'x' * (n + 1)}"),)) for n in range(9)},
    }
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert ("response", "http://c.example/i.png") in done.records()
    assert len([path for path in web.paths() if path.startswith("/loop")]) == 6
    assert list(done.reasons().values()).count("too_many_redirects") == 1
    assert "http://b.example/new" not in done.urls()  # out of the scope of a.example


def test_a_seed_may_redirect_to_another_form_of_itself(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "a.example/": Reply(status=301, headers=(("Location", "http://www.b.example/"),)),
        "a.example/in": Reply(page()),
        "/x": Reply(status=301, headers=(("Location", "/x/"),)), "/x/": Reply(page()),
    }  # fmt: skip
    settings = config(web)
    settings.fetch.connect_to["www.b.example"] = web.address
    web.routes["www.b.example/"] = Reply(page("/x"))
    done = crawl(tmp_path, settings, "http://a.example/")
    assert done.urls() == [
        "http://a.example/",
        "http://www.b.example/",
        "http://www.b.example/x",
        "http://www.b.example/x/",
    ]


def test_an_origin_that_cannot_be_reached_leaves_the_host_its_other_one(web: WebServer, tmp_path: Path) -> None:
    """The server does not speak TLS: what is linked as https is dropped, http goes on."""
    web.routes |= {"/": Reply(page("https://a.example/x", "/y", "https://a.example/z")), "/y": Reply(page())}
    settings = config(web, msgspec.structs.replace(FAST, max_failures=2))
    fetch = msgspec.structs.replace(settings.fetch, connect_timeout_s=0.5)
    done = crawl(tmp_path, msgspec.structs.replace(settings, fetch=fetch), "http://a.example/")
    assert done.status.visits == {"page": 2}
    assert set(done.reasons()) == {"https://a.example/x", "https://a.example/z"}


def test_a_crawler_trap_is_left(web: WebServer, tmp_path: Path) -> None:
    """A calendar without end, a path that grows, session ids: each page leads to the next."""

    def maze(request: Request) -> Reply:
        path, _, query = request.path.partition("?")
        month = int(query.removeprefix("month=") or 0) if query.startswith("month=") else 0
        return Reply(
            page(f"{path.rstrip('/')}/deeper/", f"/calendar?month={month + 1}", f"/home;jsessionid={len(web.log)}")
        )

    web.routes |= {"/home": maze, "/calendar": maze}
    for depth in range(40):
        web.routes["/home" + "/deeper" * depth + "/"] = maze
        web.routes["/calendar" + "/deeper" * depth + "/"] = maze
    scope = ScopeSettings(max_same_calendar=10)
    done = crawl(tmp_path, config(web, scope=scope), "http://a.example/home")
    assert len(web.paths()) < 60
    assert "/home;" not in "".join(web.paths())
    assert done.refused["trap"] > 0
    assert done.status.is_idle


def test_the_next_address_of_an_image_is_tried_when_one_fails(web: WebServer, tmp_path: Path) -> None:
    picture = b"<img srcset='/big.png 1200w, /middle.png 800w' src='/small.png'>"
    web.routes |= {"/": Reply(page() + picture), "/middle.png": image(), "/small.png": image()}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths() == ["/", "/big.png", "/middle.png"]
    assert done.reasons() == {"http://a.example/big.png": "http_status"}


def test_sitemaps_that_robots_txt_names_are_read(web: WebServer, tmp_path: Path) -> None:
    index = b"<sitemapindex><sitemap><loc>http://a.example/map.xml</loc></sitemap></sitemapindex>"
    urls = b"<urlset><url><loc>http://a.example/hidden</loc></url><url><loc>http://b.example/x</loc></url></urlset>"
    web.routes |= {
        "/robots.txt": Reply(b"Sitemap: http://a.example/index.xml\n", "text/plain"), "/": Reply(page()),
        "/index.xml": Reply(index, "text/xml"), "/map.xml": Reply(urls, "text/xml"), "/hidden": Reply(page()),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert "http://a.example/hidden" in done.urls()
    assert "http://b.example/x" not in done.urls()


def test_a_domain_has_a_budget_over_all_its_hosts(web: WebServer, tmp_path: Path) -> None:
    links = page(*(f"/{number}" for number in range(9)), *(f"http://www.a.example/w{number}" for number in range(9)))
    web.routes |= {"/": Reply(links)} | {f"/{number}": Reply(page()) for number in range(9)}
    web.routes |= {f"/w{number}": Reply(page()) for number in range(9)}
    settings = config(web, scope=ScopeSettings(max_pages_per_domain=4))
    settings.fetch.connect_to["www.a.example"] = web.address
    outcome = crawl(tmp_path, settings, "http://a.example/", "http://b.example/")
    assert outcome.status.visits == {"page": 8}
    assert set(outcome.refused) == {"domain_budget"}


@pytest.mark.parametrize("most", [2, 7])
def test_a_seed_may_have_a_budget_of_its_own_that_outlives_the_run(web: WebServer, tmp_path: Path, most: int) -> None:
    web.routes |= {"/": Reply(page(*(f"/{number}" for number in range(9))))}
    web.routes |= {f"/{number}": Reply(page()) for number in range(9)}

    async def run() -> int:
        async with Spider(tmp_path, 0, config(web), find_links) as spider:
            spider.offer([Item("http://a.example/", "page", most_pages=most)])
        async with Spider(tmp_path, 0, config(web), find_links) as spider:
            running = asyncio.create_task(spider.run())
            while not spider.status().is_idle:
                await asyncio.sleep(0.01)
            spider.stop()
            await running
            return spider.status().visits["page"]

    assert asyncio.run(run()) == most


def test_include_and_exclude_patterns(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/in/": Reply(page("/in/1", "/out", "/in/x-2", images=("/i.png",))), "/in/1": Reply(page())}
    scope = ScopeSettings(include=(r"/in/",), exclude=(r"x-\d", r"\.png$"))
    crawl(tmp_path, config(web, scope=scope), "http://a.example/in/")
    assert web.paths() == ["/in/", "/in/1"]


@pytest.mark.parametrize(
    ("dead", "live"),
    [("/a/index.html", "/a/"), ("/docs", "/docs/"), ("/docs/", "/docs"), ("/q?b=1&a=2", "/q?a=2&b=1"),
     ("/x?utm_source=m", "/x"), ("/a/index.php", "/a/index.html")],
)  # fmt: skip
@pytest.mark.parametrize("is_later", [False, True])
def test_an_address_that_leads_nowhere_does_not_hide_one_like_it(
    web: WebServer, tmp_path: Path, dead: str, live: str, is_later: bool
) -> None:
    """Whether the two are one page is a guess; only a success settles it."""

    def answer(request: Request) -> Reply:
        return Reply(page("/end")) if request.path == live else Reply(b"gone", status=404)

    first = page(dead, "/next") if is_later else page(dead, live, "/next")
    web.routes |= {"/": Reply(first), "/next": Reply(page(live)), "/end": Reply(page())}
    web.routes |= {path.partition("?")[0]: answer for path in (dead, live)}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths().count(live) == 1
    assert done.status.visits["page"] == 4
    if "utm" not in dead:
        assert done.reasons() == {f"http://a.example{dead}": "http_status"}


def test_an_address_that_is_there_is_visited_under_one_name(web: WebServer, tmp_path: Path) -> None:
    links = ("/a/index.html", "/a/", "/a", "/a/index.php", "http://www.a.example/a")
    web.routes |= {"/": Reply(page(*links, "/n")), "/a/index.html": Reply(page()), "/n": Reply(page(*links))}
    crawl(tmp_path, config(web), "http://a.example/")
    assert sorted(web.paths()) == ["/", "/a/index.html", "/n"]


def test_refreshes_and_frames_are_followed(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/": Reply(page(head="<meta http-equiv=refresh content='0; url=http://b.example/moved'>")),
        "/moved": Reply(page("/1"), headers=(("Refresh", "3; url=/next"),)),
        "/next": Reply(b"<frameset><frame src=/frame></frameset>"),
        "/frame": Reply(page(head="<meta name=robots content=nofollow><meta http-equiv=refresh content='0; url=/no'>")),
        "/1": Reply(page(head="<meta http-equiv=refresh content='0; url=http://c.example/out'>")),
        "c.example/out": Reply(page()),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert done.urls() == [
        "http://a.example/", "http://b.example/1", "http://b.example/frame", "http://b.example/moved",
        "http://b.example/next",
    ]  # fmt: skip


def test_depth_and_pages_per_host_are_limited(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {f"/{n}": Reply(page(f"/{n + 1}")) for n in range(20)}
    crawl(tmp_path / "depth", config(web, scope=ScopeSettings(max_depth=3)), "http://a.example/0")
    assert web.paths() == ["/0", "/1", "/2", "/3"]
    web.log.clear()
    done = crawl(tmp_path / "pages", config(web, scope=ScopeSettings(max_pages_per_host=5)), "http://a.example/0")
    assert len(web.paths()) == 5
    assert done.refused == {"host_budget": 1}


def test_a_sitemap_of_very_many_pages_is_taken_whole(web: WebServer, tmp_path: Path) -> None:
    addresses = "".join(f"<url><loc>/p{number}</loc></url>" for number in range(1501))
    web.routes["/sitemap.xml"] = Reply(f"<urlset>{addresses}</urlset>".encode(), "application/xml")
    settings = config(web)

    async def run() -> int:
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            spider.offer([Item("http://a.example/sitemap.xml", "sitemap")])
            running = asyncio.create_task(spider.run())
            while spider.status().visits.get("sitemap", 0) == 0:
                await asyncio.sleep(0.01)
            spider.stop()
            await running
            return spider.frontier._db.execute("SELECT count(*) FROM visits").fetchone()[0]

    assert asyncio.run(run()) == 1502
