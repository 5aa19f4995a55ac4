"""Sitemaps (sitemaps.org): lists of pages with their images and videos, lists of lists, plain texts, and feeds.

What is damaged gives what stands before the damage.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from xml.parsers import expat

import msgspec

from schemas.drops import Drop
from schemas.urls import resolve

#: The protocol's own limit, uncompressed.
MAX_SITEMAP_BYTES = 50 << 20
MAX_ENTRIES = 50_000
_STEP = 64 << 10
_MAX_DEPTH, _MAX_ADDRESS = 100, 10_000


class Sitemap(msgspec.Struct, frozen=True):
    """A sitemap as it was sent, the encoding of HTTP undone."""

    url: str
    body: bytes


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


def entries_of(sitemap: Sitemap) -> list[SitemapEntry]:
    return list(read_sitemap(sitemap.body, sitemap.url))


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
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    for line in io.StringIO(text, newline=None):
        if line.strip().startswith(("http://", "https://")):
            yield "page", line.strip()


def _entries(body: bytes) -> Iterator[tuple[str, str]]:
    """Entries by the local names of elements: half of all sitemaps have a namespace of their own spelling.

    Expat does no network and stops entity bombs. No tree is built: a sitemap takes the memory of an entry, not its own.
    """
    reader = _Reader()
    for position in range(0, len(body), _STEP):
        try:
            reader.parser.Parse(body[position : position + _STEP], False)
        except (expat.ExpatError, _TooDeep, ValueError, LookupError):  # not XML, or in an encoding that is none
            yield from reader.taken()
            return
        yield from reader.taken()


class _TooDeep(Exception):
    pass


class _Reader:
    """What Expat calls."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._path: list[str] = []
        self._said = ""
        self._found: list[tuple[str, str]] = []

    def taken(self) -> list[tuple[str, str]]:
        """What was found since it was last asked for."""
        found, self._found = self._found, []
        return found

    def _start(self, name: str, _: dict[str, str]) -> None:
        if len(self._path) >= _MAX_DEPTH:
            raise _TooDeep
        self._path.append(name.rpartition(":")[2].lower())
        self._said = ""

    def _text(self, text: str) -> None:
        if len(self._said) < _MAX_ADDRESS:
            self._said += text

    def _end(self, _: str) -> None:
        if (address := self._said.strip()) and len(address) < _MAX_ADDRESS and (kind := _kind(self._path)):
            self._found.append((kind, address))
        self._path.pop()
        self._said = ""


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
