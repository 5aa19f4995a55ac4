"""WARC and ARC archives: every sound record is read, whatever stands between them.

`crawlers.framing` finds the records and tells those of ARC as WARC, FastWARC parses each. Left to itself it stops at
damage and says nothing of a record cut short.
"""

import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Generic, NamedTuple, TypeVar, cast

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from zstandard import ZstdError

from crawlers.framing import GZIP_MAGIC, Damage, Frame, frames, read_dictionary, unpacker
from crawlers.http import decode_body
from crawlers.soundness import require_sound, require_whole
from crawlers.warc_records import (
    Capture,
    WarcSettings,
    capture_of,
    fetch_time_of,
    headers_of,
    page_of_capture,
    read_http,
    site_signals,
    target_of,
)
from crawlers.window import Section, Source
from schemas.documents import Page
from schemas.drops import Drop, DropRow, Tally
from schemas.signals import Signal
from schemas.urls import media_key

T = TypeVar("T")
_HEADERS = 64 << 10  # bytes that the WARC and HTTP headers of a record may take beside its body
_EXTRACTS = {int(WarcRecordType.conversion), int(WarcRecordType.metadata)}
_ANSWERS = {int(WarcRecordType.response), int(WarcRecordType.revisit)}
_EXTRACT_HINT = "text or metadata that somebody took from an archive (WET, WAT): weft needs the WARC itself"
_URI = re.compile(rb"^WARC-Target-URI:[ \t]*<?([^\r\n>]*)", re.IGNORECASE | re.MULTILINE)


#: Makes something of a record, by its number in the archive, or None. Raises `Drop`.
Take = Callable[[WarcRecord, int, Frame, WarcSettings], T | None]


class Response(NamedTuple):
    """Of one record: headers and decoded body, what the site's files say of its use, when it was fetched."""

    headers: dict[str, str]
    body: bytes
    site: tuple[Signal, ...]
    time: str


def read_captures(file: IO[bytes], name: str, size: int, settings: WarcSettings, tally: Tally) -> Iterator[Capture]:
    """Pages and images of an archive, in its order; all else is counted in `tally` by reason.

    `file` is open for reading and seekable, `size` in bytes. Raises `OSError` only when `file` itself fails.
    """
    for capture, is_shared in read_records(file, name, size, settings, tally, capture_of, _largest(settings)):
        # Of several records in a frame none can be found again by its offset.
        yield msgspec.structs.replace(capture, length=0) if is_shared and not capture.stored_in else capture


def read_records(
    file: IO[bytes], name: str, size: int, settings: WarcSettings, tally: Tally, take: Take[T], max_bytes: int
) -> Iterator[tuple[T, bool]]:
    """What `take` makes of the records of an archive, in its order, and whether their frame holds others, too. What is
    damaged, and what `take` drops, is counted in `tally`. A record may have `max_bytes`; the rest is as above."""
    source, numbers, kinds = Source(file), itertools.count(), set[int]()
    reader = _Reader(source, name, numbers, settings, tally, kinds, take)
    is_warc, unexplained = False, None
    for frame in frames(source, size, max_bytes + _HEADERS):
        is_warc = is_warc or frame.data.startswith(b"WARC/")
        if not is_warc:
            unexplained = frame  # counted if records follow; else the file is something other than a WARC
            continue
        for piece in (unexplained, frame) if unexplained is not None else (frame,):
            if isinstance(piece, Damage):
                _count_damage(piece, name, tally)
            else:
                yield from reader.taken(piece)
        unexplained = None
    if not is_warc:
        _drop_record(tally, DropRow(name, "record", "not_warc"))
    elif kinds & _EXTRACTS and not kinds & _ANSWERS:
        _drop_record(tally, DropRow(name, "record", "no_responses", _EXTRACT_HINT))


class _Reader(Generic[T]):
    """Reads the frames of one archive."""

    def __init__(
        self,
        source: Source,
        name: str,
        numbers: Iterator[int],
        settings: WarcSettings,
        tally: Tally,
        kinds: set[int],
        take: Take[T],
    ) -> None:
        self._take = take
        self._source, self._name, self._numbers, self._kinds = source, name, numbers, kinds
        self._settings, self._tally = settings, tally

    def taken(self, frame: Frame) -> Iterator[tuple[T, bool]]:
        parsed: Iterable[T | None]
        if frame.whole or frame.packing == "arc":
            parsed = list(self._parse(io.BytesIO(frame.data), frame))
            is_shared = len(parsed) > 1
        else:  # one huge record, or an archive in one stream: its records are taken in passing
            parsed, is_shared = self._parse(self._stream(frame), frame), True
        yield from ((found, is_shared) for found in parsed if found is not None)

    def _stream(self, frame: Frame) -> IO[bytes]:
        section = cast(IO[bytes], Section(self._source.at, frame.offset, frame.end))
        if frame.packing == "zstd":
            return cast(IO[bytes], unpacker(read_dictionary(self._source)).stream_reader(section))
        return section

    def _parse(self, data: IO[bytes], frame: Frame) -> Iterator[T | None]:
        """What is made of each record in `data`, or None; every response is counted."""
        try:
            for record in ArchiveIterator(
                data, record_types=WarcRecordType.any_type, parse_http=False, auto_decode="none", quirks_mode=True
            ):
                self._kinds.add(int(record.record_type))
                yield _counted(record, next(self._numbers), frame, self._settings, self._tally, self._take)
        except (OSError, ZstdError) as error:
            if self._source.failed:
                raise
            _count_damage(Damage(frame.offset, str(error)), self._name, self._tally)


def _counted(
    record: WarcRecord, number: int, frame: Frame, settings: WarcSettings, tally: Tally, take: Take[T]
) -> T | None:
    """What is made of a record, if anything; it is read to its end, and counted if it is a response."""
    found, drop = None, None
    try:
        found = take(record, number, frame, settings)
    except Drop as reason:
        drop = reason
    record.reader.consume()
    if record.reader.tell() < record.content_length and (frame.whole or found is not None):
        found, drop = None, Drop("truncated_record", f"{record.reader.tell()} of {record.content_length} bytes")
    if drop is not None:
        _drop_record(tally, DropRow(target_of(record), "record", drop.reason, drop.detail))
    elif found is not None:
        tally.saw("record")
        tally.kept("record")
    return found


def _count_damage(damage: Damage, name: str, tally: Tally) -> None:
    target = _URI.search(damage.data) if damage.truncated else None
    url = target[1].decode("utf-8", "replace").strip() if target else name
    reason = "truncated_record" if damage.truncated else "broken_record"
    _drop_record(tally, DropRow(url, "record", reason, f"after byte {damage.offset}: {damage.detail}"))


def _drop_record(tally: Tally, row: DropRow) -> None:
    tally.saw("record")
    tally.drop(row)


def read_page(
    record: bytes, url: str, warc_file: str, offset: int, settings: WarcSettings, dictionary: bytes = b""
) -> Page:
    """The page for `url` that the bytes of a record, compressed or not, hold: the one that a build saw there.

    Raises `Drop` as `read_response`, and for what is no page.
    """
    found, block = _only_record(record, url, settings.max_page_bytes, dictionary)
    capture = capture_of(found, 0, Frame(offset, offset + len(record), block, True, length=len(block)), settings)
    if capture is None or capture.is_image:
        raise Drop("unsupported_type")
    return page_of_capture(capture, 0, warc_file, settings)


def read_response(
    record: bytes, url: str, max_bytes: int, dictionary: bytes = b"", verify_digests: bool = True
) -> Response:
    """The response for `url` that the bytes of a record, compressed or not, hold.

    `dictionary` is that of its archive (`read_dictionary`). Raises `Drop`: broken_record, truncated_record, too_large,
    bad_encoding, truncated_body, digest_mismatch, and not_seekable when another record lies there.
    """
    found, block = _only_record(record, url, max_bytes, dictionary)
    found = read_http(found, max_bytes + _HEADERS)
    if found.content_length > max_bytes:
        raise Drop("too_large", f"{found.content_length} bytes, cap {max_bytes}")
    body, headers = found.reader.read(), headers_of(found)
    require_whole(found.headers, headers, len(body))
    if verify_digests:
        require_sound(found.headers, headers, block, body, max_bytes)
    transfer, content = (headers.get(f"{name}-encoding", "") for name in ("transfer", "content"))
    decoded = decode_body(body, transfer, content, max_bytes)
    return Response(headers, decoded, site_signals(found), fetch_time_of(found))


def _only_record(record: bytes, url: str, max_bytes: int, dictionary: bytes) -> tuple[WarcRecord, bytes]:
    """The record for `url` in these bytes, and its block. Raises `Drop`."""
    found = None
    if not record.startswith(GZIP_MAGIC) or (found := _first(record)) is None:  # FastWARC unpacks gzip fastest
        frame = next(frames(io.BytesIO(record), len(record), max_bytes + _HEADERS, dictionary), None)
        if isinstance(frame, Damage):
            raise Drop("truncated_record" if frame.truncated else "broken_record", frame.detail)
        found = _first(frame.data if frame else b"")
    if found is None:
        raise Drop("broken_record", "no record at this offset")
    target = target_of(found)
    if target != url and media_key(target) != media_key(url):
        raise Drop("not_seekable", f"{target} lies there")
    stated = found.content_length
    try:
        block = found.reader.read(min(stated, max_bytes + _HEADERS))
    except OSError as error:
        raise Drop("broken_record", str(error)) from None
    if len(block) < stated and stated > max_bytes + _HEADERS:
        raise Drop("too_large", f"{stated} bytes, cap {max_bytes}")
    if len(block) < stated:
        raise Drop("truncated_record", f"{len(block)} of {stated} bytes")
    found.set_bytes_content(block)
    return found, block


def _first(data: bytes) -> WarcRecord | None:
    try:
        return next(ArchiveIterator(io.BytesIO(data), parse_http=False, auto_decode="none", quirks_mode=True), None)
    except OSError:
        return None


def _largest(settings: WarcSettings) -> int:
    return max(map(settings.cap, ("page", "image", "video") if settings.videos else ("page", "image")))
