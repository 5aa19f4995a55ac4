"""Digests and marks of bodies cut short."""

import base64
import gzip
import hashlib
import io
from collections.abc import Callable

import pytest

from crawlers.warc import read_captures, read_response
from crawlers.warc_records import WarcSettings
from schemas.drops import Drop, DropRow, Tally
from tests.crawlers.warcs import Record, chunked, one_gzip_stream, other, record_bytes, response, warc_bytes

HTML = b"<!doctype html>" + b"words of a page " * 40
JPEG = b"\xff\xd8\xff" + b"picture " * 40


def read(data: bytes, settings: WarcSettings = WarcSettings()) -> tuple[list[str], list[DropRow]]:
    rows: list[DropRow] = []
    captures = read_captures(io.BytesIO(data), "a.warc.gz", len(data), settings, Tally(rows.append))
    return [capture.url for capture in captures], rows


def with_digest(name: str, value: str, body: bytes = HTML, **headers: str) -> bytes:
    """A plain page whose record states this digest, and no other."""
    content_type = "image/jpeg" if body.startswith(JPEG[:3]) else "text/html"
    data = record_bytes(response("https://example.org/1", body, headers=headers, content_type=content_type), gzip=False)
    lines = [line for line in data.split(b"\r\n") if not line.startswith((b"WARC-Block-D", b"WARC-Payload-D"))]
    return b"\r\n".join([lines[0], f"{name}: {value}".encode(), *lines[1:]])


def block_of(data: bytes) -> bytes:
    return data[data.index(b"\r\n\r\n") + 4 : -4]


FORMS = {
    "base32": lambda digest: base64.b32encode(digest).decode(),
    "base32 in lower case, without padding": lambda digest: base64.b32encode(digest).decode().lower().rstrip("="),
    "hex": lambda digest: digest.hex(),
    "HEX": lambda digest: digest.hex().upper(),
    "base64": lambda digest: base64.b64encode(digest).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("label", ["sha1", "SHA-1", "sha256", "md5", "sha512"])
@pytest.mark.parametrize("name", ["WARC-Block-Digest", "WARC-Payload-Digest"])
def test_a_digest_is_verified_in_whatever_form_it_is_written(
    name: str, label: str, form: Callable[[bytes], str]
) -> None:
    data = with_digest(name, "x")
    digested = block_of(data) if "Block" in name else HTML
    algorithm = label.lower().replace("-", "")
    good = with_digest(name, f"{label}:{form(hashlib.new(algorithm, digested).digest())}")
    assert read(good) == (["https://example.org/1"], [])
    bad = with_digest(name, f"{label}:{form(hashlib.new(algorithm, digested + b'!').digest())}")
    (urls, (row,)) = read(bad)
    assert (urls, row.url, row.reason) == ([], "https://example.org/1", "digest_mismatch")
    assert row.detail.startswith(f"{name} {label}:")
    assert read(bad, WarcSettings(verify_digests=False)) == (["https://example.org/1"], [])


@pytest.mark.parametrize(
    "value", ["", "sha1", "sha1:", "blake9:abcd", "sha1:ABCD", "sha1:" + "!" * 32, "sha1:" + "é" * 40, "none", ":::"]
)
@pytest.mark.parametrize("name", ["WARC-Block-Digest", "WARC-Payload-Digest"])
def test_what_is_no_digest_that_we_know_is_ignored(name: str, value: str) -> None:
    assert read(with_digest(name, value)) == (["https://example.org/1"], [])


@pytest.mark.parametrize("reading", ["as sent", "without chunks", "decoded"])
def test_the_payload_may_be_read_in_every_way_that_crawlers_do(reading: str) -> None:
    packed = gzip.compress(HTML)
    sent = chunked(packed, 100)
    digested = {"as sent": sent, "without chunks": packed, "decoded": HTML}[reading]
    digest = "sha1:" + hashlib.sha1(digested).hexdigest()
    headers = {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}
    assert read(with_digest("WARC-Payload-Digest", digest, sent, **headers)) == (["https://example.org/1"], [])


def test_a_flip_that_no_checksum_of_a_plain_archive_would_show_is_seen() -> None:
    data = record_bytes(response("https://example.org/1", HTML), gzip=False)
    assert b"Digest" in data
    urls, rows = read(data.replace(b"words", b"Words", 1))
    assert (urls, [row.reason for row in rows]) == ([], ["digest_mismatch"])


def test_an_image_is_verified_when_it_is_read() -> None:
    data = record_bytes(response("https://example.org/1", JPEG, content_type="image/jpeg"), gzip=False)
    hit = data.replace(b"picture", b"Picture", 1)
    assert read_response(data, "https://example.org/1", 1 << 20)[1] == JPEG
    with pytest.raises(Drop, match="digest_mismatch"):
        read_response(hit, "https://example.org/1", 1 << 20)
    assert read_response(hit, "https://example.org/1", 1 << 20, verify_digests=False)[1] != JPEG


def test_records_that_share_a_stream_are_verified_by_their_payload() -> None:
    records = [response(f"https://example.org/{n}", HTML + b"%d" % n) for n in range(3)]
    assert len(read(one_gzip_stream(records))[0]) == 3
    plain = warc_bytes(records, gzip=False).replace(b"words of a page 1", b"words of a Page 1")
    urls, rows = read(gzip.compress(plain, mtime=0))
    assert (urls, [row.reason for row in rows]) == (
        ["https://example.org/0", "https://example.org/2"],
        ["digest_mismatch"],
    )


# Bodies cut short.


def cut(record: Record, why: str, field: str = "WARC-Truncated") -> Record:
    return Record(**{**record.__dict__, "warc_headers": ((field, why),)})


@pytest.mark.parametrize("why", ["length", "time", "disconnect", "unspecified"])
def test_what_the_archive_calls_truncated_is_dropped(why: str) -> None:
    records = [response(f"https://example.org/{n}", HTML) for n in range(3)]
    urls, rows = read(warc_bytes([records[0], cut(records[1], why), records[2]]))
    assert urls == ["https://example.org/0", "https://example.org/2"]
    assert rows == [DropRow("https://example.org/1", "record", "truncated_body", f"WARC-Truncated: {why}")]


def test_the_first_segment_of_a_record_is_no_page() -> None:
    """What is missing lies in records of the type `continuation`, far away perhaps."""
    rest = cut(
        other("continuation", "https://example.org/0", b"</html>", "application/http"), "2", "WARC-Segment-Number"
    )
    urls, rows = read(warc_bytes([cut(response("https://example.org/0", HTML), "1", "WARC-Segment-Number"), rest]))
    assert urls == []
    assert [(row.reason, row.detail) for row in rows] == [("truncated_body", "WARC-Segment-Number: 1")]


@pytest.mark.parametrize(
    ("length", "encoding", "is_whole"),
    [
        (len(HTML), "", True),
        (len(HTML) + 1, "", False),
        (9 * len(HTML), "identity", False),
        (10**30, "", False),
        (len(HTML) - 1, "", True),  # browsers would cut it; crawlers that undid an encoding leave such headers
        (9 * len(HTML), "gzip", True),  # the crawler decoded it: the length is of something else
        (-5, "", True),
        ("many", "", True),
        ("٣٣٣٣٣٣", "", True),
        ("5, 5", "", True),
        ("", "", True),
    ],
)
def test_a_body_shorter_than_its_content_length_is_cut(length: object, encoding: str, is_whole: bool) -> None:
    headers = {"Content-Length": str(length), **({"Content-Encoding": encoding} if encoding else {})}
    record = response("https://example.org/1", HTML, headers=headers)
    urls, rows = read(warc_bytes([record]))
    assert [row.reason for row in rows] == ([] if is_whole else ["truncated_body"])
    assert bool(urls) is is_whole


def test_a_cut_image_is_not_taken_for_captured() -> None:
    """Another capture of it may be whole."""
    record = response("https://example.org/1", JPEG, headers={"Content-Length": "9999"}, content_type="image/jpeg")
    assert [row.reason for row in read(warc_bytes([record]))[1]] == ["truncated_body"]
    with pytest.raises(Drop, match="truncated_body"):
        read_response(record_bytes(record), record.url, 1 << 20)


# What is no archive of responses.


@pytest.mark.parametrize("kind", ["conversion", "metadata"])
def test_extracts_of_archives_say_what_they_are(kind: str) -> None:
    info = other("warcinfo", "", b"software: x\r\n", "application/warc-fields")
    records = [other(kind, f"https://example.org/{n}", b"only its text", "text/plain") for n in range(5)]
    urls, (row,) = read(warc_bytes([info, *records]))
    assert (urls, row.url, row.reason) == ([], "a.warc.gz", "no_responses")
    assert "WET, WAT" in row.detail
    assert read(warc_bytes([*records, response("https://example.org/9", HTML)])) == (["https://example.org/9"], [])
