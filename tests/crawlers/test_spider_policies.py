"""A spider before sites that say what may be done: robots.txt and its like, signals of pages and images, deny lists."""

import gzip
from pathlib import Path

import msgspec
import pytest
from warcio.archiveiterator import ArchiveIterator

from tests.crawlers.crawling import FAST, config, crawl, image
from tests.crawlers.servers import Reply, Request, WebServer, drip, page

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
    "by a proxy": (Reply(b"User-agent: *\nDisallow: /secret\n", "text/plain", 203), False),
    "as all of its parts": (Reply(b"User-agent: *\nDisallow: /secret\n", "text/plain", 206,
                                  (("Content-Range", "bytes 0-32/33"),)), False),
    "no content": (Reply(status=204, length=None), True),
    "after a redirect": (Reply(status=301, headers=(("Location", "/real.txt"),)), False),
}  # fmt: skip


SECRET = b"User-agent: *\nDisallow: /secret\n"
LONG = SECRET + b"Disallow: /other%d\n" * 100_000  # 1.9 MB
LONG_FILES = {
    "over the cap": (Reply(LONG, "text/plain"), "robots"),
    "in chunks": (Reply(LONG, "text/plain", length=None), "robots"),
    "by a proxy": (Reply(LONG, "text/plain", 203), "robots"),
    "packed, and small": (Reply(gzip.compress(LONG), "text/plain", headers=(("Content-Encoding", "gzip"),)), "robots"),
    "with what concerns us beyond": (Reply(b"#" * (1 << 20) + b"\n" + SECRET, "text/plain"), ""),
    "cut in a rule": (Reply(SECRET[:14] + b"#" * ((1 << 20) - 26) + b"\nDisallow: /secrets\n"), ""),
}


@pytest.mark.parametrize("path", ["/robots.txt", "/ai.txt"])
@pytest.mark.parametrize("variant", LONG_FILES)
def test_a_policy_file_over_the_cap_is_asked_for_once_and_obeyed_as_far_as_that(
    web: WebServer, tmp_path: Path, variant: str, path: str
) -> None:
    reply, reason = LONG_FILES[variant]
    web.routes |= {path: reply, "/": Reply(page("/secret.html")), "/secret.html": Reply(page())}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert [line.path for line in web.log].count(path) == 1
    assert done.reasons() == ({"http://a.example/secret.html": reason} if reason else {})
    assert done.status.visits["page"] == 2 - bool(reason)


PART = Reply(b"User-agent: *\n", status=206, headers=(("Content-Range", "bytes 0-13/33"),))


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


@pytest.mark.parametrize("failing", [Reply(status=500), Reply(status=503), Reply(status=429), Reply(raw=b""), PART])
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
