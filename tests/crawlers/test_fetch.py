import asyncio
import gzip
import ssl
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
import trustme
import zstandard

from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Unfetched, check_status, retry_after
from crawlers.fetch_settings import FetchSettings
from schemas.drops import Drop
from tests.crawlers.servers import Reply, WebServer, drip, endless

CAP = 1 << 20
LOCAL = FetchSettings(allow_private=("127.0.0.1",), contact="https://example.org/who")


def cap(status: int, headers: dict[str, str]) -> int:
    return CAP


def fetch(url: str, settings: FetchSettings = LOCAL, judge: Callable[[int, dict[str, str]], int] = cap) -> Exchange:
    async def run() -> Exchange:
        async with Fetcher(settings) as fetcher:
            return await fetcher.get(url, judge)

    return asyncio.run(run())


def refused(url: str, settings: FetchSettings = LOCAL) -> Unfetched:
    with pytest.raises(Unfetched) as caught:
        fetch(url, settings)
    return caught.value


def test_an_exchange_holds_both_heads_and_the_body_as_sent(web: WebServer) -> None:
    packed = gzip.compress(b"hello")
    web.routes["/a"] = Reply(packed, headers=(("Content-Encoding", "gzip"), ("X-Two", "1"), ("X-Two", "2")))
    exchange = fetch(f"{web.url}/a?b=%20c")
    assert (exchange.status, exchange.body, exchange.decoded(CAP)) == (200, packed, b"hello")
    assert exchange.headers["x-two"] == "1, 2"
    assert exchange.request_head.startswith(b"GET /a?b=%20c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert exchange.response_head.startswith(b"HTTP/1.1 200 Whatever\r\nContent-Type: text/html")
    assert exchange.address == "127.0.0.1"


def test_we_say_who_we_are_and_keep_no_cookies(web: WebServer) -> None:
    web.routes["/"] = Reply(b"x", headers=(("Set-Cookie", "id=7; Path=/"),))

    async def run() -> None:
        async with Fetcher(LOCAL) as fetcher:
            for _ in range(2):
                await fetcher.get(web.url + "/", cap)

    asyncio.run(run())
    assert all(line.headers["user-agent"] == "weft/0.1.0 (+https://example.org/who)" for line in web.log)
    assert all("cookie" not in line.headers for line in web.log)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.org/", "gopher://127.0.0.1/", "javascript:alert(1)", "//example.org/", ""],
)
def test_only_http_and_https(url: str) -> None:
    assert refused(url).reason == "bad_address"


@pytest.mark.parametrize("url", ["http://a.example\\@{}/", "http:\\\\{}/", "http:/{}/", "http://{}:99999/"])
def test_an_address_that_two_readers_take_for_two_is_not_fetched(web: WebServer, url: str) -> None:
    """The deny list and robots.txt judged one of them, the connection would go to the other."""
    assert refused(url.format(web.address), FetchSettings(allow_private=("127.0.0.1",))).reason == "bad_address"
    assert web.log == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "2130706433", "0x7f.1", "[::ffff:7f00:1]"],
)
def test_private_addresses_in_any_notation_are_never_connected_to(web: WebServer, host: str) -> None:
    failure = refused(f"http://{host}:{web.port}/", FetchSettings())
    assert (failure.reason, failure.passing) == ("blocked_address", False)
    assert web.log == []


def test_what_one_host_may_another_may_not(web: WebServer) -> None:
    web.routes["/"] = Reply(b"x")
    settings = FetchSettings(connect_to={"a.example": web.address})
    assert fetch("http://a.example/", settings).body == b"x"
    assert refused(f"http://127.0.0.2:{web.port}/", settings).reason == "blocked_address"


def test_a_redirect_is_an_answer_and_not_followed(web: WebServer) -> None:
    web.routes["/a"] = Reply(status=302, headers=(("Location", "http://169.254.169.254/"),))
    exchange = fetch(web.url + "/a")
    assert (exchange.status, exchange.headers["location"]) == (302, "http://169.254.169.254/")


def test_a_slow_drip_ends_at_the_deadline(web: WebServer) -> None:
    web.routes["/"] = Reply(pieces=drip)
    began = time.monotonic()
    failure = refused(web.url + "/", msgspec.structs.replace(LOCAL, deadline_s=1.0))
    assert (failure.reason, failure.passing) == ("slow", True)
    assert time.monotonic() - began < 5


def test_headers_that_drip_end_at_the_deadline(web: WebServer) -> None:
    web.routes["/"] = Reply(b"x", delay_s=60)
    assert refused(web.url + "/", msgspec.structs.replace(LOCAL, deadline_s=0.5)).reason == "slow"


def test_an_endless_body_ends_at_the_cap(web: WebServer) -> None:
    web.routes["/"] = Reply(pieces=endless)
    assert refused(web.url + "/").reason == "too_large"


def test_a_stated_length_over_the_cap_is_not_read(web: WebServer) -> None:
    web.routes["/"] = Reply(b"x", length=CAP + 1)
    failure = refused(web.url + "/")
    assert (failure.reason, failure.detail) == ("too_large", f"{CAP + 1} bytes, cap {CAP}")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_stopped_while_it_decompresses(web: WebServer, encoding: str) -> None:
    plain = bytes(200 << 20)
    packers = {"gzip": lambda: gzip.compress(plain, 9), "deflate": lambda: zlib.compress(plain, 9)}
    packed = packers.get(encoding, lambda: zstandard.compress(plain))()
    assert len(packed) < CAP
    web.routes["/"] = Reply(packed, headers=(("Content-Encoding", encoding),))
    with pytest.raises(Drop, match="too_large"):
        fetch(web.url + "/").decoded(CAP)


def test_the_long_page_of_an_error_is_cut(web: WebServer) -> None:
    web.routes["/"] = Reply(pieces=endless, status=500)
    exchange = fetch(web.url + "/")
    assert (exchange.status, exchange.truncated, len(exchange.body)) == (500, "length", 64 << 10)


@pytest.mark.parametrize(("reply", "why"), [
    (Reply(pieces=drip, status=404), "time"), (Reply(b"gone", status=404, length=99), "disconnect"),
])  # fmt: skip
def test_an_error_is_told_by_its_status_however_its_page_ends(
    web: WebServer, monkeypatch: pytest.MonkeyPatch, reply: Reply, why: str
) -> None:
    monkeypatch.setattr("crawlers.fetch._RATE_JUDGED_AFTER_S", 0.3)
    web.routes["/"] = reply
    exchange = fetch(web.url + "/")
    assert (exchange.status, exchange.truncated) == (404, why)


def test_every_answer_is_told_with_the_time_of_its_request(web: WebServer) -> None:
    """Those too that are refused, so that the pace of their host is kept."""
    web.routes |= {"/": Reply(b"here"), "/large": Reply(b"x", length=CAP + 1), "/cut": Reply(b"x", length=9)}
    told = list[tuple[str, float]]()

    async def run() -> None:
        async with Fetcher(LOCAL) as fetcher:
            fetcher.ended = lambda url, sent_at: told.append((url, sent_at))
            for path in ("/", "/large", "/cut"):
                with suppress(Unfetched):
                    await fetcher.get(web.url + path, cap)

    asyncio.run(run())
    assert [url for url, _ in told] == [web.url + path for path in ("/", "/large", "/cut")]
    assert all(abs(sent_at - line.time) < 5 for (_, sent_at), line in zip(told, web.log, strict=True))


def test_a_judge_ends_an_exchange_before_the_body(web: WebServer) -> None:
    web.routes["/"] = Reply(pieces=endless)

    def judge(status: int, headers: dict[str, str]) -> int:
        raise Drop("opt_out", headers["content-type"])

    with pytest.raises(Drop, match="opt_out"):
        fetch(web.url + "/", judge=judge)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999,
    ],
)
def test_broken_answers_may_pass(web: WebServer, raw: bytes) -> None:
    web.routes["/"] = Reply(raw=raw)
    failure = refused(web.url + "/")
    assert (failure.reason, failure.passing) == ("bad_response", True)


def test_ten_thousand_headers_are_refused(web: WebServer) -> None:
    web.routes["/"] = Reply(b"x", headers=tuple((f"X-{n}", "y") for n in range(10_000)))
    assert refused(web.url + "/").reason == "bad_response"


def test_nobody_there(web: WebServer) -> None:
    web.stop()
    failure = refused(web.url + "/")
    web.start()
    assert (failure.reason, failure.passing) == ("connect", True)


def test_a_name_that_does_not_exist() -> None:
    failure = refused("http://nobody.invalid/")
    assert failure.reason == "dns"


def test_certificates_are_checked_and_an_own_authority_can_be_trusted(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("a.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with WebServer({"/": Reply(b"x")}, tls=context) as server:
        settings = FetchSettings(connect_to={"a.example": server.address, "b.example": server.address})
        trusting = msgspec.structs.replace(settings, certificates=str(tmp_path / "authority.pem"))
        failure = refused("https://a.example/", settings)
        assert (failure.reason, failure.passing) == ("tls", False)
        assert fetch("https://a.example/", trusting).body == b"x"
        assert refused("https://b.example/", trusting).reason == "tls"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0), ("", 0.0), ("soon", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("7, 7", 7.0), ("60,          120", 120.0), ("2.5", 2.5), ("9" * 5000, 2_592_000.0),
    ],
)  # fmt: skip
def test_retry_after(web: WebServer, value: str, seconds: float) -> None:
    web.routes["/"] = Reply(b"", status=429, headers=(("Retry-After", value),))
    exchange = fetch(web.url + "/")
    assert retry_after(exchange) == seconds
    with pytest.raises(Unfetched) as caught:
        check_status(exchange)
    assert (caught.value.passing, caught.value.after_s) == (True, seconds)


@pytest.mark.parametrize("value", [
    "Wed, 21 Oct 2015 07:28:30 GMT", "Wednesday, 21-Oct-15 07:28:30 GMT", "Wed Oct 21 07:28:30 2015",
])  # fmt: skip
def test_retry_after_in_every_form_of_a_date(web: WebServer, value: str) -> None:
    sent = ("Date", "Wed, 21 Oct 2015 07:28:00 GMT")
    web.routes["/"] = Reply(b"", status=429, headers=(("Retry-After", value), sent))
    assert retry_after(fetch(web.url + "/")) == 30


@pytest.mark.parametrize(("status", "passing"), [(404, False), (410, False), (403, False), (503, True), (500, True)])
def test_only_what_can_pass_is_tried_again(web: WebServer, status: int, passing: bool) -> None:
    web.routes["/"] = Reply(b"", status=status)
    with pytest.raises(Unfetched) as caught:
        check_status(fetch(web.url + "/"))
    assert caught.value.passing is passing


def test_bodies_in_flight_share_a_budget(web: WebServer) -> None:
    """Four bodies of 300 kB under a budget of one: all come, one after the other."""
    web.routes["/"] = Reply(bytes(300_000), "image/png")
    settings = msgspec.structs.replace(LOCAL, max_bytes_in_flight=300_000)

    async def run() -> list[Exchange]:
        async with Fetcher(settings) as fetcher:
            return await asyncio.gather(*(fetcher.get(web.url + "/", cap) for _ in range(4)))

    assert [len(exchange.body) for exchange in asyncio.run(run())] == [300_000] * 4


def test_long_headers_and_many_are_those_of_real_sites(web: WebServer) -> None:
    long = (("Set-Cookie", "a" * 20_000), *((f"X-{n}", "y") for n in range(400)))
    web.routes["/"] = Reply(b"here", headers=long)
    exchange = fetch(web.url + "/")
    assert exchange.body == b"here"
    assert len(exchange.headers["set-cookie"]) == 20_000
    web.routes["/"] = Reply(b"here", headers=(("X", "a" * 200_000),))
    assert refused(web.url + "/").reason == "bad_response"


def test_a_server_that_says_nothing_is_left_after_a_while(web: WebServer) -> None:
    web.routes["/"] = Reply(b"late", delay_s=5.0)
    began = time.monotonic()
    failure = refused(web.url + "/", msgspec.structs.replace(LOCAL, answer_timeout_s=0.3, deadline_s=60.0))
    assert (failure.reason, failure.passing) == ("slow", True)
    assert time.monotonic() - began < 3
