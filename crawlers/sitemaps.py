"""Sitemaps (sitemaps.org): lists of pages with their images and videos, lists of lists, plain texts, and feeds.

What is damaged costs itself alone: what stands before and behind it is read.
"""

import codecs
import gzip
import html
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import webencodings

from schemas.drops import Drop
from schemas.urls import resolve

#: The protocol's own limit, uncompressed.
MAX_SITEMAP_BYTES = 50 << 20
MAX_ENTRIES = 50_000
_PIECE = 64 << 10  # bytes
_HEAD = 10_000  # bytes in which the first element stands, whatever is before it
_KEPT, _MAX_ADDRESS = 8, 10_000  # elements around the one in hand, bytes
_AN_ELEMENT = re.compile(
    rb"<(?:\?xml|!--|!doctype|(?:[a-z]++:)?(?:urlset|sitemapindex|url|sitemap|rss|rdf|feed|channel)\b)", re.I
)
# Comments, plain text, declarations and the like, tags. What has no end ends with the sitemap, and only once.
_MARKUP = re.compile(
    rb"<!--(?:(?!-->).)*+(?:-->|\Z)|<!\[CDATA\[((?:(?!\]\]>).)*+)(?:\]\]>|\Z)|<[!?][^>]*+(?:>|\Z)|"
    rb"<(/?)([A-Za-z_][\w:.-]*+)([^<>]*+)(?:>|(?=<)|\Z)",
    re.DOTALL,
)
_REFERENCES = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{1,8});")
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
_HREF = re.compile(rb"(?<![\w:-])href\s*+=\s*+([\"'])(.*?)\1", re.IGNORECASE | re.DOTALL)
_REL = re.compile(rb"(?<![\w:-])rel\s*+=\s*+[\"']([^\"']*+)", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*+=\s*+[\"']([\w.-]{1,40})", re.IGNORECASE)
_FALSE_CHARSET = re.compile(rb"<\?xml[^>]{0,200}\?>", re.IGNORECASE)

_OTHER_ASCII = ("utf-16le", "utf-16be", "replacement", "x-user-defined")


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
    body = _as_utf8(body)
    found = _entries(body) if _AN_ELEMENT.search(body[:_HEAD]) else _lines(body)
    for number, (kind, address) in enumerate(found):
        if number >= MAX_ENTRIES:
            return
        if url := resolve(base, address):
            yield SitemapEntry(kind, url)


def entries_of(sitemap: Sitemap) -> list[SitemapEntry]:
    return list(read_sitemap(sitemap.body, sitemap.url))


def _unzipped(body: bytes) -> bytes:
    """What all members hold, up to where they are damaged, cut off, or followed by what is none."""
    data = bytearray()
    with gzip.open(io.BytesIO(body)) as file, suppress(OSError, EOFError, zlib.error):
        while len(data) <= MAX_SITEMAP_BYTES and (piece := file.read1(_PIECE)):
            data += piece
    if len(data) > MAX_SITEMAP_BYTES:
        raise Drop("too_large", f"a sitemap over {MAX_SITEMAP_BYTES} bytes when decompressed")
    return bytes(data)


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    text = body.decode("utf-8", "replace")
    for line in io.StringIO(text, newline=None):
        address = line.strip(" \t\r\n\ufeff")
        if address[:8].lower().startswith(("http://", "https://")):
            yield "page", address


def _entries(body: bytes) -> Iterator[tuple[str, str]]:
    """Entries by the local names of elements: half of all sitemaps have a namespace of their own spelling.

    Not a reader of XML: what is damaged costs itself, and what stands before and behind it is read. No entity is looked
    up, and no tree is built: a sitemap takes the memory of an entry beside its own.
    """
    charset, unknown = _charset(body), _ENTITY.search(body) and _REFERENCES
    path: list[bytes] = []
    said: list[bytes] = []
    length, at = 0, 0
    for found in _MARKUP.finditer(body):
        if path and length < _MAX_ADDRESS and (text := body[at : found.start()]):
            said.append(_REFERENCES.sub(_referred, text))
            length += len(text)
        at = found.end()
        plain, end, name, attributes = found.groups()
        if plain is not None:
            said.append(plain[:_MAX_ADDRESS])
            length += len(plain)
        if name is None:
            continue
        name = name.rpartition(b":")[2].lower()
        if not end:
            if name == b"link" and path[-1:] == [b"entry"] and (href := _alternate(attributes)):
                yield "page", html.unescape(href.decode(charset, "replace")).strip()
            if not attributes.endswith(b"/"):
                path = [*path[-_KEPT:], name]
        elif name in path:
            written = b"".join(said)
            address = "" if unknown and unknown.search(written) else written.decode(charset, "replace").strip()
            if path[-1] == name and 0 < len(address) < _MAX_ADDRESS and (kind := _kind(path)):
                yield kind, address
            while path.pop() != name:
                pass
        said, length = [], 0


def _alternate(attributes: bytes) -> bytes:
    """Where a link of Atom leads, if it leads to the page itself."""
    relation, href = _REL.search(attributes), _HREF.search(attributes)
    return href[2] if href and (not relation or relation[1].strip().lower() == b"alternate") else b""


def _referred(found: re.Match[bytes]) -> bytes:
    return html.unescape(found[0].decode("ascii", "replace")).encode("utf-8", "replace")


def _charset(body: bytes) -> str:
    """What a sitemap declares, if it is an encoding of the web in which ASCII stands for itself: what could be read so
    far is no UTF-16, and among Python's own codecs are some whose time is quadratic."""
    declared = _DECLARED.search(body[:200])
    encoding = webencodings.lookup(declared[1].decode("ascii")) if declared else None
    return "utf-8" if encoding is None or encoding.name in _OTHER_ASCII else str(encoding.codec_info.name)


def _as_utf8(body: bytes) -> bytes:
    """A sitemap in an encoding whose ASCII is that of UTF-8."""
    head = body[:1000]
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return _FALSE_CHARSET.sub(b"", body[2:].decode(name, "replace").encode("utf-8", "replace"), count=1)
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 > len(head) and min(even, odd) * 4 < max(even, odd):
        name = "utf-16-le" if odd > even else "utf-16-be"
        return _FALSE_CHARSET.sub(b"", body.decode(name, "replace").encode("utf-8", "replace"), count=1)
    return body


def _kind(path: list[bytes]) -> str:
    match path[-2:]:
        case [b"sitemap", b"loc"]:
            return "sitemap"
        case [b"url", b"loc"] | [b"item", b"link"]:
            return "page"
        case [b"image", b"loc"]:
            return "image"
        case [b"video", b"content_loc"]:
            return "video"
    return ""
