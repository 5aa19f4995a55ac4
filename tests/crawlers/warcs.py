"""WARC archives made to order, by warcio: another hand than the one that reads them."""

import gzip as gzip_module
import io
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

HTML = "text/html; charset=utf-8"
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Record:
    kind: str
    url: str
    payload: bytes
    http: StatusAndHeaders | None
    date: str
    media_type: str  # of the WARC record
    warc_headers: tuple[tuple[str, str], ...] = ()


def response(
    url: str,
    body: bytes | str,
    *,
    status: int = 200,
    headers: Headers = (),
    date: str = "2026-01-02T03:04:05Z",
    content_type: str = HTML,
) -> Record:
    """An HTTP response. `headers` are pairs where a name is repeated; `content_type=""` sends none."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if content_type:
        pairs.insert(0, ("Content-Type", content_type))
    line = StatusAndHeaders(f"{status} Whatever", pairs, protocol="HTTP/1.1")
    data = body.encode() if isinstance(body, str) else body
    return Record("response", url, data, line, date, "application/http; msgtype=response")


def revisit(url: str, date: str = "2026-01-02T03:04:05Z") -> Record:
    line = StatusAndHeaders("200 OK", [("Content-Type", HTML)], protocol="HTTP/1.1")
    profile = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
    media_type = "application/http; msgtype=response"
    return Record("revisit", url, b"", line, date, media_type, (("WARC-Profile", profile),))


def other(kind: str, url: str, payload: bytes, media_type: str, date: str = "2026-01-02T03:04:05Z") -> Record:
    """A record without HTTP headers of its own: warcinfo, request, metadata, or a response of another protocol."""
    return Record(kind, url, payload, None, date, media_type)


def record_bytes(record: Record, gzip: bool = True) -> bytes:
    """One record; compressed, it is a gzip member of its own, as crawlers write them."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=gzip, warc_version="1.1")
    name = f"{record.kind} {record.url} {record.date}"
    headers = {
        "WARC-Record-ID": f"<{uuid.uuid5(uuid.NAMESPACE_URL, name).urn}>",
        "WARC-Date": record.date,
        **dict(record.warc_headers),
    }
    writer.write_record(
        writer.create_warc_record(
            record.url,
            record.kind,
            payload=io.BytesIO(record.payload),
            length=len(record.payload),
            warc_content_type=record.media_type,
            warc_headers_dict=headers,
            http_headers=record.http,
        )
    )
    return out.getvalue()


def warc_bytes(records: Iterable[Record | bytes], gzip: bool = True) -> bytes:
    """An archive. `bytes` among the records go in as they are: damage, or what a test has made itself."""
    return b"".join(item if isinstance(item, bytes) else record_bytes(item, gzip) for item in records)


def write_warc(
    target: str | os.PathLike[str] | IO[bytes], records: Iterable[Record | bytes], gzip: bool = True
) -> list[tuple[int, int]]:
    """Write an archive to a path or an open file; returns offset and length of every record, in bytes."""
    if isinstance(target, str | os.PathLike):
        with open(target, "wb") as file:
            return write_warc(file, records, gzip)
    places, offset = [], 0
    for item in records:
        data = warc_bytes([item], gzip)
        target.write(data)
        places.append((offset, len(data)))
        offset += len(data)
    return places


def one_gzip_stream(records: Iterable[Record]) -> bytes:
    """An archive compressed as a whole, as `gzip FILE.warc` does: no record can be read by offset."""
    return gzip_module.compress(warc_bytes(records, gzip=False), mtime=0)


def damaged(member: bytes) -> bytes:
    """Some bytes in the middle overwritten, as a bad disk block does; the size is kept."""
    middle = len(member) // 2
    return member[:middle] + b"\xff" * min(64, len(member) - middle - 8) + member[middle + 64 :][-len(member) :]


def chunked(body: bytes, size: int = 1000) -> bytes:
    """Transfer-Encoding: chunked."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
