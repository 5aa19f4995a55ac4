"""Every signal of a site's files, headers and markup, served on this machine and crawled: one test a clause."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator

from crawlers.robots import Robots
from crawlers.site_policy import robots_signals
from crawlers.usage_rules import UsageRules
from crawlers.warc_records import site_signals
from schemas.consent import AGENT_CLASSES, ConsentSettings
from schemas.signals import Signal
from tests.crawlers.crawling import PNG, Outcome, config, crawl, image
from tests.crawlers.servers import Reply, WebServer, page

URL = "http://a.example/p"
PROHIBITS = b'<rsl><content url="/"><license><prohibits type="usage">ai-train</prohibits></license></content></rsl>'
PERMITS = PROHIBITS.replace(b"prohibits", b"permits")
LINK = ("Link", '</rsl.xml>; rel="license"; type="application/rsl+xml"')


def verdicts(robots: str, url: str = URL) -> list[tuple[str, str]]:
    return [(one.signal, one.verdict) for one in robots_signals(Robots(robots, "weft"), url)]


def noted(done: Outcome, url: str) -> tuple[Signal, ...]:
    """The signals that stand in the archive beside the response of an address."""
    for path in sorted((done.folder / "warc").glob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, parse_http=False):
                if record.headers.get("WARC-Type") == "response" and record.headers.get("WARC-Target-URI") == url:
                    return site_signals(record)
    raise AssertionError(f"{url} is not in the archive")


# --- robots.txt: Content-Usage, draft-ietf-aipref-attach-05 and -vocab-08


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("train-ai=n", "no"), ("train-ai=y", "yes"), ("train-ai=n, search=y", "no"), ("search=n, ai-use=n", "unknown"),
        ("train-ai=N", "unknown"), ("Train-AI=n", "unknown"), ("train-ai", "unknown"), ('train-ai="n"', "unknown"),
        ("train-ai=?0", "unknown"), ("train-ai=n,", "unknown"), ("train-ai=y, train-ai=n", "no"),
        ("train-ai=n, train-ai=y", "yes"), ("train-ai=n;exceptions=x", "no"), ("other=n", "unknown"), ("", "unknown"),
        ("bots=n", "no"), ("bots=n, train-ai=y", "yes"), ("train-genai=n", "no"), ("tdm=n", "no"),
        ("train-äi=n", "unknown"),
        ("train-ai=n, x=" + "a" * 5000, "unknown"),
    ],
)  # fmt: skip
def test_content_usage_is_a_dictionary_and_malformed_is_unknown(words: str, verdict: str) -> None:
    assert verdicts(f"User-agent: *\nContent-Usage: / {words}") == [("content-usage", verdict)]


@pytest.mark.parametrize("path", ["/", "/p", "/*", "/p$", ""])
def test_a_path_is_optional_and_matches_as_those_of_allow(path: str) -> None:
    assert verdicts(f"User-agent: *\ncontent-usage : {path} train-ai=n # for now") == [("content-usage", "no")]
    assert verdicts(f"User-agent: *\nContent-Usage: {path or '/p'}\ttrain-ai=n") == [("content-usage", "no")]


def test_the_longest_path_decides_whatever_the_order() -> None:
    for lines in (("/ train-ai=n", "/p train-ai=y"), ("/p train-ai=y", "/ train-ai=n")):
        assert verdicts("User-agent: *\n" + "".join(f"Content-Usage: {line}\n" for line in lines)) == [
            ("content-usage", "yes")
        ]
    assert verdicts("User-agent: *\nContent-Usage: / train-ai=n\nContent-Usage: /*x$ train-ai=y") == [
        ("content-usage", "no")
    ]
    assert verdicts("User-agent: *\nContent-Usage: /q train-ai=n") == []


def test_statements_for_one_path_all_stand() -> None:
    both = "User-agent: *\nContent-Usage: / train-ai=y\nContent-Usage: / train-ai=n"
    assert verdicts(both) == [("content-usage", "yes"), ("content-usage", "no")]


def test_the_group_that_speaks_to_us_holds_and_no_other() -> None:
    groups = "User-agent: *\nContent-Usage: / train-ai=n\nUser-agent: weft\nContent-Usage: / train-ai=y\n"
    assert verdicts(groups) == [("content-usage", "yes")]
    assert verdicts("User-agent: GPTBot\nContent-Usage: / train-ai=n\nUser-agent: *\nAllow: /") == []


def test_a_rule_about_use_ends_the_list_of_names() -> None:
    robots = Robots("User-agent: *\nContent-Usage: / train-ai=y\nUser-agent: GPTBot\nDisallow: /", "weft")
    assert robots.may_visit(URL)


def test_rules_before_any_name_are_for_all() -> None:
    assert verdicts("Content-Usage: / train-ai=n\n\nUser-agent: weft\nAllow: /") == [("content-usage", "no")]


def test_very_many_rules_take_no_time() -> None:
    rules = UsageRules(f"/{number}*x$ train-ai=n" for number in range(40_000))
    assert rules.of("/" + "1" * 500) == []
    same = UsageRules("/*a train-ai=n" for _ in range(20_000))
    assert len(same.of("/a")) == 20_000


# --- robots.txt: Content-Signal, contentsignals.org


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("ai-train=no", "no"), ("search=yes,ai-train=no", "no"), ("search=yes, AI-Train = No", "no"),
        ("ai-train=yes", "yes"), ("ai-train=yes, ai-train=no", "no"), ("search=no, ai-input=no", "unknown"),
        ("ai-train", "unknown"), ("ai-train=maybe", "unknown"), ("/p ai-train=no", "no"), ("/q ai-train=no", None),
    ],
)  # fmt: skip
def test_content_signal(words: str, verdict: str | None) -> None:
    expected = [] if verdict is None else [("content-signal", verdict)]
    assert verdicts(f"User-agent: *\nContent-Signal: {words}\nAllow: /") == expected


# --- what a crawl does with them


ROBOTS = {
    "content-usage": "User-agent: *\nAllow: /\nContent-Usage: / train-ai=n",
    "content-signal": "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /",
    "rsl": "License: http://a.example/rsl.xml\nUser-agent: *\nAllow: /",
}


@pytest.mark.parametrize("signal", ROBOTS)
def test_what_robots_txt_refuses_is_not_asked_for(web: WebServer, tmp_path: Path, signal: str) -> None:
    web.routes |= {"/robots.txt": Reply(ROBOTS[signal].encode()), "/p": Reply(page()), "/rsl.xml": Reply(PROHIBITS)}
    done = crawl(tmp_path, config(web), URL)
    assert done.reasons() == {URL: "opt_out"}
    assert done.drops[URL].detail.startswith(f"{signal}: ")
    assert "/p" not in web.paths()


def test_robots_txt_refuses_the_images_of_its_own_host(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/p": Reply(page(images=("http://b.example/i.png",))), "/i.png": image(),
        "b.example/robots.txt": Reply(ROBOTS["content-signal"].encode()),
    }  # fmt: skip
    assert crawl(tmp_path, config(web), URL).reasons() == {"http://b.example/i.png": "opt_out"}


def test_what_is_not_honoured_is_noted_all_the_same(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/robots.txt": Reply(ROBOTS["content-usage"].encode()), "/p": Reply(page())}
    done = crawl(tmp_path, config(web, consent=ConsentSettings(honour=("rsl",))), URL)
    (signal,) = noted(done, URL)
    assert (signal.signal, signal.origin, signal.value, signal.verdict) == (
        "content-usage", "/robots.txt", "train-ai=n", "no",
    )  # fmt: skip
    assert signal.time.endswith("Z")


def test_what_passes_is_noted_beside_page_and_image(web: WebServer, tmp_path: Path) -> None:
    robots = b"License: /rsl.xml\nUser-agent: *\nContent-Usage: /i train-ai=y\nContent-Signal: search=no"
    web.routes |= {
        "/robots.txt": Reply(robots), "/rsl.xml": Reply(PERMITS), "/p": Reply(page(images=("/i.png",))),
        "/i.png": image(),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), URL)
    rsl, unknown = ("rsl", "yes"), ("content-signal", "unknown")
    assert {(one.signal, one.verdict) for one in noted(done, URL)} == {rsl, unknown}
    assert {(one.signal, one.verdict) for one in noted(done, "http://a.example/i.png")} == {
        rsl, unknown, ("content-usage", "yes"),
    }  # fmt: skip


def test_an_rsl_document_is_fetched_once_and_in_its_hosts_turn(web: WebServer, tmp_path: Path) -> None:
    named = ("Link", '<http://b.example/rsl.xml>; rel=license; type="application/rsl+xml"')
    for name in ("/p", "/q", "/r"):
        web.routes[name] = Reply(page("/p", "/q", "/r"), headers=(named,))
    web.routes["b.example/rsl.xml"] = Reply(PERMITS)
    done = crawl(tmp_path, config(web), URL)
    assert web.paths("b.example") == ["/rsl.xml"]
    assert [one.verdict for one in noted(done, URL)] == ["unknown"]  # it covers its own host


@pytest.mark.parametrize(
    "reply",
    [Reply(b"no", status=404), Reply(b"<html>"), Reply(b"x", status=500), Reply(PROHIBITS + b" " * (600 << 10))],
)
def test_a_licence_that_cannot_be_had_is_unknown(web: WebServer, tmp_path: Path, reply: Reply) -> None:
    web.routes |= {"/p": Reply(page(), headers=(LINK,)), "/rsl.xml": reply}
    done = crawl(tmp_path, config(web), URL)
    assert [(one.signal, one.verdict) for one in noted(done, URL)] == [("rsl", "unknown")]


# --- headers, of page, image, video and subtitle alike


HEADERS = [
    ("Content-Usage", "train-ai=n"), ("Content-Signal", "ai-train=no"), ("X-Robots-Tag", "noai"),
    ("X-Robots-Tag", "weft: noai"), ("X-Robots-Tag", "ai-bot: noimageai"), ("tdm-reservation", "1"), LINK,
    ("Link", '<https://x.example/>; rel=next, </rsl.xml>; type="application/rsl+xml"; rel="alternate license"'),
]  # fmt: skip
KINDS: dict[str, Callable[..., Reply]] = {
    "page": lambda *headers: Reply(page(), headers=headers),
    "image": lambda *headers: image(PNG, *headers),
    "video": lambda *headers: Reply(b"\0\0\0\x18ftypisom" + bytes(100), "video/mp4", headers=headers),
    "subtitle": lambda *headers: Reply(b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello", "text/vtt", headers=headers),
}
SHOWN = b"<img src=/image><video src=/video><track src=/subtitle></video><a href=/page>x</a>"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("header", HEADERS, ids=lambda header: f"{header[0]}={header[1][:16]}")
def test_a_header_refuses(web: WebServer, tmp_path: Path, kind: str, header: tuple[str, str]) -> None:
    web.routes |= {"/": Reply(page() + SHOWN), "/rsl.xml": Reply(PROHIBITS)}
    web.routes |= {f"/{one}": reply(header) if one == kind else reply() for one, reply in KINDS.items()}
    done = crawl(tmp_path, config(web), "http://a.example/")
    assert done.reasons() == {f"http://a.example/{kind}": "opt_out"}
    assert f"http://a.example/{kind}" not in done.urls()


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Usage", "train-ai=y"), ("Content-Usage", "TRAIN-AI=n"), ("X-Robots-Tag", "gptbot: noai"),
        ("tdm-reservation", "0"), ("Link", "</rsl.xml>; rel=license"),
        ("Link", '</rsl.xml>; type="application/rsl+xml"'),
        ("Link", '<<<;;;"'), ("Link", "<" * 20_000), ("tdm-policy", "https://a.example/policy"),
    ],
    ids=lambda header: f"{header[0]}={header[1][:20]}",
)  # fmt: skip
def test_other_headers_do_not(web: WebServer, tmp_path: Path, header: tuple[str, str]) -> None:
    web.routes |= {"/": Reply(page() + SHOWN), "/rsl.xml": Reply(PROHIBITS)}
    web.routes |= {f"/{one}": reply(header) for one, reply in KINDS.items()}
    assert crawl(tmp_path, config(web), "http://a.example/").reasons() == {}


# --- markup


@pytest.mark.parametrize(
    "head",
    [
        "<meta name=robots content=noai>", "<meta name=weft content=noai>", "<meta name=tdm-reservation content=1>",
        "<link rel=license type='application/rsl+xml' href=/rsl.xml>",
        f"<script type='application/rsl+xml'>{PROHIBITS.decode()}</script>",
        *(f"<meta name='{name.upper()}' content='noai'>" for name in AGENT_CLASSES),
    ],
)  # fmt: skip
def test_markup_refuses(web: WebServer, tmp_path: Path, head: str) -> None:
    web.routes |= {"/p": Reply(page(images=("/i.png",), head=head)), "/i.png": image(), "/rsl.xml": Reply(PROHIBITS)}
    done = crawl(tmp_path, config(web), URL)
    assert done.reasons() == {URL: "opt_out"}
    assert "/i.png" not in web.paths()


@pytest.mark.parametrize(
    "head",
    [
        "<meta name=gptbot content=noai>", "<meta name=tdm-reservation content=0>",
        "<link rel=license href=/rsl.xml>", "<script type='application/rsl+xml'><rsl></script>",
        f"<script type='application/rsl+xml'>{PERMITS.decode()}</script>",
    ],
)  # fmt: skip
def test_other_markup_does_not(web: WebServer, tmp_path: Path, head: str) -> None:
    web.routes |= {"/p": Reply(page(head=head)), "/rsl.xml": Reply(PROHIBITS)}
    assert crawl(tmp_path, config(web), URL).reasons() == {}


# --- conditions


@pytest.mark.parametrize(("conditional", "reasons"), [("refuse", {URL: "opt_out"}), ("pass", {})])
def test_a_paid_licence_is_refused_or_passed_by_setting(
    web: WebServer, tmp_path: Path, conditional: str, reasons: dict[str, str]
) -> None:
    paid = PERMITS.replace(b"</license>", b'<payment type="training"/></license>')
    web.routes |= {"/p": Reply(page(), headers=(LINK,)), "/rsl.xml": Reply(paid)}
    settings = ConsentSettings(conditional=conditional)  # type: ignore[arg-type]
    assert crawl(tmp_path, config(web, consent=settings), URL).reasons() == reasons


# --- addresses that hold a key


@pytest.mark.parametrize(
    "form", ["{path}?X-Amz-Signature=0123456789abcdef", "http://me:0123456789abcdef@a.example{path}"]
)
def test_an_address_with_a_key_is_neither_asked_for_nor_stored(web: WebServer, tmp_path: Path, form: str) -> None:
    page_with_key, image_with_key, target = (form.format(path=path) for path in ("/q", "/i.png", "/secret"))
    web.routes |= {
        "/p": Reply(page("/moved", page_with_key, images=(image_with_key, "/j.png"))), "/j.png": image(),
        "/moved": Reply(status=302, headers=(("Location", target),)), "/q": Reply(page()),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), URL)
    assert sorted(web.paths()) == ["/j.png", "/moved", "/p"]
    assert done.reasons() == {"http://a.example/moved": "presigned"}
    assert done.refused == {"presigned": 1}
    assert all("0123456789abcdef" not in url for url in done.urls())
