"""A spider against servers on this machine; the servers' own logs say how it behaved."""

import asyncio
import gzip
import itertools
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from warcio.archiveiterator import ArchiveIterator

from crawlers.clock import now
from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.fetch import FetchSettings
from crawlers.frontier import Item
from crawlers.hosts import PaceSettings
from crawlers.parsing import ParseSettings
from crawlers.scope import ScopeSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from schemas.deny import DenyList
from schemas.drops import Drop, DropRow
from schemas.links import PageLinks, PageSource
from tests.crawlers.servers import Reply, Request, WebServer, drip, page

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
            spider.offer([Item(seed, "page") for seed in seeds])
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


def test_the_delay_between_requests_is_kept_policy_files_included(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page("/1", "/2", images=("/i.png",))), "/1": Reply(page()), "/2": Reply(page())}
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.2)), "http://a.example/", "http://b.example/")
    for host in ("a.example", "b.example"):
        times = [line.time for line in web.log if line.host == host]
        assert len(times) == 7
        assert times[-1] - times[0] > 6 * 0.2 - 0.15  # a busy machine may log one late, and so the next gap short
        assert sorted(later - earlier for earlier, later in itertools.pairwise(times))[3] > 0.18
    assert max(line.at_once for line in web.log) == 1


def test_after_a_kill_a_request_counts_from_when_it_may_have_been_sent(web: WebServer, tmp_path: Path) -> None:
    """A busy crawler sends it later than its turn was, and who is killed then has not written down when."""
    web.routes |= {"/": Reply(page())}
    settings = config(web, PaceSettings(delay_s=0.5))

    async def run() -> float:
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            spider.offer([Item("http://a.example/", "page")])
            host = spider.frontier.host("a.example")
            host.ready_at = now()  # its turn was half a second ago, and it was sent only now
            with spider.frontier.transaction():
                spider.frontier.touch(host)
        opened = time.time()
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            running = asyncio.create_task(spider.run())
            while not web.log:
                await asyncio.sleep(0.01)
            spider.stop()
            await running
        return opened

    opened = asyncio.run(run())
    assert web.log[0].time >= opened + 0.45


def test_hosts_do_not_wait_for_one_another(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page())
    began = time.monotonic()
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.3)), *(f"http://{name}.example/" for name in "abcdefgh"))
    assert time.monotonic() - began < 8 * 4 * 0.3 / 2


def test_crawl_delay_asks_for_more_and_never_for_less(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "a.example/robots.txt": Reply(b"User-agent: weft\nCrawl-delay: 0.4\n", "text/plain"),
        "b.example/robots.txt": Reply(b"User-agent: *\nCrawl-delay: 0.01\n", "text/plain"),
        "/": Reply(page("/1")), "/1": Reply(page()),
    }  # fmt: skip
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.2)), "http://a.example/", "http://b.example/")
    gaps = {}
    for host in ("a.example", "b.example"):
        times = [line.time for line in web.log if line.host == host]
        gaps[host] = min(later - earlier for earlier, later in itertools.pairwise(times[3:]))
    assert gaps["a.example"] > 0.3
    assert gaps["b.example"] > 0.1


def test_as_many_requests_at_once_as_allowed_and_no_more(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(*(f"/{number}" for number in range(20))))
    web.routes |= {f"/{number}": Reply(page(), delay_s=0.05) for number in range(20)}
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.0, concurrency_per_host=3)), "http://a.example/")
    assert max(line.at_once for line in web.log) == 3


def test_the_rate_of_the_whole_crawl_is_kept_over_all_hosts(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page())
    pace = PaceSettings(delay_s=0.0, max_requests_per_s=20.0)
    crawl(tmp_path, config(web, pace), *(f"http://{name}.example/" for name in "abcde"))
    times = sorted(line.time for line in web.log)
    assert len(times) == 20
    assert times[-1] - times[0] > 0.8


def test_429_is_waited_out_as_long_as_retry_after_says(web: WebServer, tmp_path: Path) -> None:
    asked: list[float] = []

    def busy(request: Request) -> Reply:
        asked.append(request.time)
        return Reply(page()) if len(asked) > 1 else Reply(b"", status=429, headers=(("Retry-After", "1"),))

    web.routes |= {"/": Reply(page("/busy", "/other")), "/busy": busy, "/other": Reply(page())}
    done = crawl(tmp_path, config(web, PaceSettings(delay_s=0.0, backoff_s=0.01)), "http://a.example/")
    assert done.status.visits.get("page", 0) == 3
    other = next(line.time for line in web.log if line.path == "/other")
    assert asked[1] - asked[0] >= 1.0
    assert other - asked[0] >= 1.0  # the whole host is left in peace, not the one address


def test_backing_off_doubles_until_the_host_is_given_up(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page(*(f"/{n}" for n in range(30)))), **{f"/{n}": Reply(status=503) for n in range(30)}}
    pace = PaceSettings(delay_s=0.0, backoff_s=0.02, max_failures=5)
    done = crawl(tmp_path, config(web, pace), "http://a.example/")
    times = [line.time for line in web.log if line.path not in ("/", "/ai.txt", "/.well-known/tdmrep.json")][1:]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) == 5
    assert all(gap > 0.019 * 2**number for number, gap in enumerate(gaps))
    assert Counter(done.reasons().values()) == {"http_status": 1, "host_down": 29}


def test_a_host_has_a_budget(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page(*(f"/{n}" for n in range(30)))), **{f"/{n}": Reply(page()) for n in range(30)}}
    pace = msgspec.structs.replace(FAST, max_requests_per_host=10)
    done = crawl(tmp_path, config(web, pace), "http://a.example/")
    assert len(web.log) == 10
    assert Counter(done.reasons().values()) == Counter(host_budget=31 - 7)


ROBOTS = {
    "absent": (Reply(status=404), True),
    "gone": (Reply(status=410), True),
    "forbidden itself": (Reply(status=403), True),
    "empty": (Reply(b"", "text/plain"), True),
    "a web page": (Reply(b"<!doctype html><p>Disallow: /</p>"), True),
    "for others": (Reply(b"User-agent: other\nDisallow: /\n", "text/plain"), True),
    "for all": (Reply(b"User-agent: *\nDisallow: /secret\n", "text/plain"), False),
    "for us": (Reply(b"User-agent: *\nAllow: /\n\nUser-agent: weft\nDisallow: /\nAllow: /$\n", "text/plain"), False),
    "for us in another case": (Reply(b"user-agent: WEFT\ndisallow: /s\n", "text/plain"), False),
    "with a mark": (Reply(b"\xef\xbb\xbfUser-agent: *\nDisallow: /secret\n", "text/plain"), False),
    "with wildcards": (Reply(b"User-agent: *\nDisallow: /*cret.*$\n", "text/plain"), False),
    "the longer rule": (Reply(b"User-agent: *\nDisallow: /\nAllow: /secret.html\nAllow: /$\n", "text/plain"), True),
    "after a redirect": (Reply(status=301, headers=(("Location", "/real.txt"),)), False),
}  # fmt: skip


@pytest.mark.parametrize("variant", ROBOTS)
def test_robots_txt_in_every_variant(web: WebServer, tmp_path: Path, variant: str) -> None:
    reply, allowed = ROBOTS[variant]
    web.routes |= {
        "/robots.txt": reply, "/real.txt": Reply(b"User-agent: *\nDisallow: /secret\n", "text/plain"),
        "/": Reply(page("/secret.html")), "/secret.html": Reply(page()),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert ("/secret.html" in web.paths()) is allowed
    assert done.reasons() == ({} if allowed else {"http://a.example/secret.html": "robots"})


@pytest.mark.parametrize("failing", [Reply(status=500), Reply(status=503), Reply(status=429), Reply(raw=b"")])
def test_nothing_is_fetched_while_robots_txt_fails(web: WebServer, tmp_path: Path, failing: Reply) -> None:
    asked: list[Request] = []

    def robots(request: Request) -> Reply:
        asked.append(request)
        return failing if len(asked) < 3 else Reply(status=404)

    web.routes |= {"/robots.txt": robots, "/": Reply(page())}
    done = crawl(tmp_path, config(web), "http://a.example/")
    first = next(line.time for line in web.log if line.path == "/")
    assert len(asked) == 3
    assert first > asked[2].time
    assert done.status.visits.get("page", 0) == 1


def test_robots_txt_too_is_waited_for_as_long_as_its_server_asks(web: WebServer, tmp_path: Path) -> None:
    asked: list[float] = []

    def robots(request: Request) -> Reply:
        asked.append(request.time)
        return Reply(status=404) if len(asked) > 1 else Reply(status=503, headers=(("Retry-After", "1"),))

    web.routes |= {"/robots.txt": robots, "/": Reply(page())}
    crawl(tmp_path, config(web), "http://a.example/")
    assert asked[1] - asked[0] >= 1.0


def test_a_redirect_out_of_a_sitemap_does_not_lead_elsewhere(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "a.example/robots.txt": Reply(b"Sitemap: /map.xml\n", "text/plain"), "a.example/": Reply(page()),
        "/map.xml": Reply(b"<urlset><url><loc>http://a.example/out</loc></url></urlset>", "text/xml"),
        "/out": Reply(status=302, headers=(("Location", "http://b.example/"),)), "b.example/": Reply(page()),
    }  # fmt: skip
    crawl(tmp_path, config(web), "http://a.example/")
    assert "/out" in web.paths()
    assert not web.paths("b.example")


def test_a_host_whose_robots_txt_never_comes_is_given_up(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/robots.txt": Reply(status=500), "/": Reply(page())}
    done = crawl(
        tmp_path, config(web, msgspec.structs.replace(FAST, backoff_s=0.01, max_failures=3)), "http://a.example/"
    )
    assert web.paths() == []
    assert done.reasons() == {"http://a.example/": "robots_unavailable"}


CUT = gzip.compress(b"User-agent: *\n" + b"# " + bytes(range(33, 127)) * 9 + b"\nDisallow: /\n")[:-12]


@pytest.mark.parametrize("path", ["/robots.txt", "/ai.txt", "/.well-known/tdmrep.json"])
@pytest.mark.parametrize("body", [CUT, b"\x1f\x8b\x08 not gzip"])
def test_a_policy_file_that_cannot_be_read_allows_nothing(
    web: WebServer, tmp_path: Path, path: str, body: bytes
) -> None:
    web.routes |= {path: Reply(body, "text/plain", headers=(("Content-Encoding", "gzip"),)), "/": Reply(page())}
    done = crawl(
        tmp_path, config(web, msgspec.structs.replace(FAST, backoff_s=0.01, max_failures=3)), "http://a.example/"
    )
    assert web.paths() == []
    assert done.reasons() == {"http://a.example/": "robots_unavailable"}


def test_a_page_cut_off_in_its_encoding_is_no_page(web: WebServer, tmp_path: Path) -> None:
    headers = (("Content-Encoding", "gzip"),)
    web.routes |= {"/": Reply(gzip.compress(page("/b"))[:-9], headers=headers), "/b": Reply(page())}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths() == ["/"]
    assert done.reasons() == {"http://a.example/": "truncated_body"}


def test_robots_rules_hold_for_images_on_their_own_host(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "b.example/robots.txt": Reply(b"User-agent: *\nDisallow: /private/\n", "text/plain"),
        "/": Reply(page(images=("http://b.example/private/i.png", "http://b.example/j.png"))), "/j.png": image(),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths("b.example") == ["/j.png"]
    assert done.reasons() == {"http://b.example/private/i.png": "robots"}


OPT_OUTS = {
    "header noai": Reply(page("/next", images=("/i.png",)), headers=(("X-Robots-Tag", "noai"),)),
    "header noindex": Reply(page("/next", images=("/i.png",)), headers=(("X-Robots-Tag", "noindex"),)),
    "header for us": Reply(page("/next", images=("/i.png",)), headers=(("X-Robots-Tag", "weft: noimageai"),)),
    "meta noai": Reply(page("/next", images=("/i.png",), head="<meta name=ROBOTS content='NoAI, noimageai'>")),
    "meta noindex": Reply(page("/next", images=("/i.png",), head="<meta name=robots content=noindex>")),
    "meta for us": Reply(page("/next", images=("/i.png",), head="<meta name=weft content=noai>")),
    "tdm header": Reply(page("/next", images=("/i.png",)), headers=(("TDM-Reservation", "1"),)),
    "tdm meta": Reply(page("/next", images=("/i.png",), head="<meta name=tdm-reservation content=1>")),
}


@pytest.mark.parametrize("variant", OPT_OUTS)
def test_an_opted_out_page_is_not_kept_nor_its_images_fetched(web: WebServer, tmp_path: Path, variant: str) -> None:
    web.routes |= {"/": OPT_OUTS[variant], "/next": Reply(page()), "/i.png": image()}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert done.reasons() == {"http://a.example/": "opt_out"}
    assert done.urls() == ["http://a.example/next"]
    assert "/i.png" not in web.paths()


@pytest.mark.parametrize(
    ("headers", "head"),
    [((("X-Robots-Tag", "nofollow"),), ""), ((), "<meta name=robots content='index, nofollow'>")],
)
def test_nofollow_keeps_the_page_and_follows_nothing(
    web: WebServer, tmp_path: Path, headers: tuple[tuple[str, str], ...], head: str
) -> None:
    web.routes |= {"/": Reply(page("/next", images=("/i.png",), head=head), headers=headers), "/i.png": image()}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert done.urls() == ["http://a.example/", "http://a.example/i.png"]


@pytest.mark.parametrize(
    "header", [("X-Robots-Tag", "noai"), ("X-Robots-Tag", "noimageindex"), ("tdm-reservation", "1")]
)
def test_an_opted_out_image_goes_alone_and_its_body_is_not_read(
    web: WebServer, tmp_path: Path, header: tuple[str, str]
) -> None:
    web.routes |= {"/": Reply(page(images=("/no.png", "/yes.png"))), "/yes.png": image()}
    web.routes["/no.png"] = Reply(pieces=drip, content_type="image/png", headers=(header,))
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert done.urls() == ["http://a.example/", "http://a.example/yes.png"]
    assert done.reasons() == {"http://a.example/no.png": "opt_out"}


def test_signals_for_another_bot_say_nothing_to_us(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(), headers=(("X-Robots-Tag", "otherbot: noai, noindex"),))
    assert crawl(tmp_path, config(web), "http://a.example/").status.visits.get("page", 0) == 1


def test_ai_txt_is_obeyed(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/ai.txt": Reply(b"User-Agent: *\nDisallow: *.png\nAllow: *.html\n", "text/plain"),
        "/": Reply(page("/a.html", images=("/i.png",))), "/a.html": Reply(page()),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths() == ["/", "/a.html"]
    assert done.drops["http://a.example/i.png"].detail == "ai.txt"


def test_tdmrep_json_is_obeyed_and_what_it_allows_is_noted(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/.well-known/tdmrep.json": Reply(
            b'[{"location": "/closed/*", "tdm-reservation": 1}, '
            b'{"location": "/", "tdm-reservation": 0, "tdm-policy": "https://a.example/policy.json"}]',
            "application/json",
        ),
        "/": Reply(page("/closed/x.html")),
    }
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert web.paths() == ["/"]
    assert done.reasons() == {"http://a.example/closed/x.html": "opt_out"}
    with next((tmp_path / "warc").glob("*.gz")).open("rb") as file:
        (headers,) = [
            record.rec_headers
            for record in ArchiveIterator(file)
            if record.rec_type == "response" and record.rec_headers["WARC-Target-URI"] == "http://a.example/"
        ]
    assert (headers["WARC-TDM-Reservation"], headers["WARC-TDM-Policy"]) == ("0", "https://a.example/policy.json")


def test_what_the_list_denies_is_never_asked_for(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page("/x", "/y", images=("http://b.example/i.png",))), "/y": Reply(page())}
    done = crawl(tmp_path, config(web), "http://a.example/", deny=("b.example", "https://www.a.example/x"))
    assert sorted(web.paths()) == ["/", "/y"]
    assert set(done.reasons().values()) == {"denied"}
    assert not [line for line in web.log if line.host == "b.example"]


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


def test_the_same_picture_under_another_address_is_a_revisit(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page(images=("/i.png", "/copy.png"))), "/i.png": image(), "/copy.png": image()}
    done = crawl(tmp_path, config(web, PaceSettings(delay_s=0.0)), "http://a.example/")
    assert done.records()[1:] == [("response", "http://a.example/i.png"), ("revisit", "http://a.example/copy.png")]


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


def test_what_is_cut_off_a_page_is_counted(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(images=tuple(f"http://b.example/{n}.png" for n in range(503))))
    done = crawl(tmp_path, config(web, videos=False), "http://a.example/", limit_s=10)
    assert done.status.drops["links of a page: too_many"] == 3


def test_depth_and_pages_per_host_are_limited(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {f"/{n}": Reply(page(f"/{n + 1}")) for n in range(20)}
    crawl(tmp_path / "depth", config(web, scope=ScopeSettings(max_depth=3)), "http://a.example/0")
    assert web.paths() == ["/0", "/1", "/2", "/3"]
    web.log.clear()
    done = crawl(tmp_path / "pages", config(web, scope=ScopeSettings(max_pages_per_host=5)), "http://a.example/0")
    assert len(web.paths()) == 5
    assert done.refused == {"host_budget": 1}


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
