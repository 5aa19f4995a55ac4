"""Where the records of an archive begin and end, through whatever damage lies between.

Each place is looked at afresh: a gzip member must decompress to its checksum, a zstd frame to its end, a plain record
must end where another begins. What does not is damage, counted once however long it is, and the search goes on behind
its first byte: bytes that were not hit are never lost to those that were. Records of ARC are handed on as WARC.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import IO, cast

import msgspec
import zstandard

from crawlers import arc, zstd
from crawlers.window import File, Section, Window

GZIP_MAGIC = b"\x1f\x8b\x08"
_STARTS = rb"\x1f\x8b\x08|\x28\xb5\x2f\xfd|WARC/[01]\."
_START = re.compile(_STARTS)
_START_OF_ARC = re.compile(_STARTS + rb"|" + arc.NEXT_LINE, re.IGNORECASE)
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_VERSION = re.compile(rb"WARC/[01]\.\d{1,3}[ \t]*\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_LONGEST_MAGIC = 9
_BLOCK = 1 << 20
_FIRST_STEP, _STEP = 16 << 10, 64 << 10
_SILENCE = 128 << 10  # bytes of a gzip member that give nothing: a header has no name of this length
_SHORT_TRY = 4 << 10
_ZSTD_WINDOW = 128 << 20
_LARGEST_DICTIONARY = 32 << 20


class Frame(msgspec.Struct, frozen=True):
    """A gzip member or zstd frame, decompressed, or a plain record; `data` is cut at the cap, and `whole` tells it."""

    offset: int  # bytes
    end: int  # bytes; where the next one begins, blank lines included
    data: bytes
    whole: bool
    packing: str = ""  # `zstd`; `arc` of records that were told as WARC
    length: int = 0  # bytes of the first record in `data`, as it states; 0: not known


class Damage(msgspec.Struct, frozen=True):
    """Bytes that hold no sound record. `data` is what could be read of a record cut off by the end of the file."""

    offset: int
    detail: str
    truncated: bool = False
    data: bytes = b""


def frames(file: File, size: int, max_bytes: int, dictionary: bytes = b"") -> Iterator[Frame | Damage]:
    """The frames of an archive of `size` bytes, compressed or not, in order; of each at most `max_bytes`.

    `dictionary` is what its zstd frames need where it is a part of a file; a whole file brings its own.
    """
    finder, position, damaged = _Finder(file, size, max_bytes, dictionary), 0, False
    while position < size:
        found = finder.frame(position)
        if isinstance(found, Frame):
            if found.data or not found.whole:  # else a zstd frame to be skipped
                yield found
            position, damaged = found.end, False
            continue
        if not damaged:
            yield found
        damaged = True
        position = finder.window.find(finder.start, position + 1)


def read_dictionary(file: File) -> bytes:
    """The dictionary that an archive of zstd frames begins with, b"" if it does not; of zstd frames in themselves."""
    file.seek(0)
    head = file.read(8)
    if head[:4] != zstd.DICTIONARY:
        return b""
    size = int.from_bytes(head[4:8], "little")
    data = file.read(size) if size <= _LARGEST_DICTIONARY else b""
    try:
        if data[:4] == zstd.MAGIC:
            with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(data) as stream:
                data = stream.read(_LARGEST_DICTIONARY)
        zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(data))
    except (zstandard.ZstdError, MemoryError, ValueError):
        return b""  # its frames say what they miss
    return data


def unpacker(dictionary: bytes) -> zstandard.ZstdDecompressor:
    """What decompresses the frames of an archive."""
    known = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    return zstandard.ZstdDecompressor(dict_data=known, max_window_size=_ZSTD_WINDOW)


def record_length(data: bytes) -> int:
    """The bytes of the record that `data` begins with, by its header; 0 if it has no sound one."""
    header = _HEADER_END.search(data, 0, _STEP)
    return _record_length(data, header.start(), header.end()) if header else 0


def _record_length(data: bytes, header: int, block: int) -> int:
    """The same, where its header ends and its block begins; 0 if it states two lengths."""
    stated = _LENGTH.findall(data, 0, header + 1)
    return block + int(stated[0]) if stated and stated.count(stated[0]) == len(stated) else 0


class _Finder:
    """Tells what lies at a place of an archive."""

    def __init__(self, file: File, size: int, max_bytes: int, dictionary: bytes) -> None:
        self.window, self._max_bytes = Window(file, size), max_bytes
        is_arc = self.window.at(0, len(arc.FIRST)) == arc.FIRST
        self.start = _START_OF_ARC if is_arc else _START
        self._is_arc = is_arc
        self._file, self._dictionary = file, dictionary

    def frame(self, offset: int) -> Frame | Damage:
        start = self.window.at(offset, _LONGEST_MAGIC)
        if start.startswith(GZIP_MAGIC):
            return self._gzip_record(offset)
        if zstd.is_frame(start):
            return self._zstd_frame(offset)
        if _START.match(start):
            return self._plain_record(offset)
        if self._is_arc or (not offset and arc.may_begin(self.window.at(0, 17))):
            return self._plain_arc(offset)
        return Damage(offset, f"neither a record nor a gzip member, but {start!r}", data=self.window.at(offset, 64))

    @cached_property
    def _unpacker(self) -> zstandard.ZstdDecompressor:
        return unpacker(self._dictionary or read_dictionary(self._file))

    def _gzip_record(self, offset: int) -> Frame | Damage:
        """A member, or the members over which some writers spread one record."""
        found = self._gzip_member(offset, self._max_bytes, is_first=True)
        if isinstance(found, Damage) or not found.data.startswith(b"WARC/"):
            return found if isinstance(found, Damage) else _of_arc(found, self._max_bytes)
        length = record_length(found.data)
        if detail := _misled(found, length):
            return Damage(offset, detail, data=found.data[:64])
        if not found.whole or len(found.data) >= length:
            return msgspec.structs.replace(found, length=length)
        data, end, whole = bytearray(found.data), found.end, True
        while whole and len(data) < length:
            more = self._gzip_member(end, self._max_bytes - len(data), is_first=False)
            if isinstance(more, Damage) or more.data.startswith(b"WARC/"):
                break
            data += more.data
            end, whole = more.end, more.whole
        return Frame(offset, end, bytes(data), whole, length=length)

    def _gzip_member(self, offset: int, max_bytes: int, is_first: bool) -> Frame | Damage:
        stream, data, total, position, step = zlib.decompressobj(31), bytearray(), 0, offset, _FIRST_STEP
        limit = _SHORT_TRY if self.window.is_spent(offset) else self.window.size
        detail = ""
        try:
            while not stream.eof and not detail:
                pending = block = self.window.at(position, min(step, limit))
                if not block:
                    self.window.waste(position - offset)
                    return Damage(offset, f"cut off after {position - offset} bytes", True, bytes(data))
                while pending and not stream.eof:
                    out = stream.decompress(pending, _BLOCK)
                    total += len(out)
                    if len(data) <= max_bytes:
                        data += out
                    pending = stream.unconsumed_tail
                position += len(block) - len(stream.unused_data)
                step = min(2 * step, _STEP)
                if is_first and len(data) > _LONGEST_MAGIC and not _may_begin(data):
                    detail = f"a gzip member of {bytes(data[:16])!r}, not of a record"
                elif not stream.eof and position - offset > (limit if data else _SILENCE):
                    detail = "a gzip member among too many that fail" if data else "a gzip header without end"
                elif not stream.eof and limit == _SHORT_TRY:
                    detail = "a gzip member among too many that fail"
        except zlib.error as error:
            detail = f"gzip: {error}"
        if is_first and not detail and not _may_begin(data):
            detail = f"a gzip member of {bytes(data[:16])!r}, not of a record"
        if detail:
            self.window.waste(position - offset + total // 16)
            return Damage(offset, detail, data=bytes(data[:64]))
        return Frame(offset, position, bytes(data[:max_bytes]), total <= max_bytes)

    def _zstd_frame(self, offset: int) -> Frame | Damage:
        """A frame of one record or of many; an empty one, if it is to be skipped."""
        try:
            end = zstd.frame_end(self._counted_peek(offset), offset)
        except zstd.CutOff as cut:
            data = self._unpacked(offset, min(offset + _STEP, self.window.size), _STEP)
            self.window.waste(_STEP)
            return Damage(offset, f"zstd: cut off {cut}", True, data if isinstance(data, bytes) else b"")
        except zstd.NotZstd as wrong:
            return Damage(offset, f"zstd: {wrong}")
        if zstd.is_skippable(self.window.peek(offset, 4)):
            return Frame(offset, end, b"", True)
        data = self._unpacked(offset, end, self._max_bytes)
        if isinstance(data, zstandard.ZstdError):
            self.window.waste(end - offset)
            return Damage(offset, str(data))
        if not _may_begin(data):
            self.window.waste(end - offset)
            return Damage(offset, f"a zstd frame of {data[:16]!r}, not of a record", data=data[:64])
        found = Frame(offset, end, data[: self._max_bytes], len(data) <= self._max_bytes, "zstd", record_length(data))
        return found if data.startswith(b"WARC/") else _of_arc(found, self._max_bytes)

    def _counted_peek(self, offset: int) -> Callable[[int, int], bytes]:
        is_spent = self.window.is_spent(offset)

        def peek(position: int, length: int) -> bytes:
            if is_spent and position > offset + _SHORT_TRY:
                raise zstd.NotZstd("a frame among too many that fail")
            self.window.waste(length)
            return self.window.peek(position, length)

        return peek

    def _unpacked(self, offset: int, end: int, max_bytes: int) -> bytes | zstandard.ZstdError:
        """What a frame holds, or gives before it fails: a byte more than is wanted, if there is more."""
        data = bytearray()
        section = cast(IO[bytes], Section(self.window.at, offset, end))
        try:
            with self._unpacker.stream_reader(section) as stream:
                while len(data) <= max_bytes and (out := stream.read(min(_BLOCK, max_bytes + 1 - len(data)))):
                    data += out
        except zstandard.ZstdError as error:
            return error
        return bytes(data)

    def _plain_record(self, offset: int) -> Frame | Damage:
        window = self.window
        limit = min(offset + _STEP, window.size)
        header = window.following(_HEADER_END, offset, limit)
        if not _VERSION.match(window.at(offset, 64)) or not header:
            return Damage(offset, "a record without a header or Content-Length", data=window.at(offset, 64))
        if window.following(_VERSION, offset + 1, header[0]):
            return Damage(offset, "a header in which another begins", data=window.at(offset, 64))
        head = window.at(offset, header[1] - offset)
        length = _record_length(head, header[0] - offset, len(head))
        if not length:
            return Damage(offset, "a record without a header or Content-Length", data=head[:64])
        end = offset + length
        if end > window.size:
            cut = f"cut off {end - window.size} bytes before its stated end"
            return Damage(offset, cut, True, head + window.at(header[1], _SHORT_TRY))
        after = window.peek(end, 2 * _LONGEST_MAGIC)
        behind = after.lstrip(b"\r\n")
        ends_well = after.startswith((b"\r\n\r\n", b"\n\n")) or not behind or _START.match(behind)
        if not ends_well:
            detail = f"its Content-Length leads to {behind[:7]!r}, not to a record"
            return Damage(offset, detail, data=head[:64])
        following = end + len(after) - len(behind)
        data = window.at(offset, min(length, self._max_bytes))
        return Frame(offset, following, data, length <= self._max_bytes, length=length)

    def _plain_arc(self, offset: int) -> Frame | Damage:
        window = self.window
        head = window.at(offset, arc.LONGEST_LINE)
        length = arc.record_length(head)
        if not length:
            return Damage(offset, f"neither a record nor a gzip member, but {head[:16]!r}", data=head[:64])
        end = offset + length
        if end > window.size:
            cut = f"cut off {end - window.size} bytes before its stated end"
            return Damage(offset, cut, True, arc.as_warc(head))
        after = window.peek(end, arc.LONGEST_LINE)
        behind = after.lstrip(b"\r\n")
        is_next = len(behind) < len(after) and (arc.LINE.match(behind) or _START.match(behind))
        if behind and not is_next:
            return Damage(offset, f"its length leads to {behind[:7]!r}, not to a record", data=head[:64])
        found = Frame(offset, end, window.at(offset, min(length, self._max_bytes)), length <= self._max_bytes)
        found = _as_warc(found)
        return msgspec.structs.replace(found, end=end + len(after) - len(behind))


def _misled(found: Frame, length: int) -> str:
    """What is wrong with the length that the only record of a member states, where more of it follows: half a page is
    none."""
    behind = found.data[length : length + _STEP].lstrip(b"\r\n\0") if found.whole and length else b""
    if not behind or _START.match(behind) or _VERSION.search(found.data, length):
        return ""
    return f"its Content-Length leads to {behind[:7]!r}, not to a record"


def _may_begin(data: bytes | bytearray) -> bool:
    return data[:5] == b"WARC/" or arc.may_begin(bytes(data[:17]))


def _of_arc(found: Frame, max_bytes: int) -> Frame | Damage:
    """A compressed ARC record as WARC; damage, where it is none or one of too many in one stream."""
    length = arc.record_length(found.data[: arc.LONGEST_LINE])
    if not length:
        return Damage(found.offset, f"packed {found.data[:16]!r}, not a record", data=found.data[:64])
    if not found.whole and length < max_bytes:
        return Damage(found.offset, f"ARC records in one stream of over {max_bytes} bytes", data=found.data[:64])
    if found.whole and length > len(found.data):
        missing = length - len(found.data)
        return Damage(found.offset, f"cut off {missing} bytes before its stated end", True, arc.as_warc(found.data))
    return _as_warc(found)


def _as_warc(found: Frame) -> Frame:
    return msgspec.structs.replace(found, data=arc.as_warc(found.data), packing="arc")
