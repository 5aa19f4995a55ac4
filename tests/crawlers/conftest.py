import re
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest

from tests.crawlers.servers import WebServer


class Site:
    """A web server on this machine: what is in `files` it serves, by path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.tells_length = True
        self.delay_s = 0.0
        self.status = 0  # instead of all files
        self.requests: list[str] = []
        self.sent: list[int] = []  # bytes of the bodies that were asked for


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(head_only=True)

        def do_GET(self) -> None:
            self.answer(head_only=False)

        def answer(self, head_only: bool) -> None:
            site.requests.append(f"{self.command} {self.path}")
            time.sleep(site.delay_s)
            body = site.files.get(self.path.partition("?")[0])
            if site.status or body is None:
                self.send_error(site.status or 404)
                return
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked and site.tells_length:
                first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
                body = body[first : last + 1]
            else:
                self.send_response(200)
            if site.tells_length:
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not head_only:
                site.sent.append(len(body))
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def memory() -> Iterator[str]:
    """The URL of an empty folder in memory."""
    url = f"memory://{uuid.uuid4().hex}"
    yield url
    fs, path = fsspec.core.url_to_fs(url)
    if fs.exists(path):
        fs.rm(path, recursive=True)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A server without pages; tests fill its `routes`."""
    with WebServer() as server:
        yield server
