"""Records taken out of archives that weft wrote, so that all others stay where they are.

In the place of a record comes one of just its length, which says that something was removed. Whatever names a record by
its archive and offset is right afterwards as it was before.
"""

import hashlib
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecord

from crawlers.framing import Frame, frames
from crawlers.http import decode_body, join_headers
from crawlers.warc_records import read_http
from schemas.drops import Drop

_LARGEST = 256 << 20  # of a record, unpacked: more than any that is stored
_STORED = 65_535  # bytes that a block of deflate holds unpacked
_STEP = 8 << 20
_MARK = re.compile(rb"^Weft-Removal: (\d+)\r$", re.MULTILINE)
_HEAD = (
    "WARC/1.1\r\nWARC-Type: metadata\r\nWARC-Record-ID: <urn:uuid:{id}>\r\nWARC-Date: {date}\r\n"
    "Weft-Removal: {number}\r\nContent-Length: {length:010d}\r\n\r\n"
)
_SHORT_HEAD = "WARC/1.1\r\nWeft-Removal: {number}\r\nContent-Length: {length:010d}\r\n\r\n"
_END = b"\r\n\r\n"


class Stored(msgspec.Struct, frozen=True):
    """A record, and where it lies."""

    offset: int  # bytes
    length: int  # bytes
    urls: tuple[str, ...]  # its address, and those that redirected to it
    sha256: str = ""  # of the body of a response, its encodings undone; where that was asked for
    removal: int = 0  # of a record that stands for one that was removed: which removal that was


def stored_records(file: IO[bytes], size: int, with_hashes: bool) -> Iterator[Stored]:
    """The records of an archive of gzip members, one in each. What is damaged is passed over."""
    for frame in frames(file, size, _LARGEST):
        if isinstance(frame, Frame) and (record := _first(frame.data)) is not None:
            length = frame.end - frame.offset
            if mark := _MARK.search(frame.data, 0, 1024):
                yield Stored(frame.offset, length, (), removal=int(mark[1]))
                continue
            fields = [(name.lower(), value) for name, value in record.headers]
            named = [value for name, value in fields if name in ("warc-target-uri", "warc-redirected-from")]
            yield Stored(
                frame.offset,
                length,
                tuple(value.strip("<> ") for value in named),
                _body_hash(record) if with_hashes else "",
            )


def _first(data: bytes) -> WarcRecord | None:
    try:
        return next(ArchiveIterator(io.BytesIO(data), parse_http=False, auto_decode="none", quirks_mode=True), None)
    except OSError:
        return None


def _body_hash(record: WarcRecord) -> str:
    record = read_http(record, _LARGEST)
    headers, body = join_headers(record.http_headers or ()), record.reader.read()
    try:
        transfer, content = (headers.get(f"{name}-encoding", "") for name in ("transfer", "content"))
        body = decode_body(body, transfer, content, _LARGEST)
    except Drop:  # nobody can have made a sample of it
        pass
    return hashlib.sha256(body).hexdigest()


def blank_record(length: int, number: int, date: str, name: str) -> bytes:
    """A gzip member of just `length` bytes: a record that holds nothing, and says which removal put it there.

    `name` is what its identifier is made of: the same place gives the same bytes. Raises `ValueError` for a length that
    no record of a response has.
    """
    digest = hashlib.sha256(name.encode()).hexdigest()
    uuid = f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
    room = length - 18  # of the member's own header and trailer
    blocks = -(-room // (_STORED + 5))
    for head in (_HEAD, _SHORT_HEAD):
        bare = len(head.format(id=uuid, date=date, number=number, length=0)) + len(_END)
        padding = room - 5 * blocks - bare
        if padding >= 0:
            text = head.format(id=uuid, date=date, number=number, length=padding).encode() + b" " * padding + _END
            return _stored_member(text, blocks)
    raise ValueError(f"a record of {length} bytes is too short to be replaced")


def _stored_member(data: bytes, blocks: int) -> bytes:
    """A gzip member that holds data as it is, in so many blocks, of which the last ones may be empty."""
    parts = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]
    for number in range(blocks):
        block = data[number * _STORED : (number + 1) * _STORED]
        parts.append(struct.pack("<BHH", number + 1 == blocks, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join([*parts, struct.pack("<II", zlib.crc32(data), len(data))])


def copy_without(
    source: IO[bytes], target: IO[bytes], gone: Sequence[Stored], blank: Callable[[Stored], bytes]
) -> None:
    """An archive with other records in the place of some, which are in its order."""
    for record in gone:
        _copy(source, target, record.offset - source.tell())
        source.seek(record.offset + record.length)
        target.write(blank(record))
    _copy(source, target, -1)


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size and (data := source.read(_STEP if size < 0 else min(_STEP, size))):
        target.write(data)
        size -= len(data) if size > 0 else 0
