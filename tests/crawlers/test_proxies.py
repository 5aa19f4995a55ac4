"""Requests by way of a proxy: what it is asked for, and what is kept of it."""

import asyncio
import base64
import gzip
import logging
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trustme

from crawlers.crawl_config import CrawlConfig
from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Unfetched
from crawlers.fetch_settings import FetchSettings
from crawlers.names import Names
from crawlers.proxies import ProxyFailed
from crawlers.proxy_settings import ProxySettings, check_proxies
from schemas.settings import SettingsError, load_settings
from tests.crawlers.crawling import FAST, config, crawl, image
from tests.crawlers.proxy_server import ProxyServer
from tests.crawlers.servers import Reply, WebServer, page

PUBLIC = "93.184.216.34"
SECRET = "jane:open:sesame"
NAMES = {
    "a.example": [PUBLIC], "b.example": [PUBLIC], "in.example": ["10.0.0.7"], "both.example": [PUBLIC, "127.0.0.1"],
}  # fmt: skip


async def look_up(host: str) -> tuple[list[str], float]:
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return NAMES[host], 60.0


@pytest.fixture
def proxy(web: WebServer) -> Iterator[ProxyServer]:
    with ProxyServer(web.address) as server:
        yield server


def by(proxy: ProxyServer, pattern: str = "*", **more: ProxySettings) -> FetchSettings:
    return FetchSettings(proxies={pattern: ProxySettings(proxy.url), **more})


def fetch(settings: FetchSettings, *urls: str) -> list[Exchange]:
    async def run() -> list[Exchange]:
        async with Fetcher(settings) as fetcher:
            fetcher.resolver._names = Names(look_up)
            return [await fetcher.get(url, lambda status, headers: 1 << 20) for url in urls]

    return asyncio.run(run())


def test_an_address_in_http_is_asked_for_by_its_name(web: WebServer, proxy: ProxyServer) -> None:
    web.routes["/x"] = Reply(b"hello")
    (exchange,) = fetch(by(proxy), "http://a.example/x?y=1")
    assert (exchange.status, exchange.body, exchange.address) == (200, b"hello", "")
    assert proxy.lines == ["GET http://a.example/x?y=1 HTTP/1.1"]
    assert exchange.request_head.startswith(b"GET /x?y=1 HTTP/1.1\r\nHost: a.example\r\n")


def test_a_tunnel_leads_to_the_address_that_was_judged_and_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("a.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with WebServer({"/": Reply(b"x")}, tls=context) as server, ProxyServer(server.address) as proxy:
        settings = msgspec.structs.replace(by(proxy), certificates=str(tmp_path / "authority.pem"))
        exchanges = fetch(settings, "https://a.example/", "https://a.example/")
        assert [exchange.body for exchange in exchanges] == [b"x", b"x"]
        assert exchanges[0].address == PUBLIC
        assert proxy.lines == [f"CONNECT {PUBLIC}:443 HTTP/1.1"]  # one for both
        assert b"\r\nHost: a.example\r\n" in exchanges[0].request_head
        assert server.log[0].headers["host"] == "a.example"
        with pytest.raises(Unfetched) as caught:  # at the same address, but another's certificate
            fetch(settings, "https://a.example/", "https://b.example/")
        assert caught.value.reason == "tls"


@pytest.mark.parametrize(
    "url",
    ["http://in.example/", "https://in.example/", "https://both.example/", "http://10.0.0.1/", "https://127.0.0.1/",
     "http://[::1]/", "http://2130706433/", "https://169.254.169.254/latest"],
)  # fmt: skip
def test_no_proxy_is_asked_for_what_lies_on_a_private_network(proxy: ProxyServer, url: str) -> None:
    with pytest.raises(Unfetched) as caught:
        fetch(by(proxy), url)
    assert caught.value.reason == "blocked_address"
    assert proxy.requests == []


def test_the_address_of_a_proxy_is_no_way_into_its_network(web: WebServer, proxy: ProxyServer) -> None:
    """A proxy may lie on a private address; nobody else there may be asked, nor it for its own pages."""
    NAMES["gate.example"] = ["127.0.0.1"]
    settings = FetchSettings(proxies={"b.example": ProxySettings(f"http://gate.example:{proxy.port}")})
    web.routes["/"] = Reply(b"x")
    assert fetch(settings, "http://b.example/")[0].body == b"x"
    for url in (f"http://gate.example:{proxy.port}/", f"{web.url}/", "http://gate.example/"):
        with pytest.raises(Unfetched) as caught:
            fetch(settings, "http://b.example/", url)
        assert caught.value.reason == "blocked_address"


def test_the_longest_pattern_says_which_proxy_is_asked(web: WebServer, proxy: ProxyServer) -> None:
    web.routes["/"] = Reply(b"x")
    with ProxyServer(web.address) as other:
        settings = FetchSettings(
            connect_to={"direct.b.example": web.address},
            allow_private=("127.0.0.1",),
            proxies={
                "*": ProxySettings(proxy.url),
                "*.b.example": ProxySettings(other.url),
                "direct.b.example": ProxySettings(),
            },
        )
        fetch(settings, "http://a.example/", "http://b.example/", "http://direct.b.example/")
        assert proxy.lines == ["GET http://a.example/ HTTP/1.1"]
        assert other.lines == ["GET http://b.example/ HTTP/1.1"]
        assert [line.host for line in web.log] == ["a.example", "b.example", "direct.b.example"]


def test_credentials_reach_the_proxy_and_nothing_else(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("WEFT_PROXY", SECRET)
    secret = base64.b64encode(SECRET.encode()).decode()
    web.routes |= {"/": Reply(page("/1", images=("/i.png",))), "/1": Reply(page()), "/i.png": image()}
    with ProxyServer(web.address, f"Basic {secret}") as proxy:
        settings = config(web)
        fetch_settings = msgspec.structs.replace(
            settings.fetch, proxies={"*": ProxySettings(proxy.url, "WEFT_PROXY")}, contact="me@a.example"
        )
        settings = msgspec.structs.replace(settings, fetch=fetch_settings)
        done = crawl(tmp_path, settings, "http://a.example/")
        assert done.status.visits == {"page": 2, "image": 1}
        assert len(proxy.requests) == 6
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    everything += b"".join(gzip.decompress(path.read_bytes()) for path in tmp_path.rglob("*.warc.gz"))
    everything += msgspec.json.encode(settings) + caplog.text.encode() + repr(web.log).encode()
    assert b"http://a.example/1" in everything
    for word in (secret, SECRET, "sesame", "roxy-Authorization", "roxy-authorization"):
        assert word.encode() not in everything, word


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_other_credentials_ends_the_run(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("WEFT_PROXY", SECRET)
    with ProxyServer(web.address, "Basic other") as proxy:
        settings = config(web)
        proxies = {"*": ProxySettings(proxy.url, "WEFT_PROXY")}
        settings = msgspec.structs.replace(settings, fetch=msgspec.structs.replace(settings.fetch, proxies=proxies))
        with pytest.raises(ProxyFailed, match="other credentials: 407") as caught:
            crawl(tmp_path, settings, f"{scheme}://a.example/")
        assert "sesame" not in str(caught.value)


def test_while_a_proxy_is_down_nothing_is_lost(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page(*(f"/{n}" for n in range(5)))), **{f"/{n}": Reply(page()) for n in range(5)}}
    pace = msgspec.structs.replace(FAST, backoff_s=0.05, max_failures=2)
    settings = config(web, pace)
    with ProxyServer(web.address) as gone:
        pass
    fetch_settings = msgspec.structs.replace(settings.fetch, proxies={"*": ProxySettings(gone.url)})
    settings = msgspec.structs.replace(settings, fetch=fetch_settings)
    done = crawl(tmp_path, settings, "http://a.example/", limit_s=1.0)
    assert done.drops == {}
    assert done.status.queued == 1
    with gone:
        done = crawl(tmp_path, settings, "http://a.example/")
    assert done.status.visits == {"page": 6}


@pytest.mark.parametrize(("status", "reason", "passing"), [(403, "proxy", False), (503, "connect", True)])
def test_what_a_proxy_refuses_is_dropped(proxy: ProxyServer, status: int, reason: str, passing: bool) -> None:
    proxy.status = status
    with pytest.raises(Unfetched) as caught:
        fetch(by(proxy), "https://a.example/")
    assert (caught.value.reason, caught.value.passing) == (reason, passing)


@pytest.mark.parametrize(
    ("url", "said"),
    [("http://jane:x@p.example:3128", "holds no credentials"), ("p.example:3128", "is no proxy"),
     ("socks5://p.example:1080", "is no proxy"), ("http://p.example", "is no proxy"),
     ("http://p:3128/x", "is no proxy")],
)  # fmt: skip
def test_what_is_no_proxy_is_refused(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings(CrawlConfig, f"fetch: {{proxies: {{'*': {{url: '{url}'}}}}}}")
    assert "jane" not in str(caught.value)


def test_missing_credentials_are_said_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEFT_PROXY", raising=False)
    with pytest.raises(SettingsError, match="the environment has no user:password as WEFT_PROXY"):
        check_proxies({"*": ProxySettings("http://p.example:3128", "WEFT_PROXY")})
