"""WARC and ARC archives: every sound record is read, whatever stands between them.

`crawlers.framing` finds the records and tells those of ARC as WARC, FastWARC parses each. Left to itself it stops at
damage and says nothing of a record cut short.
"""

import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import IO, ClassVar, Generic, NamedTuple, TypeVar, cast

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from zstandard import ZstdError

from crawlers.framing import GZIP_MAGIC, Damage, Frame, frames, read_dictionary, unpacker
from crawlers.http import dechunk_beginning, decode_body, join_headers
from crawlers.pages import page_of
from crawlers.sniff import is_image, is_subtitles, is_video
from crawlers.soundness import require_sound, require_whole
from crawlers.window import Section, Source
from schemas.documents import Page
from schemas.drops import Drop, DropRow, Tally
from schemas.images import is_svg
from schemas.settings import Settings
from schemas.signals import Signal, bounded
from schemas.urls import media_key

#: The field of a record in which weft's crawler notes what the files of its site say about its use: signals, as JSON.
SITE_SIGNALS = "WARC-Site-Signals"
T = TypeVar("T")

_HEAD = 512
_HEADERS = 64 << 10  # bytes that the WARC and HTTP headers of a record may take beside its body
_LINE_ENDS = 4  # bytes between two records
_EXTRACTS = {int(WarcRecordType.conversion), int(WarcRecordType.metadata)}
_ANSWERS = {int(WarcRecordType.response), int(WarcRecordType.revisit)}
_EXTRACT_HINT = "text or metadata that somebody took from an archive (WET, WAT): weft needs the WARC itself"
_URI = re.compile(rb"^WARC-Target-URI:[ \t]*<?([^\r\n>]*)", re.IGNORECASE | re.MULTILINE)
_TRACK_TYPES = ("text/vtt", "application/x-subrip")
_HTML_TYPES = ("text/html", "application/xhtml+xml")


class WarcSettings(Settings, frozen=True):
    """What is read from an archive."""

    max_page_bytes: int = 10 << 20
    """HTML over this is dropped, on the wire and after decompression: the largest real articles stay under 5 MB."""
    max_image_bytes: int = 32 << 20
    """Image responses over this are not read."""
    videos: bool = False
    """Find videos and subtitle tracks, too; `--kinds clips` turns it on."""
    max_video_bytes: int = 128 << 20
    """Video responses over this are not read."""
    verify_digests: bool = True
    """Drop responses whose bytes do not give the digests that their records state."""

    def cap(self, kind: str) -> int:
        """Bytes that a response may have."""
        return {"image": self.max_image_bytes, "video": self.max_video_bytes}.get(kind, self.max_page_bytes)


class Capture(msgspec.Struct, frozen=True):
    """An HTTP response with status 200, its body still encoded; empty for images, which are read again by offset."""

    kind: ClassVar[str] = "page"

    number: int  # of the record in its archive, from 0
    offset: int  # bytes, of the compressed record
    length: int  # bytes; 0 where the archive is one gzip stream
    url: str
    is_image: bool  # or a video, or a subtitle track: read again by offset
    body: bytes
    headers: dict[str, str]  # names in lower case; repeated values joined by ", ", X-Robots-Tag by line ends
    charset: str
    fetch_time: str
    tdm: tuple[str, str] = ("", "")  # reservation and policy by the site's tdmrep.json, as weft's crawler notes them
    site: tuple[Signal, ...] = ()  # what the site's files said of its use
    redirected_from: tuple[str, ...] = ()  # addresses that led here, as weft's crawler notes them
    stored_in: str = ""  # of an image that a revisit record refers to: the name of the archive it lies in
    stored_url: str = ""  # and the address of its record; `offset` and `length` are that record's


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
    for capture, is_shared in read_records(file, name, size, settings, tally, _capture, _largest(settings)):
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


def page_of_capture(capture: Capture, uid: int, warc_file: str, settings: WarcSettings) -> Page:
    """The page in a capture, its encodings undone. Raises `Drop` as `decode_body` does."""
    transfer, content = (capture.headers.get(f"{name}-encoding", "") for name in ("transfer", "content"))
    return page_of(
        capture.url,
        capture.headers,
        decode_body(capture.body, transfer, content, settings.max_page_bytes),
        uid=uid,
        charset=capture.charset,
        fetch_time=capture.fetch_time,
        tdm=capture.tdm,
        site=capture.site,
        warc_file=warc_file,
        warc_offset=capture.offset,
        warc_length=capture.length,
    )


def read_page(
    record: bytes, url: str, warc_file: str, offset: int, settings: WarcSettings, dictionary: bytes = b""
) -> Page:
    """The page for `url` that the bytes of a record, compressed or not, hold: the one that a build saw there.

    Raises `Drop` as `read_response`, and for what is no page.
    """
    found, block = _only_record(record, url, settings.max_page_bytes, dictionary)
    capture = _capture(found, 0, Frame(offset, offset + len(record), block, True, length=len(block)), settings)
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
    found.parse_http(auto_decode="none", quirks_mode=True)
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
    if media_key(target_of(found)) != media_key(url):
        raise Drop("not_seekable", f"{target_of(found)} lies there")
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


def _block(frame: Frame, record: WarcRecord) -> bytes | memoryview:
    """All of a record behind its own header, whose HTTP header was not read yet; b"" if its frame holds others, too."""
    length = frame.length if frame.whole else 0
    is_alone = length <= len(frame.data) <= length + _LINE_ENDS
    return memoryview(frame.data)[length - record.content_length : length] if length and is_alone else b""


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


def _capture(record: WarcRecord, number: int, frame: Frame, settings: WarcSettings) -> Capture | None:
    if record.record_type == WarcRecordType.revisit:
        return _revisit(record, number)
    if record.record_type == WarcRecordType.response and record.headers.get("WARC-Rendered"):
        raise Drop("rendered")
    if page := record.headers.get("WARC-Loaded-For"):
        raise Drop("rendered", f"loaded for {page}")
    if record.record_type != WarcRecordType.response and not _is_rendered(record):
        return None
    block = _block(frame, record) if settings.verify_digests else b""
    record.parse_http(auto_decode="none", quirks_mode=True)
    if not record.is_http or record.http_headers is None:
        raise Drop("not_http")
    if record.http_headers.status_code != 200:
        raise Drop("http_status", str(record.http_headers.status_code))
    headers = headers_of(record)
    head = record.reader.read(_HEAD)
    kind = _kind(headers, head, settings.videos)
    cap = settings.cap(kind)
    if not kind:
        raise Drop("unsupported_type", headers.get("content-type", "")[:80])
    if record.content_length > cap:
        raise Drop("too_large", f"{record.content_length} bytes, cap {cap}")
    require_whole(record.headers, headers, record.content_length)
    body = head + record.reader.read() if kind == "page" else b""
    if body and settings.verify_digests and len(body) == record.content_length:  # of media when they are read
        require_sound(record.headers, headers, block, body, settings.max_page_bytes)
    return Capture(
        number=number,
        offset=frame.offset,
        length=frame.end - frame.offset,
        url=target_of(record),
        is_image=kind != "page",
        body=body,
        headers=headers,
        charset=record.http_charset or "",
        fetch_time=fetch_time_of(record),
        redirected_from=_redirected_from(record),
        tdm=(record.headers.get("WARC-TDM-Reservation") or "", record.headers.get("WARC-TDM-Policy") or ""),
        site=site_signals(record),
    )


def _is_rendered(record: WarcRecord) -> bool:
    """Whether a record holds a page as its scripts made it: an HTTP response of the type `conversion`."""
    stated = record.headers.get("Content-Type") or ""
    return bool(record.record_type == WarcRecordType.conversion) and stated.startswith("application/http")


def _revisit(record: WarcRecord, number: int) -> Capture:
    """An image whose payload lies elsewhere, where the record says exactly where. Raises `Drop("revisit")`."""
    fields = {name.lower(): value for name, value in record.headers}
    file, offset, length = (
        fields.get(f"warc-refers-to-{name}", "") for name in ("filename", "file-offset", "file-length")
    )
    record.parse_http(auto_decode="none", quirks_mode=True)
    headers = headers_of(record) if record.is_http else {}
    stored_url = fields.get("warc-refers-to-target-uri", "").strip("<> ")
    is_image = headers.get("content-type", "").lower().startswith("image/")
    if not (file and stored_url and is_image and offset.isdigit() and length.isdigit()):
        raise Drop("revisit")
    return Capture(
        number=number,
        offset=int(offset),
        length=int(length),
        url=target_of(record),
        is_image=True,
        body=b"",
        headers=headers,
        charset="",
        fetch_time=fetch_time_of(record),
        redirected_from=_redirected_from(record),
        stored_in=file,
        stored_url=stored_url,
    )


def site_signals(record: WarcRecord) -> tuple[Signal, ...]:
    """What the files of its site said about the use of what a record holds, as weft's crawler notes them beside it."""
    written = record.headers.get(SITE_SIGNALS) or ""
    try:
        return bounded(msgspec.json.decode(written, type=tuple[Signal, ...])) if written else ()
    except msgspec.DecodeError:
        return ()


def _redirected_from(record: WarcRecord) -> tuple[str, ...]:
    return tuple(value for name, value in record.headers if name.lower() == "warc-redirected-from")


def fetch_time_of(record: WarcRecord) -> str:
    return f"{record.record_date.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if record.record_date else ""


def _largest(settings: WarcSettings) -> int:
    return max(map(settings.cap, ("page", "image", "video") if settings.videos else ("page", "image")))


def _kind(headers: dict[str, str], head: bytes, videos: bool) -> str:
    """`page`, `image`, `video` (or subtitle track) or "", by the first bytes where they tell, else by the header."""
    stated = headers.get("content-type", "").partition(";")[0].strip().lower()
    encoded = headers.get("content-encoding", "").strip().lower() not in ("", "identity", "none")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        head = dechunk_beginning(head)
    start = head.lstrip().lower()
    if not encoded and is_image(head):
        return "image"
    if videos and not encoded and is_video(head):
        return "video"
    if videos and (stated in _TRACK_TYPES or is_subtitles(head)):
        return "video"
    if stated in _HTML_TYPES or (not stated and start.startswith((b"<!doctype html", b"<html"))):
        return "page"
    return "image" if stated.startswith("image/") or (not encoded and is_svg(head)) else ""


def headers_of(record: WarcRecord) -> dict[str, str]:
    return join_headers(record.http_headers or ())


def target_of(record: WarcRecord) -> str:
    return (record.headers.get("WARC-Target-URI") or "").strip("<> ")


def _count_damage(damage: Damage, name: str, tally: Tally) -> None:
    target = _URI.search(damage.data) if damage.truncated else None
    url = target[1].decode("utf-8", "replace").strip() if target else name
    reason = "truncated_record" if damage.truncated else "broken_record"
    _drop_record(tally, DropRow(url, "record", reason, f"after byte {damage.offset}: {damage.detail}"))


def _drop_record(tally: Tally, row: DropRow) -> None:
    tally.saw("record")
    tally.drop(row)
