"""HTTP bodies as archives and servers give them: transfer- and content-encodings undone, with a cap on what comes out.

A body counts only when it is whole: every encoding but `identity` marks its end, and what stops before is a half page.
"""

import codecs
import re
import zlib
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeVar

import brotli
import zstandard

from crawlers import zstd
from schemas.drops import Drop

#: Statuses after which the same request can succeed later.
PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STEP = 64 << 10
_FIRST_STEP = 512
_MAX_ENCODINGS = 5
_ZSTD_WINDOW = 8 << 20  # bytes; what RFC 9659 lets a server ask for
_GZIP_MAGIC = b"\x1f\x8b\x08"
_PADDING = re.compile(rb"\0*")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_CHUNK_LINE = 4096
#: Headers that hold an address.
_ADDRESSES = ("location", "refresh", "link")
#: Headers of one value, which a server and what stands before it both send: said twice alike they are said once.
_SINGLE = ("location", "refresh", "retry-after")
B = TypeVar("B", bytes, bytearray)


class _Cut(Drop):
    """Only the `beginning` of a body came out, or was let out."""

    def __init__(self, reason: str, detail: str, beginning: bytes | bytearray) -> None:
        super().__init__(reason, detail)
        self.beginning = beginning

    def __reduce__(self) -> tuple[Any, ...]:
        return Drop, (self.reason, self.detail)


def join_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header lines as a mapping: names in lower case, repeated values joined by ", ", those of X-Robots-Tag and
    Set-Cookie by line ends. As browsers do, of several Content-Type the last counts, and in addresses the bytes that
    are not ASCII are percent-encoded."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        if name in _ADDRESSES and not value.isascii():
            value = _escaped(value)
        elif name == "content-type" and name in headers:
            headers[name] = _later_type(headers[name], value)
            continue
        if name in _SINGLE and headers.get(name) == value:
            continue
        # Each value of X-Robots-Tag may be addressed to another bot, and a cookie has commas: these stay apart.
        joint = "\n" if name in ("x-robots-tag", "set-cookie") else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    return headers


def _escaped(value: str) -> str:
    """Header lines are read as Latin-1, which keeps their bytes; by other readers as UTF-8."""
    data = value.encode("latin-1" if max(value) <= "\xff" else "utf-8")
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in data)


def _later_type(first: str, second: str) -> str:
    kind, _, parameters = second.partition(";")
    is_said_before = not parameters and first.partition(";")[0].strip().lower() == kind.strip().lower()
    return first if is_said_before or "/" not in kind else second


def decode_body(body: bytes, transfer_encoding: str, content_encoding: str, max_bytes: int) -> bytes:
    """The body as the server meant it.

    Archives often keep headers whose encoding the crawler had already undone: a body that does not look encoded is
    taken as it is. Raises `Drop`: too_large when more than `max_bytes` come out, truncated_body when it stops before
    its end, bad_encoding when it is damaged.
    """
    if "chunked" in transfer_encoding.lower():
        body = dechunk(body)
    for decoder in _decoders(transfer_encoding, content_encoding):
        if body:
            body = decoder(body, max_bytes)
    if len(body) > max_bytes:
        raise Drop("too_large", f"{len(body)} bytes, cap {max_bytes}")
    return body


def decode_beginning(
    body: bytes, transfer_encoding: str, content_encoding: str, max_bytes: int, is_cut: bool
) -> tuple[bytes, bool]:
    """The same of what may be read in part: what of it lies within `max_bytes`, and whether more followed. `is_cut`: of
    the body as it was sent only the beginning is at hand. Raises `Drop`: truncated_body, bad_encoding."""
    if "chunked" in transfer_encoding.lower():
        body = dechunk_beginning(body) if is_cut else dechunk(body)
    for decoder in _decoders(transfer_encoding, content_encoding):
        try:
            body = decoder(body, max_bytes) if body else body
        except _Cut as cut:
            if cut.reason == "truncated_body" and not is_cut:
                raise
            body, is_cut = bytes(cut.beginning[:max_bytes]), True
    return body[:max_bytes], is_cut or len(body) > max_bytes


def _decoders(transfer_encoding: str, content_encoding: str) -> list[Callable[[bytes, int], bytes]]:
    """In the order in which they are undone."""
    named = chain(content_encoding.lower().split(","), transfer_encoding.lower().split(","))
    decoders = [decoder for name in named if (decoder := _DECODERS.get(name.strip()))]
    if len(decoders) > _MAX_ENCODINGS:
        raise Drop("bad_encoding", f"{len(decoders)} encodings")
    return decoders[::-1]


def dechunk(body: bytes) -> bytes:
    """Undo chunked transfer encoding; the body itself if it is not chunked.

    Raises `Drop`: truncated_body when the last chunk is missing, bad_encoding when something lies between two chunks.
    """
    data, failure = _chunks(body)
    if failure is not None:
        raise failure
    return data


def dechunk_beginning(head: bytes) -> bytes:
    """The same of the first bytes of a body: as far as they go."""
    return _chunks(head)[0]


def _chunks(body: bytes) -> tuple[bytes, Drop | None]:
    chunks: list[bytes] = []
    position = 0
    while line := _CHUNK_LINE.match(body, position, position + _LONGEST_CHUNK_LINE):
        size, begin = int(line[1], 16), line.end()
        if size == 0:
            return b"".join(chunks), None  # trailers may follow
        end = begin + size
        gap = body[end : end + 2]
        if not chunks and end < len(body) and gap != b"\r\n"[: len(gap)] and gap[:1] != b"\n":
            return body, None  # its first line was a number by chance
        chunks.append(body[begin:end])
        if end >= len(body):
            return b"".join(chunks), Drop("truncated_body", f"in a chunk of {size} bytes")
        position = end + (1 if gap[:1] == b"\n" else 2)
    if not chunks:
        return body, None
    rest = body[position : position + 16]
    is_cut = len(body) - position < 16 and re.fullmatch(rb"[0-9a-fA-F \t]*\r?", rest) is not None
    reason, detail = ("truncated_body", "between chunks") if is_cut else ("bad_encoding", f"{rest!r} is no chunk size")
    return b"".join(chunks), Drop(reason, detail)


def _gzip(body: bytes, max_bytes: int) -> bytes:
    """All members. What follows them is no part of the body, as for browsers: padding, or junk of the server."""
    _refuse_begun(body, _GZIP_MAGIC)
    if not body.startswith(_GZIP_MAGIC):
        return body
    out, view, position = bytearray(), memoryview(body), 0
    while bytes(view[position : position + 3]) == _GZIP_MAGIC:
        position = _inflate(view, position, 31, out, max_bytes)
        position = _PADDING.match(body, position).end()  # type: ignore[union-attr]  # it matches nothing, too
    return bytes(out)


def _deflate(body: bytes, max_bytes: int) -> bytes:
    # "deflate" means zlib, but many servers send the bare stream (RFC 9110, section 8.4.1.2).
    if _is_text(body):
        return body
    is_zlib = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    out = bytearray()
    _inflate(memoryview(body), 0, 15 if is_zlib else -15, out, max_bytes)
    return bytes(out)


def _inflate(body: memoryview, position: int, wbits: int, out: bytearray, max_bytes: int) -> int:
    """Add the stream at `position` to `out`; returns where it ends."""
    stream, step = zlib.decompressobj(wbits), _FIRST_STEP
    try:
        while not stream.eof:
            block = body[position : position + step]
            if not block:
                raise _Cut("truncated_body", f"after {len(body)} bytes, {len(out)} decompressed", out)
            out += stream.decompress(block, max_bytes + 1 - len(out))
            _capped(out, max_bytes)
            position += len(block) - len(stream.unused_data) - len(stream.unconsumed_tail)
            step = min(2 * step, _STEP)  # of many small members none costs a copy of all that follow
    except zlib.error as error:
        raise Drop("bad_encoding", str(error)) from None
    return position


def _brotli(body: bytes, max_bytes: int) -> bytes:
    if _is_text(body):
        return body
    steps = list(range(0, len(body), _STEP))
    try:
        return _unbrotli(body, steps, max_bytes)
    except _Brotli as failed:
        # The library refuses bytes behind the end: whether it was reached is seen byte by byte.
        slowly = [*steps[: failed.step], *range(steps[failed.step], min(steps[failed.step] + _STEP, len(body)))]
        try:
            return _unbrotli(body, [*slowly, *steps[failed.step + 1 :]], max_bytes)
        except _Brotli as again:
            raise Drop("bad_encoding", str(again)) from None


class _Brotli(Exception):
    def __init__(self, step: int, message: str) -> None:
        super().__init__(message)
        self.step = step


def _unbrotli(body: bytes, starts: list[int], max_bytes: int) -> bytes:
    """`body` is given to the library in parts that begin at `starts`. Raises `_Brotli` with the one that it refused."""
    stream, out = brotli.Decompressor(), bytearray()
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(body)], strict=True)):
        try:
            out += stream.process(body[start:end], output_buffer_limit=max_bytes + 1 - len(out))
            while not stream.can_accept_more_data() and len(out) <= max_bytes and not stream.is_finished():
                out += stream.process(b"", output_buffer_limit=max_bytes + 1 - len(out))
        except brotli.error as error:
            raise _Brotli(number, str(error)) from None
        _capped(out, max_bytes)
        if stream.is_finished():
            return bytes(out)
    raise _Cut("truncated_body", f"after {len(body)} bytes, {len(out)} decompressed", out)


def _is_text(body: bytes) -> bool:
    """Whether a body is no compressed stream, for encodings that have no magic: it begins with UTF-8 text."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body[:64])
    except UnicodeDecodeError:
        return False
    return bool(text) and not any(ord(character) < 32 and character not in "\t\n\r" for character in text)


def _zstd(body: bytes, max_bytes: int) -> bytes:
    """All frames; what follows them is no part of the body, as with gzip."""
    _refuse_begun(body, zstd.MAGIC)
    if not zstd.is_frame(body):
        return body
    end = 0
    try:
        while zstd.is_frame(body[end : end + 4]):
            end = zstd.frame_end(lambda offset, length: body[offset : offset + length], end)
        unpacker = zstandard.ZstdDecompressor(max_window_size=max(_ZSTD_WINDOW, max_bytes))
        with unpacker.stream_reader(memoryview(body)[:end], read_across_frames=True) as stream:
            return _capped(stream.read(max_bytes + 1), max_bytes)
    except zstd.CutOff as cut:
        raise Drop("truncated_body", str(cut)) from None
    except (zstd.NotZstd, zstandard.ZstdError) as error:
        raise Drop("bad_encoding", str(error)) from None


def _refuse_begun(body: bytes, magic: bytes) -> None:
    if len(body) < len(magic) and magic.startswith(body) and not _is_text(body):
        raise Drop("truncated_body", "in its first bytes")


def _capped(out: B, max_bytes: int) -> B:
    if len(out) > max_bytes:
        raise _Cut("too_large", f"over {max_bytes} bytes when decompressed", out)
    return out


#: By the names of encodings; others mean nothing, such as `identity` or a charset.
_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
