"""Sitemaps (sitemaps.org): lists of pages with their images and videos, lists of lists, plain texts, and feeds.

What is damaged gives what stands before the damage.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import msgspec

from schemas.drops import Drop
from schemas.urls import resolve

#: The protocol's own limit, uncompressed.
MAX_SITEMAP_BYTES = 50 << 20
MAX_ENTRIES = 50_000
_STEP = 64 << 10


class SitemapEntry(msgspec.Struct, frozen=True):
    """An address of a sitemap. `kind`: page, sitemap, image or video."""

    kind: str
    url: str


def read_sitemap(body: bytes, base: str) -> Iterator[SitemapEntry]:
    """The entries of a sitemap, gzipped or not, in its order, at most `MAX_ENTRIES`. Raises `Drop("too_large")`."""
    if body[:2] == b"\x1f\x8b":
        body = _unzipped(body)
    start = body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    found = _entries(body) if start.startswith(b"<") else _lines(body)
    for number, (kind, address) in enumerate(found):
        if number >= MAX_ENTRIES:
            return
        if url := resolve(base, address):
            yield SitemapEntry(kind, url)


def _unzipped(body: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(body)) as file:
            data = file.read(MAX_SITEMAP_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        stream = zlib.decompressobj(31)  # cut off: what came
        try:
            data = stream.decompress(body, MAX_SITEMAP_BYTES + 1)
        except zlib.error:
            return b""
    if len(data) > MAX_SITEMAP_BYTES:
        raise Drop("too_large", f"a sitemap over {MAX_SITEMAP_BYTES} bytes when decompressed")
    return data


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    for line in body.decode("utf-8", "replace").removeprefix("\ufeff").splitlines():
        if line.strip().startswith(("http://", "https://")):
            yield "page", line.strip()


def _entries(body: bytes) -> Iterator[tuple[str, str]]:
    """Entries by the local names of elements: half of all sitemaps have a namespace of their own spelling.

    Expat does no network and stops entity bombs.
    """
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    path: list[str] = []
    for position in range(0, len(body), _STEP):
        try:
            parser.feed(body[position : position + _STEP])
            events = list(parser.read_events())
        except ElementTree.ParseError:
            return
        for event, element in events:
            if event == "start":
                path.append(str(element.tag).rpartition("}")[2].lower())
                continue
            text, kind = (element.text or "").strip(), _kind(path)
            if text and kind:
                yield kind, text
            path.pop()
            element.clear()


def _kind(path: list[str]) -> str:
    match path[-2:]:
        case ["sitemap", "loc"]:
            return "sitemap"
        case ["url", "loc"] | ["item", "link"]:
            return "page"
        case ["image", "loc"]:
            return "image"
        case ["video", "content_loc"]:
            return "video"
    return ""
