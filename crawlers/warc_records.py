"""What one record of an archive gives: a page, an image, a video or its subtitles, or the reason why it is none."""

from datetime import UTC
from typing import ClassVar

import msgspec
from fastwarc.warc import WarcRecord, WarcRecordType

from crawlers.framing import Frame
from crawlers.http import dechunk_beginning, decode_body, join_headers
from crawlers.pages import page_of
from crawlers.sniff import is_image, is_subtitles, is_video
from crawlers.soundness import require_sound, require_whole
from schemas.documents import Page
from schemas.drops import Drop
from schemas.images import is_svg
from schemas.settings import Settings
from schemas.signals import Signal, bounded
from schemas.urls import resolve

#: The field of a record in which weft's crawler notes what the files of its site say about its use: signals, as JSON.
SITE_SIGNALS = "WARC-Site-Signals"
#: The field of a record by which `weft import` says that all of a page is content.
WHOLE = "WARC-Weft-Whole"
_HEAD = 512
_HEADS = 64 << 10  # bytes of a revisit, which has no body
_INTERIM = (100, 102, 103)  # statuses behind which the answer is still to come
_LINE_ENDS = 4  # bytes between two records
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
    whole: bool = False  # all of the page is content, as `weft import` notes
    redirected_from: tuple[str, ...] = ()  # addresses that led here, as weft's crawler notes them
    stored_in: str = ""  # of an image that a revisit record refers to: the name of the archive it lies in
    stored_url: str = ""  # and the address of its record; `offset` and `length` are that record's

    @property
    def addresses(self) -> tuple[str, ...]:
        """Under which it may be asked for: its own as its record has it (`HTTP://A.example:80/ä.jpg`), then as browsers
        write it, then those that redirected here."""
        return tuple(dict.fromkeys((self.url, resolve(self.url, self.url) or self.url, *self.redirected_from)))


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
        whole=capture.whole,
        warc_file=warc_file,
        warc_offset=capture.offset,
        warc_length=capture.length,
    )


def capture_of(record: WarcRecord, number: int, frame: Frame, settings: WarcSettings) -> Capture | None:
    if record.record_type == WarcRecordType.revisit:
        return _revisit(record, number, settings.videos)
    if record.record_type == WarcRecordType.response and record.headers.get("WARC-Rendered"):
        raise Drop("rendered")
    if page := record.headers.get("WARC-Loaded-For"):
        raise Drop("rendered", f"loaded for {page}")
    if record.record_type != WarcRecordType.response and not _is_rendered(record):
        return None
    if not target_of(record):
        raise Drop("broken_record", "a response without WARC-Target-URI")
    block = _block(frame, record) if settings.verify_digests else b""
    record = read_http(record, max(map(settings.cap, ("page", "image", "video"))))
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
        whole=record.headers.get(WHOLE) == "1",
    )


def _is_rendered(record: WarcRecord) -> bool:
    """Whether a record holds a page as its scripts made it: an HTTP response of the type `conversion`."""
    stated = record.headers.get("Content-Type") or ""
    return bool(record.record_type == WarcRecordType.conversion) and stated.startswith("application/http")


def _revisit(record: WarcRecord, number: int, videos: bool) -> Capture:
    """An image, or of `videos` one, whose payload lies elsewhere, where the record says exactly where. Raises
    `Drop("revisit")`."""
    fields = {name.lower(): value for name, value in record.headers}
    file, offset, length = (
        fields.get(f"warc-refers-to-{name}", "") for name in ("filename", "file-offset", "file-length")
    )
    record = read_http(record, _HEADS)
    headers = headers_of(record) if record.is_http else {}
    stored_url = fields.get("warc-refers-to-target-uri", "").strip("<> ")
    stated = (fields.get("warc-identified-payload-type") or headers.get("content-type", "")).lower()
    is_wanted = stated.startswith("image/") or (videos and stated.startswith(("video/", *_TRACK_TYPES)))
    if not (file and stored_url and is_wanted and offset.isdigit() and length.isdigit()):
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
    """ISO 8601, UTC; "" where the record says none, or none that there is."""
    try:
        date = record.record_date
        return f"{date.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if date else ""
    except (ValueError, OverflowError):  # an offset of a day, or one that leads beyond the years 1 and 9999
        return ""


def _block(frame: Frame, record: WarcRecord) -> bytes | memoryview:
    """All of a record behind its own header, whose HTTP header was not read yet; b"" if its frame holds others, too."""
    length = frame.length if frame.whole else 0
    is_alone = length <= len(frame.data) <= length + _LINE_ENDS
    return memoryview(frame.data)[length - record.content_length : length] if length and is_alone else b""


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


def read_http(record: WarcRecord, max_bytes: int) -> WarcRecord:
    """The record with the head of its response read, and its body left to be.

    Some crawlers keep what a server sends before its answer (`100 Continue`, `103 Early Hints`): the head behind it is
    read, of a record of up to `max_bytes`. Raises `Drop("too_large")`.
    """
    record.parse_http(auto_decode="none", quirks_mode=True)
    while record.http_headers is not None and record.http_headers.status_code in _INTERIM:
        if record.content_length > max_bytes:
            raise Drop("too_large", f"{record.content_length} bytes, cap {max_bytes}")
        behind = record.reader.read()
        if not behind.startswith(b"HTTP/"):
            break
        answer = WarcRecord()
        for name, value in record.headers:
            if name.lower() != "warc-payload-digest":  # writers differ in where they take it to begin
                answer.headers.append(name, value)
        answer.record_type, answer.is_http = record.record_type, True
        answer.set_bytes_content(behind)
        answer.parse_http(auto_decode="none", quirks_mode=True)
        record = answer
    return record


def headers_of(record: WarcRecord) -> dict[str, str]:
    return join_headers(record.http_headers or ())


def target_of(record: WarcRecord) -> str:
    return (record.headers.get("WARC-Target-URI") or "").strip("<> ")
