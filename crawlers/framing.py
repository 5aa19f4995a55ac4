"""Where the records of an archive begin and end, through whatever damage lies between.

Each place is looked at afresh: a gzip member must decompress to its checksum, a plain record must end where another
begins. What does not is damage, counted once however long it is, and the search goes on behind its first byte: bytes
that were not hit are never lost to those that were.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Protocol

import msgspec

GZIP_MAGIC = b"\x1f\x8b\x08"
_START = re.compile(rb"\x1f\x8b\x08|WARC/[01]\.")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_LONGEST_MAGIC = 7
_BLOCK = 1 << 20
_STEP = 64 << 10


class Frame(msgspec.Struct, frozen=True):
    """A gzip member, decompressed, or a plain record. `data` is cut at the cap; `whole` tells whether it was."""

    offset: int  # bytes
    end: int  # bytes; where the next one begins, blank lines included
    data: bytes
    whole: bool


class Damage(msgspec.Struct, frozen=True):
    """Bytes that hold no sound record. `data` is what could be read of a record cut off by the end of the file."""

    offset: int
    detail: str
    truncated: bool = False
    data: bytes = b""


class File(Protocol):
    """What is asked of an archive's file."""

    def seek(self, offset: int, /) -> int: ...
    def read(self, size: int = -1, /) -> bytes: ...


def frames(file: File, size: int, max_bytes: int) -> Iterator[Frame | Damage]:
    """The frames of an archive of `size` bytes, compressed or not, in order; of each at most `max_bytes`."""
    window, position, damaged = _Window(file, size), 0, False
    while position < size:
        found = _frame(window, position, max_bytes)
        if isinstance(found, Frame):
            yield found
            position, damaged = found.end, False
            continue
        if not damaged:
            yield found
        damaged = True
        position = window.find(_START, position + 1)


def record_length(data: bytes) -> int:
    """The bytes of the record that `data` begins with, by its header; 0 if it has no sound one."""
    header = _HEADER_END.search(data, 0, _STEP)
    stated = _LENGTH.search(data, 0, header.start() + 1) if header else None
    return header.end() + int(stated[1]) if header and stated else 0


class _Window:
    """Reads a file at any place, keeping the block last read; raises what the file raises."""

    def __init__(self, file: File, size: int) -> None:
        self._file, self.size = file, size
        self._start, self._data = 0, b""

    def at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on; fewer only at the end of the file."""
        end = min(offset + length, self.size)
        if not self._start <= offset <= end <= self._start + len(self._data):
            self._file.seek(offset)
            self._start, self._data = offset, self._file.read(max(length, _BLOCK))
        return self._data[offset - self._start : end - self._start]

    def find(self, pattern: re.Pattern[bytes], offset: int) -> int:
        """Where `pattern` next occurs, from `offset` on; the size of the file if nowhere."""
        while offset < self.size:
            match = pattern.search(self.at(offset, _BLOCK))
            if match is not None:
                return offset + match.start()
            offset += max(1, _BLOCK - _LONGEST_MAGIC)
        return self.size


def _frame(window: _Window, offset: int, max_bytes: int) -> Frame | Damage:
    start = window.at(offset, _LONGEST_MAGIC)
    if start.startswith(GZIP_MAGIC):
        return _gzip_record(window, offset, max_bytes)
    if _START.match(start):
        return _plain_record(window, offset, max_bytes)
    return Damage(offset, f"neither a record nor a gzip member, but {start!r}", data=window.at(offset, 64))


def _gzip_record(window: _Window, offset: int, max_bytes: int) -> Frame | Damage:
    """A member, or the members over which some writers spread one record."""
    found = _gzip_member(window, offset, max_bytes)
    if isinstance(found, Damage) or found.data.startswith(b"WARC/"):
        while isinstance(found, Frame) and found.whole and len(found.data) < record_length(found.data):
            more = _gzip_member(window, found.end, max_bytes - len(found.data))
            if isinstance(more, Damage) or more.data.startswith(b"WARC/"):
                break
            found = Frame(offset, more.end, found.data + more.data, more.whole)
        return found
    return Damage(offset, f"a gzip member of {found.data[:16]!r}, not of a record", data=found.data[:64])


def _gzip_member(window: _Window, offset: int, max_bytes: int) -> Frame | Damage:
    stream, data, total, position = zlib.decompressobj(31), bytearray(), 0, offset
    try:
        while not stream.eof:
            pending = block = window.at(position, _STEP)
            if not block:
                return Damage(offset, f"cut off after {position - offset} bytes", True, bytes(data))
            while pending and not stream.eof:
                out = stream.decompress(pending, _BLOCK)
                total += len(out)
                if len(data) <= max_bytes:
                    data += out
                pending = stream.unconsumed_tail
            position += len(block) - len(stream.unused_data)
    except zlib.error as error:
        return Damage(offset, f"gzip: {error}", data=bytes(data[:64]))
    return Frame(offset, position, bytes(data[:max_bytes]), total <= max_bytes)


def _plain_record(window: _Window, offset: int, max_bytes: int) -> Frame | Damage:
    head = window.at(offset, _STEP)
    length = record_length(head)
    if not length:
        return Damage(offset, "a record without a header or Content-Length", data=head[:64])
    end = offset + length
    if end > window.size:
        return Damage(offset, f"cut off {end - window.size} bytes before its stated end", True, head)
    after = window.at(end, 2 * _LONGEST_MAGIC)
    behind = after.lstrip(b"\r\n")
    following = end + len(after) - len(behind)
    ends_well = after.startswith((b"\r\n\r\n", b"\n\n")) or not behind or _START.match(behind)
    if not ends_well:
        return Damage(
            offset, f"its Content-Length leads to {behind[:_LONGEST_MAGIC]!r}, not to a record", data=head[:64]
        )
    wanted = min(end - offset, max_bytes)
    return Frame(offset, following, window.at(offset, wanted), end - offset <= max_bytes)
