"""Ranges of archives that lie elsewhere, asked for with manners: few at a time, fewer where their host is strained."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import TracebackType
from urllib.parse import quote

import msgspec
from fsspec.core import url_to_fs

from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Unfetched, retry_after
from crawlers.fetch_settings import FetchSettings
from crawlers.http import PASSING_STATUSES
from crawlers.range_settings import RangeSettings
from schemas.drops import Drop
from schemas.urls import host_of

_CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+|\*)", re.IGNORECASE)
_UNSATISFIABLE = re.compile(r"InvalidRange|not satisfiable", re.IGNORECASE)
_REGAINED_AFTER = 50  # answers for each connection that was given up
_ASKED_AGAIN_S = 0.05


class Gate:
    """When the next range may be asked for, over all connections of a worker. One of `sharing` workers of a job."""

    def __init__(self, settings: RangeSettings, sharing: int = 1) -> None:
        self._settings = settings
        self.connections = self._open = max(1, settings.connections // max(1, sharing))
        self._rate = settings.max_requests_per_s / max(1, sharing)
        self._next = self._rested = 0.0
        self._failures = self._answers = self._busy = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until a request may begin; it is one of those on their way as long as the block lasts."""
        while (wait := max(self._next, self._rested) - time.monotonic()) > 0 or self._busy >= self._open:
            await asyncio.sleep(wait if wait > 0 else _ASKED_AGAIN_S)
        self._busy += 1
        self._next = time.monotonic() + 1 / self._rate if self._rate else 0.0
        try:
            yield
        finally:
            self._busy -= 1

    def answered(self) -> None:
        self._failures, self._answers = 0, self._answers + 1
        if self._answers >= _REGAINED_AFTER and self._open < self.connections:
            self._open, self._answers = self._open + 1, 0

    def failed(self, after_s: float) -> None:
        """All connections rest, and half of them are given up for a while. Those that fail together count once."""
        at = time.monotonic()
        if at < self._rested:
            return
        wait = min(self._settings.max_backoff_s, self._settings.backoff_s * 2 ** min(self._failures, 20))
        self._rested = at + max(after_s, wait * random.uniform(1.0, 1.25))
        self._failures, self._answers, self._open = self._failures + 1, 0, max(1, self._open // 2)


class WebRanges:
    """Archives of a web server, below an address. A context manager of one event loop."""

    def __init__(self, archives_at: str, settings: FetchSettings, connections: int) -> None:
        self._at = archives_at.rstrip("/") + "/"
        mine = (*settings.allow_private, host_of(self._at))  # whoever names a server means it
        self._fetcher = Fetcher(msgspec.structs.replace(settings, allow_private=mine, max_connections=connections))

    async def read(self, archive: str, start: int, length: int) -> bytes:
        """Bytes of an archive; fewer only where it ends.

        Raises `Drop`: no_such_archive, no_such_range, no_ranges, http_status; and `Unfetched` for what may pass.
        """
        url, wanted = (
            self._at + quote(archive, safe="/%:@!$&'()*+,;=~"),
            {"Range": f"bytes={start}-{start + length - 1}"},
        )
        exchange = await self._fetcher.get(url, _judge(start, length), "*/*", "identity", wanted)
        status = exchange.status
        if status == 206:
            return _whole(exchange, start, length)
        if status in (404, 410):
            raise Drop("no_such_archive", f"{status} for {archive}")
        if status == 416:
            raise Drop("no_such_range", f"{wanted['Range']} of {archive}")
        if status == 403 or status in PASSING_STATUSES:  # Common Crawl says 403 to those that ask for too much
            raise Unfetched("http_status", str(status), True, retry_after(exchange))
        raise Drop("http_status", f"{status} for {archive}")

    async def __aenter__(self) -> "WebRanges":
        await self._fetcher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._fetcher.__aexit__(kind, error, trace)


class StoredRanges:
    """The same of a folder or a store of objects, by fsspec."""

    def __init__(self, archives_at: str, connections: int) -> None:
        self._fs, self._root = url_to_fs(archives_at)
        self._threads = ThreadPoolExecutor(connections)

    async def read(self, archive: str, start: int, length: int) -> bytes:
        path = f"{self._root.rstrip('/')}/{archive}"
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, path, start, length)
        except Drop:
            raise
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise Drop("no_such_archive", archive) from None
        except Exception as error:  # clients of stores have error trees of their own
            told = f"{error!r} {error.__cause__!r}"
            if _UNSATISFIABLE.search(told):
                raise Drop("no_such_range", f"{start}+{length} of {archive}") from None
            raise Unfetched("bad_response", told[:200], passing=True) from None

    def _read(self, path: str, start: int, length: int) -> bytes:
        """In a thread. Raises what the store raises, `Drop`, `Unfetched`."""
        data = bytes(self._fs.cat_file(path, start=start, end=start + length))
        if len(data) < length and start + len(data) < (size := int(self._fs.size(path))):
            raise Unfetched("bad_response", f"{len(data)} of {length} bytes, {size} in all", passing=True)
        if not data:
            raise Drop("no_such_range", f"{start}+{length} of {path}")
        return data

    async def __aenter__(self) -> "StoredRanges":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


Ranges = WebRanges | StoredRanges


def open_ranges(archives_at: str, settings: FetchSettings, connections: int) -> Ranges:
    """What reads archives below an http address, a folder, or an fsspec URL such as s3://commoncrawl/."""
    if archives_at.startswith(("http://", "https://")):
        return WebRanges(archives_at, settings, connections)
    return StoredRanges(archives_at, connections)


def _judge(start: int, length: int) -> Callable[[int, dict[str, str]], int]:
    """Told before the body is read: a server that knows no ranges would send a gigabyte."""

    def judge(status: int, headers: dict[str, str]) -> int:
        if status == 200:
            raise Drop("no_ranges", "the server answers 200, with the whole archive")
        if status == 206 and not (found := _CONTENT_RANGE.match(headers.get("content-range", ""))):
            raise Unfetched("bad_response", "206 without a Content-Range", passing=True)
        if status == 206 and found and not (int(found[1]) == start and int(found[2]) < start + length):
            raise Unfetched("bad_response", f"{found[0]} for bytes {start}-{start + length - 1}", passing=True)
        return length

    return judge


def _whole(exchange: Exchange, start: int, length: int) -> bytes:
    """The body, if nothing is missing of it. Raises `Unfetched`."""
    found = _CONTENT_RANGE.match(exchange.headers.get("content-range", ""))
    ends_there = found is not None and found[3] == str(start + len(exchange.body))
    if len(exchange.body) < length and not ends_there:
        raise Unfetched("bad_response", f"{len(exchange.body)} of {length} bytes", passing=True)
    return exchange.body
