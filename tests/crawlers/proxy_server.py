"""An HTTP proxy on this machine that leads all it is asked for to one server, and keeps what it was asked."""

import asyncio
import threading
from contextlib import suppress


class ProxyServer:
    """A context manager. `requests` are the heads that it got; `status` answers them instead where it is set."""

    def __init__(self, leads_to: str, credentials: str = "") -> None:
        host, _, port = leads_to.rpartition(":")
        self._target, self._credentials = (host, int(port)), credentials
        self.requests: list[str] = []
        self.status = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        return [head.partition("\r\n")[0] for head in self.requests]

    def __enter__(self) -> "ProxyServer":
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.requests.append(head)
                status = self.status
                if self._credentials and f"proxy-authorization: {self._credentials}".lower() not in head.lower():
                    status = 407
                if status:
                    writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
                elif head.startswith("CONNECT "):
                    far_reader, far_writer = await asyncio.open_connection(*self._target)
                    writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                    await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
                    break
                else:
                    writer.write(await self._ask(head))
        writer.close()

    async def _ask(self, head: str) -> bytes:
        """The answer to a request, which is passed on without what is meant for a proxy."""
        reader, writer = await asyncio.open_connection(*self._target)
        first, *lines = head.split("\r\n")
        method, url, version = first.split(" ")
        lines = [line for line in lines if not line.lower().startswith("proxy-")]
        writer.write("\r\n".join([f"{method} /{url.split('/', 3)[3]} {version}", *lines]).encode("latin-1"))
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.close()
        return answer + body


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
