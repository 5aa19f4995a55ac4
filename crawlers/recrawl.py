"""Addresses that were captured before: a server is asked whether they have changed, and what has not is read again from
the archive where it lies, as if it had come."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import fsspec
import msgspec

from crawlers import zstd
from crawlers.crawl_config import CrawlConfig
from crawlers.earlier import Earlier, Known
from crawlers.exchange import Exchange
from crawlers.fetch import NO_HEADERS, Judge, http_date
from crawlers.framing import read_dictionary
from crawlers.items import Item
from crawlers.soundness import has_digest
from crawlers.warc import read_response
from crawlers.warc_writer import payload_digest
from schemas.drops import Drop

NOT_MODIFIED = 304
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_READ_AGAIN = ("page", "sitemap")  # what leads on
#: What a response says of the body that it has, which an answer of 304 has not (RFC 9111, 3.2).
_OF_THE_BODY = ("content-length", "content-encoding", "content-range", "content-type", "transfer-encoding")


class Recrawl:
    """Of one partition. Without earlier captures every address is new."""

    def __init__(self, earlier: Earlier, config: CrawlConfig) -> None:
        self._earlier, self._config = earlier, config
        self._at_hand: dict[str, bool] = {}

    def find(self, item: Item) -> Known | None:
        """Its last capture."""
        return self._earlier.find(item.url)

    async def ask(
        self,
        item: Item,
        known: Known | None,
        judge: Judge,
        get: Callable[[Mapping[str, str]], Awaitable[Exchange]],
    ) -> tuple[Exchange, Exchange]:
        """What the server answers, and the response that is to be read: another where nothing has changed.

        `get` asks with further headers, each time in its host's turn. Raises what it raises, and what `judge` raises of
        a response that has not changed.
        """
        condition = self._condition(item, known)
        answer = await get(condition)
        if known is None or not condition or answer.status != NOT_MODIFIED:
            return answer, answer
        try:
            return answer, await self._restored(item, known, answer, judge)
        except (Unreadable, OSError):  # without what it leads to it would be half a page
            answer = await get(NO_HEADERS)
            return answer, answer

    def _condition(self, item: Item, known: Known | None) -> Mapping[str, str]:
        """The headers that ask whether it has changed; none where it is to come whatever it is."""
        if known is None or known.url != item.url:
            return NO_HEADERS
        if item.kind in _READ_AGAIN and not self._is_at_hand(known.archive):
            return NO_HEADERS
        if item.kind == "page" and self._config.render.enabled:  # what its scripts load may have changed
            return NO_HEADERS
        condition: dict[str, str] = {}
        if _ETAG.fullmatch(known.etag):  # never `*`, to which every page is an old one
            condition["If-None-Match"] = known.etag
        if http_date(known.last_modified):
            condition["If-Modified-Since"] = known.last_modified
        return condition

    def _is_at_hand(self, archive: str) -> bool:
        if archive not in self._at_hand:
            self._at_hand[archive] = "://" in archive or Path(archive).is_file()
        return self._at_hand[archive]

    async def _restored(self, item: Item, known: Known, answer: Exchange, judge: Judge) -> Exchange:
        """The earlier response under the headers of now. Of media, which lead nowhere, the body is left where it is."""
        now = {name: value for name, value in answer.headers.items() if name not in _OF_THE_BODY}
        if item.kind not in _READ_AGAIN:
            headers = {"content-type": known.content_type, **now}
            judge(200, headers)
            return msgspec.structs.replace(answer, status=200, headers=headers, body=b"")
        headers, body = await asyncio.to_thread(_read, known, self._config.fetch.max_page_bytes)
        headers = {**headers, **now}
        judge(200, headers)
        return msgspec.structs.replace(answer, status=200, headers=headers, body=body)


def is_unchanged(exchange: Exchange, known: Known | None, rendered: bytes = b"") -> bool:
    """Whether what came is what was captured before: the server says so, or the bytes do; and where its scripts have
    made something of it, `rendered`, that this is the same."""
    if known is None or (rendered and payload_digest(rendered) != known.rendered):
        return False
    return exchange.status == NOT_MODIFIED or (exchange.status == 200 and has_digest(known.digest, exchange.body))


class Unreadable(Exception):
    """An earlier record is not what its index says."""


def _read(known: Known, max_bytes: int) -> tuple[dict[str, str], bytes]:
    """Headers and body, its encodings undone. Raises `Unreadable`, `OSError`."""
    try:
        with fsspec.open(known.archive, "rb") as file:
            file.seek(known.offset)
            record = file.read(known.length)
            dictionary = read_dictionary(file) if record.startswith(zstd.MAGIC) else b""
        found = read_response(record, known.stored_url or known.url, max_bytes, dictionary)
    except (Drop, Exception) as error:  # clients of stores have error trees of their own
        raise Unreadable(f"{known.archive} at {known.offset}: {error!r}") from error
    encodings = ("content-encoding", "transfer-encoding", "content-length")
    return {name: value for name, value in found.headers.items() if name not in encodings}, found.body
