import itertools
import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from crawlers.captured import CapturedMedia
from crawlers.fetch import Fetcher, FetchSettings, Unfetched
from crawlers.hosts import PaceSettings
from crawlers.web_media import MediaSettings, WebMedia
from schemas.consent import ConsentSettings
from schemas.deny import DenyList
from schemas.drops import Drop
from tests.crawlers.servers import Reply, WebServer, drip

PNG = b"\x89PNG\r\n\x1a\n" + b"picture " * 50


@pytest.fixture
def settings(web: WebServer) -> MediaSettings:
    hosts = {f"{name}.example": web.address for name in "ab"}
    fetch = FetchSettings(connect_to=hosts, deadline_s=1.0)
    return MediaSettings(True, fetch=fetch, pace=PaceSettings(delay_s=0.0, backoff_s=0.02))


@pytest.fixture
def media(settings: MediaSettings) -> Iterator[WebMedia]:
    with CapturedMedia([], {}, 1 << 20) as captured, WebMedia(captured, settings, ConsentSettings()) as source:
        yield source


def image(*headers: tuple[str, str], status: int = 200) -> Reply:
    return Reply(PNG, "image/png", headers=headers, status=status)


def reason(media: WebMedia, url: str) -> str:
    with pytest.raises(Drop) as caught:
        media.get(url)
    return caught.value.reason


def test_an_image_is_fetched_once_however_often_it_is_asked_for(web: WebServer, media: WebMedia) -> None:
    web.routes |= {
        "/i.png": image(),
        "/moved.png": Reply(status=302, headers=(("Location", "http://b.example/i.png"),)),
    }
    media.ahead(["http://a.example/i.png", "http://a.example/never.png"])
    for _ in range(3):
        found = media.get("http://a.example/i.png")
        assert (found.body, found.headers["content-type"]) == (PNG, "image/png")
    assert media.get("http://a.example/moved.png").body == PNG
    assert web.paths() == ["/i.png", "/moved.png", "/i.png"]
    assert [line.path for line in web.log if line.host == "a.example"][:3] == [
        "/robots.txt", "/ai.txt", "/.well-known/tdmrep.json",
    ]  # fmt: skip


def test_each_failure_has_its_reason(web: WebServer, media: WebMedia) -> None:
    web.routes |= {
        "/robots.txt": Reply(b"User-agent: *\nDisallow: /closed/\n", "text/plain"),
        "/.well-known/tdmrep.json": Reply(b'[{"location": "/mine/", "tdm-reservation": 1}]'),
        "/noai.png": image(("X-Robots-Tag", "noai")),
        "/page.png": Reply(b"<html>not here</html>", "image/png"),
        "/drip.png": Reply(pieces=drip, content_type="image/png"),
        "/in.png": Reply(status=302, headers=(("Location", f"http://127.0.0.1:{web.port}/i.png"),)),
    }
    expected = {
        "gone.png": "http_status", "noai.png": "opt_out", "page.png": "unsupported_type", "in.png": "blocked_address",
        "closed/x.png": "robots", "mine/x.png": "opt_out",
    }  # fmt: skip
    assert {name: reason(media, f"http://a.example/{name}") for name in expected} == expected
    assert reason(media, "http://b.example/drip.png") == "slow"
    assert "/closed/x.png" not in web.paths()


def test_what_may_pass_is_tried_again(web: WebServer, media: WebMedia) -> None:
    replies = itertools.chain([image(status=503), image(status=500)], itertools.repeat(image()))
    web.routes["/i.png"] = lambda request: next(replies)
    assert media.get("http://a.example/i.png").body == PNG
    assert len(web.paths()) == 3


def test_pace_is_kept(web: WebServer, settings: MediaSettings) -> None:
    web.routes |= {f"/{n}.png": image() for n in range(4)}
    slow = msgspec.structs.replace(settings, pace=PaceSettings(delay_s=0.15))
    with CapturedMedia([], {}, 1 << 20) as captured, WebMedia(captured, slow, ConsentSettings()) as media:
        for number in range(4):
            media.ahead([f"http://a.example/{number}.png"])
        assert [len(media.get(f"http://a.example/{number}.png").body) for number in range(4)] == [len(PNG)] * 4
    times = [line.time for line in web.log]
    assert len(times) == 7
    assert times[-1] - times[0] > 6 * 0.15 - 0.1
    assert sorted(later - earlier for earlier, later in itertools.pairwise(times))[3] > 0.13
    assert max(line.at_once for line in web.log) == 1


def test_what_is_denied_is_not_asked_for(web: WebServer, settings: MediaSettings) -> None:
    with (
        CapturedMedia([], {}, 1 << 20) as captured,
        WebMedia(captured, settings, ConsentSettings(), DenyList(["a.example"])) as media,
    ):
        assert reason(media, "http://a.example/i.png") == "denied"
    assert web.log == []


@pytest.mark.parametrize(
    "url", ["http://ａ.example/i.png", "http:\\\\a.example\\b\\..\\%69.png", "http://a.example.\\@b/"]
)
def test_a_list_hides_a_denied_host_in_no_spelling(web: WebServer, settings: MediaSettings, url: str) -> None:
    with (
        CapturedMedia([], {}, 1 << 20) as captured,
        WebMedia(captured, settings, ConsentSettings(), DenyList(["a.example"])) as media,
    ):
        assert reason(media, url) == "denied"
        assert reason(media, "http://a b/") == "bad_address"
    assert web.log == []


def test_leaving_does_not_wait_for_what_is_still_coming(web: WebServer, settings: MediaSettings) -> None:
    web.routes["/drip.png"] = Reply(pieces=drip, content_type="image/png")
    patient = msgspec.structs.replace(settings, fetch=msgspec.structs.replace(settings.fetch, deadline_s=600.0))
    with CapturedMedia([], {}, 1 << 20) as captured, WebMedia(captured, patient, ConsentSettings()) as media:
        media.ahead(["http://a.example/drip.png"])
        media.ahead(["http://b.example/i.png"])
        assert reason(media, "http://b.example/i.png") == "http_status"


def test_hosts_that_never_answer_hold_up_no_other_row(web: WebServer, settings: MediaSettings) -> None:
    """Each costs a time-out, side by side with the others, however many rows lie between them."""
    web.routes["/i.png"] = image()
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        names = [f"{'hung' if n % 20 == 0 else 'well'}{n}.example" for n in range(120)]
        hosts = {name: address if name.startswith("hung") else web.address for name in names}
        fetch = FetchSettings(connect_to=hosts, answer_timeout_s=1.0, deadline_s=30.0)
        several = msgspec.structs.replace(settings, fetch=fetch, pages_ahead=5)
        began = time.monotonic()
        with CapturedMedia([], {}, 1 << 20) as captured, WebMedia(captured, several, ConsentSettings()) as source:
            rows = source.prefetch(iter(names), lambda name: [[f"http://{name}/i.png"]])
            outcome = []
            for name in rows:
                try:
                    outcome.append((name, len(source.get(f"http://{name}/i.png").body)))
                except Drop as drop:
                    outcome.append((name, drop.reason))
        took = time.monotonic() - began
    assert [name for name, _ in outcome] == names
    assert [what for name, what in outcome if name.startswith("well")] == [len(PNG)] * 114
    assert {what for name, what in outcome if name.startswith("hung")} <= {"robots_unavailable", "slow", "host_down"}
    assert took < 2 * 1.0 + 3


def test_an_image_linked_in_http_comes_from_a_host_that_speaks_https_alone(
    web: WebServer, media: WebMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.routes["/i.png"] = image()
    get = Fetcher.get

    async def by_scheme(self: Fetcher, url: str, *arguments: Any) -> Any:
        if url.startswith("http://"):
            raise Unfetched("connect", "refused", passing=True)
        return await get(self, url.replace("https://", "http://"), *arguments)

    monkeypatch.setattr(Fetcher, "get", by_scheme)
    assert media.get("http://a.example/i.png").body == PNG


def test_an_image_brings_what_its_site_says_of_its_use(web: WebServer, media: WebMedia) -> None:
    licence = b'<rsl><content url="/i"><license><permits type="usage">all</permits></license></content></rsl>'
    named = ("Link", '</rsl.xml>; rel="license"; type="application/rsl+xml"')
    web.routes |= {
        "/robots.txt": Reply(b"User-agent: *\nContent-Usage: / train-ai=y\nContent-Usage: /no train-ai=n"),
        "/i.png": Reply(PNG, "image/png", headers=(named,)), "/no.png": image(), "/rsl.xml": Reply(licence),
    }  # fmt: skip
    found = media.get("http://a.example/i.png")
    assert [(one.signal, one.verdict) for one in found.signals] == [("content-usage", "yes"), ("rsl", "yes")]
    assert found.time.endswith("Z")
    with pytest.raises(Drop, match="opt_out"):
        media.get("http://a.example/no.png")
    assert "/no.png" not in web.paths()
