"""WARC archives: every sound record is read, whatever stands between them.

FastWARC parses; it stops at damage and says nothing of a record cut short, so both are found out here, counted, and
reading goes on at the next place that looks like a record.
"""

import io
import zlib
from collections.abc import Iterator
from datetime import UTC
from typing import IO, ClassVar

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from crawlers.http import dechunk, decode_body
from schemas.documents import Page
from schemas.drops import Drop, DropRow, Tally
from schemas.urls import media_key

GZIP_MAGIC = b"\x1f\x8b\x08"
_SCAN = 1 << 20
_HEAD = 512
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")


class WarcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is read from an archive."""

    max_page_bytes: int = 10 << 20
    """HTML over this is dropped, on the wire and after decompression: the largest real articles stay under 5 MB."""
    max_image_bytes: int = 32 << 20
    """Image responses over this are not read."""


class Capture(msgspec.Struct, frozen=True):
    """An HTTP response with status 200, its body still encoded; empty for images, which are read again by offset."""

    kind: ClassVar[str] = "page"

    number: int  # of the record in its archive, from 0
    offset: int  # bytes, of the compressed record
    length: int  # bytes; 0 where the archive is one gzip stream
    url: str
    is_image: bool
    body: bytes
    headers: dict[str, str]  # names in lower case, repeated values joined by ", "
    charset: str
    fetch_time: str


def read_captures(file: IO[bytes], name: str, size: int, settings: WarcSettings, tally: Tally) -> Iterator[Capture]:
    """Pages and images of an archive, in its order; all else is counted in `tally` by reason.

    `file` is open for reading and seekable, `size` in bytes. Raises `OSError` only when `file` itself fails.
    """
    start, number = 0, 0
    while start < size:
        source = _Source(file, start)
        offset, found = start, 0
        held: Capture | None = None  # only where the next record starts tells how long this one is
        try:
            for record in ArchiveIterator(
                source, record_types=WarcRecordType.any_type, parse_http=False, auto_decode="none", quirks_mode=True
            ):
                offset, found = start + record.stream_pos, found + 1
                if held is not None:
                    yield _ending(held, offset)
                held = _counted(record, number, offset, settings, tally)
                number += 1
                if record.reader.tell() < record.content_length:
                    break  # its stated length runs over the end: sound records may lie inside it
            else:
                if held is not None:
                    yield _ending(held, size)
                if found:
                    return
                held = None
        except OSError as error:
            if source.failed:
                raise
            if found or start == 0:  # damage is counted once, however many places in it look like a record
                _drop_record(tally, DropRow(name, "record", "broken_record", f"after byte {offset}: {error}"))
        start = _next_record(file, offset + 1, size)
        if held is not None:
            yield _ending(held, start)
    if number == 0:
        _drop_record(tally, DropRow(name, "record", "arc_format" if _is_arc(file) else "not_warc"))


def _ending(capture: Capture, end: int) -> Capture:
    return msgspec.structs.replace(capture, length=max(0, end - capture.offset))


def page_of(capture: Capture, uid: int, warc_file: str, settings: WarcSettings) -> Page:
    """The page in a capture, its encodings undone. Raises `Drop` as `decode_body` does."""
    headers = capture.headers
    html = decode_body(
        capture.body,
        headers.get("transfer-encoding", ""),
        headers.get("content-encoding", ""),
        settings.max_page_bytes,
    )
    return Page(
        uid=uid,
        url=capture.url,
        html=html,
        charset=capture.charset,
        fetch_time=capture.fetch_time,
        robots_header=(headers["x-robots-tag"],) if "x-robots-tag" in headers else (),
        tdm_header=headers.get("tdm-reservation", ""),
        tdm_policy_header=headers.get("tdm-policy", ""),
        warc_file=warc_file,
        warc_offset=capture.offset,
        warc_length=capture.length,
    )


def read_response(record: bytes, url: str, max_bytes: int) -> tuple[dict[str, str], bytes]:
    """Headers and decoded body of the response for `url` that the bytes of a WARC record, compressed or not, hold.

    Raises `Drop`: broken_record, truncated_record, too_large, bad_encoding, and not_seekable when another record lies
    there.
    """
    try:
        for found in ArchiveIterator(io.BytesIO(record), parse_http=False, auto_decode="none", quirks_mode=True):
            if media_key(_target(found)) != media_key(url):
                raise Drop("not_seekable", f"{_target(found)} lies there")
            found.parse_http(auto_decode="none", quirks_mode=True)
            body = found.reader.read(max_bytes + 1)
            if len(body) < min(found.content_length, max_bytes + 1):
                raise Drop("truncated_record")
            headers = _headers(found)
            return headers, decode_body(
                body, headers.get("transfer-encoding", ""), headers.get("content-encoding", ""), max_bytes
            )
    except OSError as error:
        raise Drop("broken_record", str(error)) from None
    raise Drop("broken_record", "no record at this offset")


def _counted(record: WarcRecord, number: int, offset: int, settings: WarcSettings, tally: Tally) -> Capture | None:
    """The capture in a record, if it holds one; the record is read to its end, and counted if it is a response."""
    try:
        capture, drop = _capture(record, number, offset, settings), None
    except Drop as reason:
        capture, drop = None, reason
    record.reader.consume()
    if record.reader.tell() < record.content_length:
        capture, drop = None, Drop("truncated_record", f"{record.reader.tell()} of {record.content_length} bytes")
    if drop is not None:
        _drop_record(tally, DropRow(_target(record), "record", drop.reason, drop.detail))
    elif capture is not None:
        tally.saw("record")
        tally.kept("record")
    return capture


def _capture(record: WarcRecord, number: int, offset: int, settings: WarcSettings) -> Capture | None:
    if record.record_type == WarcRecordType.revisit:
        raise Drop("revisit")
    if record.record_type != WarcRecordType.response:
        return None
    record.parse_http(auto_decode="none", quirks_mode=True)
    if not record.is_http or record.http_headers is None:
        raise Drop("not_http")
    if record.http_headers.status_code != 200:
        raise Drop("http_status", str(record.http_headers.status_code))
    headers = _headers(record)
    head = record.reader.read(_HEAD)
    kind = _kind(headers, head)
    cap = settings.max_image_bytes if kind == "image" else settings.max_page_bytes
    if not kind:
        raise Drop("unsupported_type", headers.get("content-type", "")[:80])
    if record.content_length > cap:
        raise Drop("too_large", f"{record.content_length} bytes, cap {cap}")
    return Capture(
        number=number,
        offset=offset,
        length=0,
        url=_target(record),
        is_image=kind == "image",
        body=head + record.reader.read() if kind == "page" else b"",
        headers=headers,
        charset=record.http_charset or "",
        fetch_time=f"{record.record_date.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if record.record_date else "",
    )


def _kind(headers: dict[str, str], head: bytes) -> str:
    """`page`, `image` or "", by the first bytes where they tell and by the header where they do not."""
    stated = headers.get("content-type", "").partition(";")[0].strip().lower()
    encoded = headers.get("content-encoding", "").strip().lower() not in ("", "identity", "none")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        head = dechunk(head)
    start = head.lstrip().lower()
    if not encoded and (head.startswith(_IMAGE_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")):
        return "image"
    if stated in _HTML_TYPES or (not stated and start.startswith((b"<!doctype html", b"<html"))):
        return "page"
    is_vector = "svg" in stated
    return "image" if stated.startswith("image/") and not is_vector else ""


def _headers(record: WarcRecord) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in record.http_headers or ():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _target(record: WarcRecord) -> str:
    return (record.headers.get("WARC-Target-URI") or "").strip("<> ")


def _drop_record(tally: Tally, row: DropRow) -> None:
    tally.saw("record")
    tally.drop(row)


def _is_arc(file: IO[bytes]) -> bool:
    file.seek(0)
    head = file.read(_SCAN)
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(31).decompress(head, _HEAD)
        except zlib.error:
            return False
    return head.startswith(b"filedesc://")


def _next_record(file: IO[bytes], after: int, size: int) -> int:
    """Offset of the next bytes, from `after` on, that look like the start of a record; `size` if there are none."""
    file.seek(0)
    magic = GZIP_MAGIC if file.read(2) == GZIP_MAGIC[:2] else b"WARC/1."
    overlap = len(magic) - 1
    while after < size:
        file.seek(after)
        block = file.read(_SCAN + overlap)
        found = block.find(magic)
        if found >= 0:
            return after + found
        after += _SCAN
    return size


class _Source:
    """`file` from `start` on, as FastWARC reads it; remembers whether it was the file itself that failed."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        file.seek(start)
        self._file = file
        self._position = 0
        self.failed = False

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError("not seekable")

    def close(self) -> None:
        pass

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
            self._position += len(data)
            return data
        except Exception as error:  # HTTP and cloud clients have error trees of their own
            self.failed = True
            raise error if isinstance(error, OSError) else OSError(repr(error)) from error
