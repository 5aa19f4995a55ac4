"""WARC 1.1 (ISO 28500:2017): one gzip member a record, files rotated by size, each under its name only when whole.

A file being written is called `.{name}.tmp`. Its owner remembers how far it is known to be good (`WarcWriter.position`)
and goes on from there after a kill; what lies behind is cut off.
"""

import base64
import hashlib
import os
import socket
import struct
import uuid
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from crawlers.exchange import Exchange
from crawlers.framing import Damage, frames
from schemas import __version__

SUFFIX = ".warc.gz"
_PROFILES = "http://netpreserve.org/warc/1.1/revisit/"
_PACKED_TYPES = ("image/", "video/", "audio/", "font/", "application/zip", "application/gzip")
_HEADS_WEIGH_LESS = 4096  # bytes of a body, beside which what its heads would save is nothing
_UNPACKED_IMAGES = ("svg", "bmp", "tiff")
#: Bytes of a record that one of the smallest windows holds, which takes 7 us to set up and not 64.
_SMALL = 4096
_BLOCK = 0xFFFF  # bytes that a stored block may hold
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no name, no time, of an unknown system
Fields = Iterable[tuple[str, str]]


class Position(msgspec.Struct, frozen=True):
    """Where a record lies."""

    file: str  # name of the archive
    offset: int  # bytes
    length: int  # bytes, compressed


class Payload(msgspec.Struct, frozen=True):
    """A payload that was written: what a revisit record says of it."""

    url: str
    date: str
    record_id: str
    position: Position = msgspec.field(name="place")  # `place` in frontiers that were written


class WarcWriter:
    """Appends records to `{prefix}-{number:06d}.warc.gz` in `folder`.

    `resume` is the position that the last writer reached, as file name and offset: a file of that name that is not
    finished is cut there and continued.
    """

    def __init__(
        self, folder: Path, prefix: str, max_bytes: int, info: Fields = (), resume: tuple[str, int] = ("", 0)
    ) -> None:
        self._folder, self._prefix, self._max_bytes, self._info = folder, prefix, max_bytes, list(info)
        self._name, self._offset = resume
        self._file: int | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if self._name and self._staged.exists():
            self._file = os.open(self._staged, os.O_WRONLY | os.O_APPEND)
            if os.fstat(self._file).st_size < self._offset:  # a power cut: the disk holds less than was reported
                self._offset = _sound_end(self._staged)
            os.ftruncate(self._file, self._offset)
        elif self._name and not (folder / self._name).exists():  # lost, with the node that it lay on
            self._offset = 0

    @property
    def position(self) -> tuple[str, int]:
        """Name of the file in hand and where its next record will begin."""
        return self._name, self._offset

    @property
    def _staged(self) -> Path:
        return self._folder / f".{self._name}.tmp"

    def write(self, exchange: Exchange, digest: str, fields: Fields = ()) -> Payload:
        """A response record, and its request record if it was asked for. `digest` is that of the payload, by
        `payload_digest`."""
        date, record_id = _date(exchange.started), _new_id()
        head = _stored_head(exchange)
        common = [("WARC-Date", date), ("WARC-Target-URI", exchange.url)]
        if exchange.address:
            common.append(("WARC-IP-Address", exchange.address))
        response = _record(
            "response",
            record_id,
            [*common, *fields, *_truncation(exchange), ("WARC-Payload-Digest", digest)],
            "application/http; msgtype=response",
            head + exchange.body,
            level=_level(exchange),
        )
        self._make_room()
        position = self._append(response)
        if exchange.request_head:
            self._append_request(exchange, common, record_id)
        return Payload(exchange.url, date, record_id, position)

    def write_rendered(self, exchange: Exchange, html: bytes, of: Payload, fields: Fields = ()) -> Position:
        """A conversion record: what a page's scripts made of the response `of`, beneath the head of that response.

        The head keeps what the site said of use; its lengths and encodings are made true of the markup, in UTF-8.
        """
        digest = payload_digest(html)
        all_fields = [
            ("WARC-Date", of.date),
            ("WARC-Target-URI", exchange.url),
            *fields,
            ("WARC-Refers-To", of.record_id),
            ("WARC-Payload-Digest", digest),
        ]
        block = _rendered_head(exchange, len(html)) + html
        return self._append(_record("conversion", _new_id(), all_fields, "application/http; msgtype=response", block))

    def write_revisit(
        self, exchange: Exchange, digest: str, first: Payload, fields: Fields = (), content_type: str = ""
    ) -> Position:
        """A revisit record: the payload is that of `first`, and is not repeated. With status 304 the server said so.

        `digest` is that of the payload, "" where nobody knows; `content_type` its type where the response does not say
        it. `WARC-Refers-To-Filename` and `-File-Offset` are Heritrix's; with the length beside them the payload can be
        read without an index.
        """
        profile = "server-not-modified" if exchange.status == 304 else "identical-payload-digest"
        common = [("WARC-Date", _date(exchange.started)), ("WARC-Target-URI", exchange.url)]
        if exchange.address:
            common.append(("WARC-IP-Address", exchange.address))
        record_id = _new_id()
        all_fields = [
            *common,
            *fields,
            ("WARC-Profile", _PROFILES + profile),
            *([("WARC-Refers-To", first.record_id)] if first.record_id else []),
            ("WARC-Refers-To-Target-URI", first.url),
            ("WARC-Refers-To-Date", first.date),
            ("WARC-Refers-To-Filename", first.position.file),
            ("WARC-Refers-To-File-Offset", str(first.position.offset)),
            ("WARC-Refers-To-File-Length", str(first.position.length)),
            *([("WARC-Payload-Digest", digest)] if digest else []),
            *([("WARC-Identified-Payload-Type", content_type)] if content_type else []),
        ]
        block = exchange.response_head + b"\r\n"
        self._make_room()
        position = self._append(_record("revisit", record_id, all_fields, "application/http; msgtype=response", block))
        self._append_request(exchange, common, record_id)
        return position

    def _append_request(self, exchange: Exchange, common: list[tuple[str, str]], record_id: str) -> None:
        fields = [*common, ("WARC-Concurrent-To", record_id)]
        block = exchange.request_head + b"\r\n"
        self._append(_record("request", _new_id(), fields, "application/http; msgtype=request", block))

    def copy(self, member: bytes) -> Position:
        """A record of another archive as it stands there: one gzip member."""
        self._make_room()
        return self._append(member)

    def sync(self) -> None:
        """Force what was written to the disk."""
        if self._file is not None:
            os.fsync(self._file)

    def finish(self) -> None:
        """Give the file in hand its name; the next record begins another."""
        if self._file is None:
            return
        os.fsync(self._file)
        os.close(self._file)
        self._file = None
        os.replace(self._staged, self._folder / self._name)
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def close(self) -> None:
        """Leave the file in hand as it is, to be continued."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _make_room(self) -> None:
        if self._file is not None and self._offset >= self._max_bytes:
            self.finish()
        if self._file is None:
            self._open_next()

    def _open_next(self) -> None:
        number = int(self._name.removesuffix(SUFFIX).rpartition("-")[2]) + 1 if self._name else 0
        self._name, self._offset = f"{self._prefix}-{number:06d}{SUFFIX}", 0
        self._file = os.open(self._staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        fields = [
            ("software", f"weft/{__version__}"),
            ("format", "WARC File Format 1.1"),
            ("conformsTo", "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"),
            ("hostname", socket.gethostname()),
            *self._info,
        ]
        block = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in fields).encode()
        dated = [("WARC-Date", _date(datetime.now(UTC))), ("WARC-Filename", self._name)]
        self._append(_record("warcinfo", _new_id(), dated, "application/warc-fields", block))

    def _append(self, record: bytes) -> Position:
        assert self._file is not None
        view = memoryview(record)
        while view:  # a nearly full disk takes a part, then fails
            view = view[os.write(self._file, view) :]
        position = Position(self._name, self._offset, len(record))
        self._offset += len(record)
        return position


def payload_digest(payload: bytes) -> str:
    """`sha256:` and base32, over the body as sent, chunk framing undone."""
    return "sha256:" + base64.b32encode(hashlib.sha256(payload).digest()).decode()


def _record(kind: str, record_id: str, fields: Fields, content_type: str, block: bytes, level: int = 6) -> bytes:
    lines = [
        "WARC/1.1",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: {record_id}",
        *(f"{name}: {_one_line(value)}" for name, value in fields),
        f"WARC-Block-Digest: {payload_digest(block)}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(block)}",
    ]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
    if not level:
        return _stored_member(b"".join((head, block, b"\r\n\r\n")))
    is_small = len(head) + len(block) < _SMALL
    packer = zlib.compressobj(level, zlib.DEFLATED, 28, 5) if is_small else zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(head) + packer.compress(block) + packer.compress(b"\r\n\r\n") + packer.flush()


def _stored_member(data: bytes) -> bytes:
    """A gzip member (RFC 1952) that holds `data` as it is, in stored blocks (RFC 1951, 3.2.4). zlib takes ten times as
    long for the same: it sets up a window first."""
    view = memoryview(data)
    parts: list[bytes | memoryview] = [_GZIP_HEAD]
    for at in range(0, len(data), _BLOCK):
        piece = view[at : at + _BLOCK]
        is_last = at + _BLOCK >= len(data)
        parts += [struct.pack("<BHH", is_last, len(piece), len(piece) ^ 0xFFFF), piece]
    return b"".join([*parts, struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)])


def _stored_head(exchange: Exchange) -> bytes:
    """The response's head, made true of the body beside it: chunk framing is undone, so its header is renamed.

    The name is that of Common Crawl's and Nutch's archives.
    """
    if "transfer-encoding" not in exchange.headers:
        return exchange.response_head + b"\r\n"
    lines = exchange.response_head.split(b"\r\n")[:-1]
    kept = [
        b"X-Crawler-" + line if line.lower().startswith(b"transfer-encoding:") else line
        for line in lines
        if not line.lower().startswith(b"content-length:")
    ]
    return b"\r\n".join([*kept, b"Content-Length: %d" % len(exchange.body), b"", b""])


def _rendered_head(exchange: Exchange, length: int) -> bytes:
    gone = (
        b"content-type:",
        b"content-length:",
        b"content-encoding:",
        b"transfer-encoding:",
        b"etag:",
        b"content-md5:",
    )
    lines = [line for line in exchange.response_head.split(b"\r\n")[:-1] if not line.lower().startswith(gone)]
    return b"\r\n".join([*lines, b"Content-Type: text/html; charset=utf-8", b"Content-Length: %d" % length, b"", b""])


def _truncation(exchange: Exchange) -> Fields:
    return [("WARC-Truncated", exchange.truncated)] if exchange.truncated else []


def _sound_end(path: Path) -> int:
    """Where the last whole record of a file ends."""
    end = 0
    with path.open("rb") as file:
        for frame in frames(file, path.stat().st_size, 1 << 20):
            if isinstance(frame, Damage):
                break
            end = frame.end
    return end


def _level(exchange: Exchange) -> int:
    """How well a record is worth compressing: a photograph takes 1 to 2 ms to become a hundredth smaller."""
    if not _is_packed(exchange):
        return 6
    return 0 if len(exchange.body) > _HEADS_WEIGH_LESS else 1


def _is_packed(exchange: Exchange) -> bool:
    """Whether there is nothing to gain from compressing a body."""
    stated = exchange.headers.get("content-type", "").lower()
    is_packed = stated.startswith(_PACKED_TYPES) and not any(word in stated for word in _UNPACKED_IMAGES)
    return is_packed or bool(exchange.headers.get("content-encoding", ""))


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")


def _new_id() -> str:
    return f"<urn:uuid:{uuid.uuid4()}>"


def _date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
