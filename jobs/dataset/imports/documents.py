"""A document of another dataset as records of an archive: a page of which all is content, its pictures beside it."""

import hashlib
import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from crawlers.exchange import Exchange
from crawlers.warc_records import WHOLE
from crawlers.warc_writer import WarcWriter, payload_digest
from pipeline.page.code import NO_LANGUAGES
from schemas.images import is_svg
from schemas.urls import host_of

#: Where lies what has no address: a name that can never be one (RFC 2606).
NOWHERE = "https://imported.invalid"
#: When something was fetched of which nobody says it.
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMES = ("http://", "https://")
#: What stands above and below code, above it with its language as pages name it: ```python.
_FENCE = "```"
_LANGUAGE = re.compile(rf"{_FENCE}([a-z][a-z0-9_+#]{{0,19}}) *")


class Picture(msgspec.Struct, frozen=True):
    """An image of a document: its bytes, or where they can be had; both are welcome."""

    url: str = ""
    data: bytes = b""
    alt: str = ""
    title: str = ""

    @property
    def address(self) -> str:
        """The address under which it stands in the archive, or is fetched; "" where there is neither."""
        if self.url.startswith(_SCHEMES) and host_of(self.url):
            return self.url
        return f"{NOWHERE}/{hashlib.sha256(self.data).hexdigest()}" if self.data else ""


class Document(msgspec.Struct, frozen=True):
    """Texts and pictures in reading order. Paragraphs of a text are divided by empty lines."""

    parts: tuple[str | Picture, ...]
    url: str = ""
    title: str = ""
    licence: str = ""
    date: str = ""
    fetch_time: str = ""  # ISO 8601; what is no time counts as none

    def markup(self) -> bytes:
        """The page of which a build reads just these parts."""
        head = [f"<title>{html.escape(self.title)}</title>" if self.title else ""]
        if self.licence:
            head.append(f'<link rel="license" href="{html.escape(self.licence)}">')
        if self.date:
            head.append(f'<meta property="article:published_time" content="{html.escape(self.date)}">')
        body = "".join(_markup(part) for part in self.parts)
        return f"<!doctype html><meta charset=utf-8>{''.join(head)}<body><article>{body}</article>".encode(
            "utf-8", "replace"
        )


def _markup(part: str | Picture) -> str:
    if isinstance(part, Picture):
        alt, title = (html.escape(" ".join(text.split())) for text in (part.alt, part.title))
        titled = f' title="{title}"' if title else ""
        return f'<img src="{html.escape(part.address)}" alt="{alt}"{titled}>' if part.address else ""
    return "".join(_code_markup(text) if is_code else _paragraphs(text) for is_code, text in _cut_at_fences(part))


def _paragraphs(text: str) -> str:
    paragraphs = (one.strip("\n") for one in text.split("\n\n"))
    return "".join(f"<p>{html.escape(one).replace(chr(10), '<br>')}</p>" for one in paragraphs if one.strip())


def _code_markup(text: str) -> str:
    """Code as a `<pre>`, which keeps its lines; a fence that names no language stays one of them."""
    fence, _, code = text.partition("\n")
    named = _LANGUAGE.fullmatch(fence)
    if not named or named[1] in NO_LANGUAGES:
        return f"<pre><code>{html.escape(text)}</code></pre>"
    code = code.removesuffix(_FENCE).removesuffix("\n")
    return f'<pre><code class="language-{named[1]}">{html.escape(code)}</code></pre>'


def _cut_at_fences(part: str) -> Iterator[tuple[bool, str]]:
    """What of a text is code, with the fences that Markdown has around it, and what stands around.

    A fence that nothing closes is a line like others.
    """
    lines = part.replace("\r\n", "\n").split("\n")
    ends = [at for at, line in enumerate(lines) if line.rstrip() == _FENCE]
    done = 0
    for at, line in enumerate(lines):
        if at < done or not line.startswith(_FENCE) or _FENCE in line[3:]:
            continue
        place = bisect_right(ends, at)
        if place == len(ends):
            break
        yield False, "\n".join(lines[done:at])
        done = ends[place] + 1
        yield True, "\n".join((*lines[at : done - 1], _FENCE))
    yield False, "\n".join(lines[done:])


def write(document: Document, place: str, writer: WarcWriter) -> None:
    """Append a document: its page, and the pictures whose bytes are there. `place` names one that has no address."""
    address = document.url if document.url.startswith(_SCHEMES) and host_of(document.url) else f"{NOWHERE}/{place}"
    time = _time(document.fetch_time)
    _append(writer, address, document.markup(), "text/html; charset=utf-8", time, whole=True)
    for picture in _once(document.parts):
        _append(writer, picture.address, picture.data, _type_of(picture.data), _UNKNOWN)


def _time(text: str) -> datetime:
    """What a text says in ISO 8601, in UTC if it names no zone; the epoch if it says no time."""
    try:
        time = datetime.fromisoformat(text)
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return _UNKNOWN
    return max(time, _UNKNOWN)


def _once(parts: tuple[str | Picture, ...]) -> Iterator[Picture]:
    seen: set[str] = set()
    for part in parts:
        if isinstance(part, Picture) and part.data and part.address not in seen:
            seen.add(part.address)
            yield part


def _append(writer: WarcWriter, url: str, body: bytes, media_type: str, time: datetime, whole: bool = False) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n".encode()
    headers = {"content-type": media_type, "content-length": str(len(body))}
    exchange = Exchange(url, 200, b"", head, headers, body, "", time)
    writer.write(exchange, payload_digest(body), [(WHOLE, "1")] if whole else [])


def _type_of(data: bytes) -> str:
    """A word for it; what it is, its bytes say."""
    return "image/svg+xml" if is_svg(data[:512]) else "image/*"
