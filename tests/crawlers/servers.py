"""Web servers on this machine that behave as a test asks: well, slowly, endlessly, or not at all."""

import asyncio
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType

HTML = "text/html; charset=utf-8"
_TICK_S, _TICKS = 0.01, 4


@dataclass(frozen=True)
class Request:
    """A line of the server's log."""

    time: float  # seconds since 1970, when it had been read
    since: float  # it did not come before: a little earlier, or much where the server itself was kept waiting
    host: str
    path: str
    headers: dict[str, str]  # names in lower case
    at_once: int  # requests being answered to this host name, this one included


@dataclass(frozen=True)
class Reply:
    """What is sent. `pieces` follow the body, each as it comes; `length` overrides Content-Length, None omits it."""

    body: bytes = b""
    content_type: str = HTML
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pieces: Callable[[], AsyncIterator[bytes]] | None = None
    length: int | str | None = "own"
    delay_s: float = 0.0
    raw: bytes | None = None  # sent as it is, in place of everything, and the connection closed


def least_gap_s(lines: Iterable[Request]) -> float:
    """Between two requests in a row, none of them made shorter by a server that was late to read the first."""
    in_order = sorted(lines, key=lambda line: line.time)
    return min(later.time - earlier.since for earlier, later in pairwise(in_order))


Route = Reply | Callable[[Request], Reply]


def page(*links: str, images: tuple[str, ...] = (), head: str = "") -> bytes:
    """A page with links and images."""
    body = "".join(f"<a href='{link}'>go</a>" for link in links) + "".join(f"<img src='{url}'>" for url in images)
    return f"<html><head><title>A page</title>{head}</head><body><p>Text</p>{body}</body></html>".encode()


@dataclass
class WebServer:
    """Serves `routes` by path, or by host and path, on 127.0.0.1. A context manager; may be stopped and started."""

    routes: dict[str, Route] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    hung_up: int = 0  # replies that the client did not hear to the end

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def paths(self, host: str = "") -> list[str]:
        """What was asked for, in order; the files of site policy left out."""
        policy = ("/robots.txt", "/ai.txt", "/.well-known/tdmrep.json")
        return [line.path for line in self.log if line.path not in policy and (not host or line.host == host)]

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._end, self._busy = asyncio.get_running_loop(), asyncio.Event(), dict[str, int]()
        self._connections: set[asyncio.Task[None]] = set()
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = listener.getsockname()[1]
        server = await asyncio.start_server(self._connection, sock=listener, ssl=self.tls)
        self._ticks = deque[float](maxlen=_TICKS)
        self._tick()
        ready.set()
        await self._end.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _tick(self) -> None:
        """What comes while the loop stands still comes after one of the last ticks."""
        self._ticks.append(time.time())
        self._loop.call_later(_TICK_S, self._tick)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up += 1
        except asyncio.CancelledError:
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
        if not head:
            return False
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
        host = headers.get("host", "").partition(":")[0]
        self._busy[host] = self._busy.get(host, 0) + 1
        request = Request(time.time(), self._ticks[0], host, line.split(" ")[1], headers, self._busy[host])
        self.log.append(request)
        try:
            return await self._answer(self._reply(request), writer)
        finally:
            self._busy[host] -= 1

    def _reply(self, request: Request) -> Reply:
        path = request.path.partition("?")[0]
        route = self.routes.get(f"{request.host}{path}") or self.routes.get(path) or Reply(b"no", status=404)
        return route(request) if callable(route) else route

    async def _answer(self, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(reply.delay_s)
        if reply.raw is not None:
            writer.write(reply.raw)
            await writer.drain()
            return False
        headers = [("Content-Type", reply.content_type), *reply.headers]
        length = len(reply.body) if reply.length == "own" and reply.pieces is None else reply.length
        if isinstance(length, int):
            headers.append(("Content-Length", str(length)))
        else:
            headers.append(("Connection", "close"))
        text = "".join(f"{name}: {value}\r\n" for name, value in headers)
        writer.write(f"HTTP/1.1 {reply.status} Whatever\r\n{text}\r\n".encode("latin-1") + reply.body)
        await writer.drain()
        if reply.pieces is not None:
            async for piece in reply.pieces():
                writer.write(piece)
                await writer.drain()
        return isinstance(length, int) and length == len(reply.body)

    def __enter__(self) -> "WebServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


async def drip() -> AsyncIterator[bytes]:
    """One byte a tenth of a second, for ever."""
    while True:
        await asyncio.sleep(0.1)
        yield b"x"


async def endless() -> AsyncIterator[bytes]:
    """As fast as it is read, for ever."""
    while True:
        yield bytes(64 << 10)
        await asyncio.sleep(0)
