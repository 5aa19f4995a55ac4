"""Whether a response is what the crawler received, as its record tells: digests, and marks of a body cut short."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from crawlers.http import dechunk, decode_body
from schemas.drops import Drop

_LONGEST_NUMBER = 15
_ALGORITHMS = {name: hashlib.new(name).digest_size for name in ("md5", "sha1", "sha256", "sha512")}
#: Base 32 in the digits that `int` knows: ten times as fast as the standard library's.
_BASE32 = dict.fromkeys(range(128), "!") | {
    ord(letter): "0123456789abcdefghijklmnopqrstuv"[value]
    for case in ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz234567")
    for value, letter in enumerate(case)
}


class Fields(Protocol):
    """The header of a record: names in any case."""

    def get(self, name: str, /) -> str | None: ...


def require_whole(record: Fields, headers: Mapping[str, str], length: int) -> None:
    """Raises `Drop("truncated_body")` where the record, or the response itself, says that more was sent.

    `headers` are those of the response, names in lower case; `length` is that of its stored body in bytes.
    """
    if cut := record.get("WARC-Truncated"):
        raise Drop("truncated_body", f"WARC-Truncated: {cut}"[:80])
    if number := record.get("WARC-Segment-Number"):  # the rest lies in records of the type `continuation`
        raise Drop("truncated_body", f"WARC-Segment-Number: {number}"[:80])
    stated = headers.get("content-length", "").strip()
    # An encoding says itself where it ends, and where the crawler undid it the length is another.
    is_plain = headers.get("content-encoding", "").strip().lower() in ("", "identity", "none")
    if not is_plain or "transfer-encoding" in headers or not (stated.isascii() and stated.isdigit()):
        return
    if len(stated) > _LONGEST_NUMBER or length < int(stated):
        raise Drop("truncated_body", f"{length} bytes of {stated[:20]}")


def require_sound(
    record: Fields, headers: Mapping[str, str], block: bytes | memoryview, body: bytes, max_bytes: int
) -> None:
    """Raises `Drop("digest_mismatch")` where the digests of a record are not those of its bytes.

    `block` is all of the record behind its own header, b"" where it is not at hand; `body` the response without its
    HTTP header, as stored. Crawlers take the digest of a payload from the body as sent, without its chunks, or decoded:
    none of these may match for it to be wrong. The block's counts alone where it is known: it holds the payload.
    """
    stated = record.get("WARC-Block-Digest") or ""
    if block and (known := _parsed(stated)):
        if not _matches(known, block):
            raise Drop("digest_mismatch", f"WARC-Block-Digest {stated}"[:120])
        return
    stated = record.get("WARC-Payload-Digest") or ""
    known = _parsed(stated)
    if known and not any(_matches(known, reading) for reading in _readings(headers, body, max_bytes)):
        raise Drop("digest_mismatch", f"WARC-Payload-Digest {stated}"[:120])


def has_digest(stated: str, body: bytes) -> bool:
    """Whether these bytes give a digest as records state it; not where its form is not known."""
    known = _parsed(stated)
    return known is not None and _matches(known, body)


def _readings(headers: Mapping[str, str], body: bytes, max_bytes: int) -> Iterable[bytes]:
    transfer, content = (headers.get(f"{name}-encoding", "") for name in ("transfer", "content"))
    yield body
    with suppress(Drop):  # of what cannot be read the reason is found by whoever reads it
        yield dechunk(body)
        yield decode_body(body, transfer, content, max_bytes)


def _matches(stated: tuple[str, bytes], data: bytes | memoryview) -> bool:
    name, value = stated
    return hashlib.new(name, data, usedforsecurity=False).digest() == value


def _parsed(stated: str) -> tuple[str, bytes] | None:
    """Algorithm and digest of `sha1:...`, in base 16, 32 or 64; None where the label or the form is not known."""
    label, _, value = stated.strip().partition(":")
    name, value = label.strip().lower().replace("-", ""), value.strip().rstrip("=")
    size = _ALGORITHMS.get(name)
    if size is None or not value.isascii():
        return None
    with suppress(ValueError):
        match len(value):
            case length if length == 2 * size:
                return name, bytes.fromhex(value)
            case length if length == -(-8 * size // 5):
                return name, (int(value.translate(_BASE32), 32) >> (5 * length - 8 * size)).to_bytes(size)
            case length if length == -(-8 * size // 6):
                return name, base64.b64decode(value + "=" * (-length % 4), validate=True)
    return None
