"""HTTP bodies as archives hold them: transfer- and content-encodings undone, with a cap on what comes out."""

import codecs
import zlib
from collections.abc import Callable, Iterable
from typing import TypeVar

import brotli
import zstandard

from schemas.drops import Drop

_STEP = 64 << 10
B = TypeVar("B", bytes, bytearray)


def join_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header lines as a mapping: names in lower case, repeated values joined by ", ", X-Robots-Tag by line ends."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        # Each value of X-Robots-Tag may be addressed to another bot, so these stay apart.
        joint = "\n" if name == "x-robots-tag" else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    return headers


def decode_body(body: bytes, transfer_encoding: str, content_encoding: str, max_bytes: int) -> bytes:
    """The body as the server meant it.

    Archives often keep headers whose encoding the crawler had already undone: a body that does not look encoded is
    taken as it is. Raises `Drop`: too_large when more than `max_bytes` come out, bad_encoding when a body is damaged.
    """
    if "chunked" in transfer_encoding.lower():
        body = dechunk(body)
    for encoding in reversed([name.strip() for name in content_encoding.lower().split(",")]):
        body = _decoder(encoding)(body, max_bytes)
    if len(body) > max_bytes:
        raise Drop("too_large", f"{len(body)} bytes, cap {max_bytes}")
    return body


def dechunk(body: bytes) -> bytes:
    """Undo chunked transfer encoding; the body itself if it is not chunked, what came whole if it is cut off."""
    chunks: list[bytes] = []
    position = 0
    while position < len(body):
        end = body.find(b"\r\n", position, position + 64)
        try:
            size = int(body[position:end].partition(b";")[0], 16) if end >= 0 else -1
        except ValueError:
            size = -1
        if size < 0:
            return b"".join(chunks) if chunks else body
        if size == 0:
            break
        chunks.append(body[end + 2 : end + 2 + size])
        position = end + 2 + size + 2
    return b"".join(chunks)


def _decoder(name: str) -> Callable[[bytes, int], bytes]:
    match name:
        case "gzip" | "x-gzip":
            return _gzip
        case "deflate":
            return _deflate
        case "br":
            return _brotli
        case "zstd":
            return _zstd
        case _:  # identity, "", and names that mean nothing, such as a charset
            return lambda body, _: body


def _gzip(body: bytes, max_bytes: int) -> bytes:
    return _inflate(body, 31, max_bytes) if body[:2] == b"\x1f\x8b" else body


def _deflate(body: bytes, max_bytes: int) -> bytes:
    # "deflate" means zlib, but many servers send the bare stream (RFC 9110, section 8.4.1.2).
    is_zlib = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    if not is_zlib and _is_text(body):
        return body
    return _inflate(body, 15 if is_zlib else -15, max_bytes)


def _inflate(body: bytes, wbits: int, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(wbits)
    try:
        out = stream.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Drop("bad_encoding", str(error)) from None
    return _capped(out, max_bytes)


def _brotli(body: bytes, max_bytes: int) -> bytes:
    if _is_text(body):
        return body
    stream, out = brotli.Decompressor(), bytearray()
    try:
        for start in range(0, len(body), _STEP):
            out += stream.process(body[start : start + _STEP], output_buffer_limit=max_bytes + 1 - len(out))
            while not stream.can_accept_more_data() and len(out) <= max_bytes:
                out += stream.process(b"", output_buffer_limit=max_bytes + 1 - len(out))
            _capped(out, max_bytes)
    except brotli.error as error:
        raise Drop("bad_encoding", str(error)) from None
    return bytes(out)


def _is_text(body: bytes) -> bool:
    """Whether a body is no compressed stream, for encodings that have no magic: it begins with UTF-8 text."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body[:64])
    except UnicodeDecodeError:
        return False
    return bool(text) and not any(ord(character) < 32 and character not in "\t\n\r" for character in text)


def _zstd(body: bytes, max_bytes: int) -> bytes:
    if body[:4] != b"\x28\xb5\x2f\xfd":
        return body
    try:
        with zstandard.ZstdDecompressor().stream_reader(body) as stream:
            return _capped(stream.read(max_bytes + 1), max_bytes)
    except zstandard.ZstdError as error:
        raise Drop("bad_encoding", str(error)) from None


def _capped(out: B, max_bytes: int) -> B:
    if len(out) > max_bytes:
        raise Drop("too_large", f"over {max_bytes} bytes when decompressed")
    return out
