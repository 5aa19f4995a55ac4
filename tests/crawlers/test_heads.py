import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Unfetched
from crawlers.heads import mended, stated_length
from tests.crawlers.servers import Reply, WebServer
from tests.crawlers.test_fetch import LOCAL, cap

_OK = b"HTTP/1.1 200 OK\r\n"


async def _get(web: WebServer, times: int = 1) -> list[Exchange]:
    async with Fetcher(LOCAL) as fetcher:
        found = []
        for number in range(times):
            await asyncio.sleep(0.2 * bool(number))  # what is still on its way comes
            found.append(await fetcher.get(web.url + "/", cap))
        return found


@pytest.mark.parametrize(
    ("head", "value"),
    [
        (b"Content-Length: 4\r\nContent-Length: 4\r\n", None),
        (b"Content-Length: 4, 4\r\n", None),
        (b"Content-Length : 4\r\n", None),
        (b"Content-Length: \r\n", None),
        (b"Content-Length:\r\nContent-Length: 4\r\n", None),
        (b"Transfer-Encoding: identity\r\nContent-Length: 4\r\n", None),
        (b"Transfer-Encoding: Identity\r\n", None),
        (b"X-Y : 9\r\nContent-Length: 4\r\n", "9"),
        (b"X-Y\t: 9\r\nContent-Length: 4\r\n", "9"),
        (b"X Y: 9\r\n and more\r\nContent-Length: 4\r\n", None),
        (b"no header\r\n: 9\r\nX(Y): 9\r\nContent-Length: 4\r\n", None),
        (b"X-Y: 9\r\n more\r\nContent-Length: 4\r\n", "9 more"),
        (b"X-Y: \xe4\r\nContent-Length: 4\r\n", "ä"),
    ],
)
def test_what_browsers_take_is_taken(web: WebServer, head: bytes, value: str | None) -> None:
    for ends in (b"\r\n", b"\n"):
        web.routes["/"] = Reply(raw=(b"\r\n" + _OK + head + b"\r\n").replace(b"\r\n", ends) + b"here")
        (exchange,) = asyncio.run(_get(web))
        assert (exchange.body, exchange.headers.get("x-y")) == (b"here", value)


@pytest.mark.parametrize("more", [b" and more", b"<!-- 0.1 s -->" * 9000])
def test_what_comes_beyond_the_stated_length_is_left_out(web: WebServer, more: bytes) -> None:
    """As browsers do; and the connection, on which nobody knows what comes next, is not used again."""

    async def pieces() -> AsyncIterator[bytes]:
        yield more

    web.routes["/"] = Reply(b"here", length=4, pieces=pieces)
    assert [exchange.body for exchange in asyncio.run(_get(web, 3))] == [b"here"] * 3


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 7),
        (b"HTTP/1.1 200 OK\r\ncontent-length:7 \r\nX: y\r\n\r\n", 7),
        (b"HTTP/1.1 200 OK\r\nX-Content-Length: 7\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\n\r\n", None),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 0),
        (b"HTTP/1.1 200\r\n\r\n", None),
    ],
)
def test_how_long_a_body_is_stated_to_be(head: bytes, length: int | None) -> None:
    assert stated_length(head) == length


def test_chunks_count_beside_a_length(web: WebServer) -> None:
    chunks = b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhere\r\n0\r\n\r\n"
    web.routes["/"] = Reply(raw=_OK + chunks)
    assert asyncio.run(_get(web))[0].body == b"here"


@pytest.mark.parametrize("chunks", [b"zz\r\nhere", b"4\r\nhere\r\nzz\r\n", b"4\nhere\n0\n\n"])
def test_chunks_that_are_none_end_a_response_at_once(web: WebServer, chunks: bytes) -> None:
    """It waited for its deadline of two minutes, and its host was taken for a slow one."""
    web.routes["/"] = Reply(raw=_OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    with pytest.raises(Unfetched) as failed:
        asyncio.run(asyncio.wait_for(_get(web), 10))
    assert failed.value.reason == "bad_response"


@pytest.mark.parametrize("head", [b"Content-Length: 4\r\nContent-Length: 6\r\n", b"Content-Length: 4, 6\r\n"])
def test_two_lengths_that_differ_are_refused(web: WebServer, head: bytes) -> None:
    web.routes["/"] = Reply(raw=_OK + head + b"\r\nhereab")
    with pytest.raises(Unfetched) as refused:
        asyncio.run(_get(web))
    assert refused.value.reason == "bad_response"


def test_heads_may_come_in_pieces_and_after_others(web: WebServer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in (
            b"HTTP/1.1 103 Early Hints\r\nLink : </a>\r\n\r\n" + _OK + b"X-Y : 9\r\nContent-Length: 4\r\n\r\nhere"
        ):
            yield bytes([byte])
            await asyncio.sleep(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):  # of one connection
            await reader.readuntil(b"\r\n\r\n")
            async for piece in pieces():
                writer.write(piece)
                await writer.drain()
        writer.close()  # from Python 3.12 on a server waits for its connections

    async def run() -> list[Exchange]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, Fetcher(LOCAL) as fetcher:
            port = server.sockets[0].getsockname()[1]
            return [await fetcher.get(f"http://127.0.0.1:{port}/", cap) for _ in range(3)]

    assert [(got.status, got.body, got.headers["x-y"]) for got in asyncio.run(run())] == [(200, b"here", "9")] * 3


def test_a_head_without_end_is_refused(web: WebServer) -> None:

    web.routes["/"] = Reply(raw=_OK + b"X: " + b"y" * (3 << 20))
    with pytest.raises(Unfetched) as refused:
        asyncio.run(_get(web))
    assert refused.value.reason == "bad_response"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_that_ends(head: bytes) -> None:
    once = mended(_OK + head + b"\r\n\r\n")
    assert once.startswith(_OK)
    assert once.endswith(b"\r\n\r\n")
    assert mended(once) == once
