"""Records of archives that an index names: joined to ranges, and judged when they have come."""

import io
import zlib
from collections.abc import Iterable, Iterator

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from crawlers.framing import GZIP_MAGIC, Damage, frames
from crawlers.http import join_headers
from crawlers.index_rows import Row
from crawlers.range_settings import RangeSettings
from crawlers.soundness import require_sound
from crawlers.warc_records import read_http
from schemas.drops import Drop
from schemas.urls import absolute_url, media_key

_CAPTURES = {int(WarcRecordType.response), int(WarcRecordType.revisit), int(WarcRecordType.resource)}


class Stretch(msgspec.Struct, frozen=True):
    """Records of one archive that are asked for together."""

    archive: str
    start: int  # bytes
    end: int  # bytes
    rows: list[Row]

    def record(self, row: Row, data: bytes) -> bytes:
        """The bytes of one of them. Raises `Drop("truncated_record")` where the archive ends before."""
        found = data[row.offset - self.start : row.offset - self.start + row.length]
        if len(found) < row.length:
            raise Drop("truncated_record", f"{len(found)} of {row.length} bytes: the archive ends there")
        return found


def stretches(rows: Iterable[Row], settings: RangeSettings) -> Iterator[Stretch]:
    """Rows in the order of archive and place, joined where little lies between them."""
    held: list[Row] = []
    start = end = 0
    for row in rows:
        is_near = bool(held) and row.archive == held[0].archive and row.offset - end <= settings.max_gap_bytes
        if held and not (is_near and row.offset + row.length - start <= settings.max_range_bytes):
            yield Stretch(held[0].archive, start, end, held)
            held = []
        if not held:
            start, end = row.offset, row.offset
        held.append(row)
        end = max(end, row.offset + row.length)
    if held:
        yield Stretch(held[0].archive, start, end, held)


def checked(record: bytes, row: Row, max_bytes: int) -> bytes:
    """A record as one gzip member: as it came, if it is one.

    Raises `Drop`: wrong_record where none of this address lies there; broken_record, truncated_record, too_large,
    digest_mismatch.
    """
    frame = next(frames(io.BytesIO(record), len(record), max_bytes), None)
    if frame is None or isinstance(frame, Damage):
        detail = frame.detail if frame else "nothing"
        is_other = frame is not None and not frame.truncated and not _is_begun(record)
        raise Drop("wrong_record" if is_other else _damage(frame), f"{row.archive} at {row.offset}: {detail}")
    if not frame.whole:
        raise Drop("too_large", f"over {max_bytes} bytes when decompressed")
    found = next(ArchiveIterator(io.BytesIO(frame.data), parse_http=False, auto_decode="none", quirks_mode=True), None)
    if found is None:
        raise Drop("broken_record", f"{row.archive} at {row.offset}: no record")
    target = (found.headers.get("WARC-Target-URI") or "").strip("<> ")
    if int(found.record_type) not in _CAPTURES or not _is_same(target, row.url):
        kind = (found.headers.get("WARC-Type") or "")[:20]
        raise Drop("wrong_record", f"{row.archive} at {row.offset}: a {kind} of {target[:200]}")
    _require_digests(found, frame.data, row, max_bytes)
    is_one_member = record.startswith(GZIP_MAGIC) and not frame.packing
    return record[: frame.end] if is_one_member else _packed(frame.data)


def _is_same(target: str, url: str) -> bool:
    """Whether two addresses are one: an index may write the port, or the host or letters as they stood in a page."""
    if media_key(target) == media_key(url):
        return True
    plain = absolute_url(target)
    return bool(plain) and media_key(plain) == media_key(absolute_url(url))


def _is_begun(record: bytes) -> bool:
    return record.startswith((GZIP_MAGIC, b"WARC/", b"\x28\xb5\x2f\xfd"))


def _damage(damage: Damage | None) -> str:
    return "truncated_record" if damage is not None and damage.truncated else "broken_record"


def _require_digests(found: WarcRecord, data: bytes, row: Row, max_bytes: int) -> None:
    """Those that the record states, and that of the index, whose digest is of the payload. Raises `Drop`."""
    stated = found.headers.get("WARC-Payload-Digest") or ""
    ours, theirs = (text.rpartition(":")[2].strip().rstrip("=").upper() for text in (stated, row.digest))
    if len(ours) == len(theirs) and ours != theirs:
        raise Drop("digest_mismatch", f"{stated} in the record, {row.digest} in the index"[:200])
    length = found.content_length
    block = found.reader.read()
    if len(block) < length:
        raise Drop("truncated_record", f"{len(block)} of {length} bytes")
    found.set_bytes_content(block)
    found = read_http(found, max_bytes)
    if int(found.record_type) == int(WarcRecordType.revisit):  # its digest is that of what it does not hold
        return
    require_sound(found.headers, join_headers(found.http_headers or ()), block, found.reader.read(), max_bytes)


def _packed(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.compress(b"" if data.endswith(b"\r\n\r\n") else b"\r\n\r\n") + packer.flush()
