import gzip
import io
import random
import re
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from crawlers.archive_index import Archives
from crawlers.http import decode_body
from crawlers.warc import read_captures, read_response
from crawlers.warc_records import Capture, WarcSettings, page_of_capture
from schemas.drops import Counts, Drop, DropRow, Tally
from tests.crawlers.warcs import (
    Record,
    chunked,
    damaged,
    one_gzip_stream,
    other,
    record_bytes,
    response,
    revisit,
    warc_bytes,
)

SETTINGS = WarcSettings()
CAP = 10 << 20
ARC = (
    b"filedesc://a.arc 0.0.0.0 20010101000000 text/plain 76\n1 0 Alexa\n"
    b"URL IP-address Archive-date Content-type Archive-length\n\n"
    b"http://a.org/ 1.2.3.4 20010101000000 text/html 30\nHTTP/1.0 200 OK\r\n\r\n<html>hi\n"
)

compressed_or_not = pytest.mark.parametrize("gz", [True, False], ids=["gzip", "plain"])


def random_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def words(seed: int, count: int = 300) -> bytes:
    """Text that compresses to some kilobytes, another for every seed."""
    return random_bytes(seed, 3 * count).hex(" ", 3).encode()


def page(number: int, count: int = 300) -> Record:
    return response(f"https://example.org/{number}", b"<!doctype html><p>" + words(number, count))


def image(number: int, size: int = 3000) -> Record:
    data = (b"\xff\xd8\xff" + words(number, size))[:size]
    return response(f"https://example.org/{number}.jpg", data, content_type="image/jpeg")


def read(data: bytes, settings: WarcSettings = SETTINGS) -> tuple[list[Capture], list[DropRow], Counts]:
    rows: list[DropRow] = []
    tally = Tally(rows.append)
    captures = list(read_captures(io.BytesIO(data), "a.warc.gz", len(data), settings, tally))
    counts = tally.counts()
    assert counts.unaccounted("record") == 0
    assert counts.kept.get("record", 0) == len(captures)
    assert [capture.number for capture in captures] == sorted({capture.number for capture in captures})
    return captures, rows, counts


def numbers(captures: Iterable[Capture]) -> list[int]:
    return [int(re.sub(r"\D", "", capture.url)) for capture in captures]


def body(capture: Capture) -> bytes:
    return decode_body(
        capture.body,
        capture.headers.get("transfer-encoding", ""),
        capture.headers.get("content-encoding", ""),
        CAP,
    )


# What is read.


@compressed_or_not
def test_pages_and_images_come_in_the_order_of_the_archive(gz: bool) -> None:
    captures, rows, counts = read(warc_bytes([page(0), image(1), page(2), image(3)], gz))
    assert numbers(captures) == [0, 1, 2, 3]
    assert [capture.is_image for capture in captures] == [False, True, False, True]
    assert captures[0].body == b"<!doctype html><p>" + words(0)
    assert captures[1].body == b"", "an image is read again by offset"
    assert rows == []
    assert counts.seen == {"record": 4}


@compressed_or_not
def test_records_that_are_no_responses_are_passed_over_uncounted(gz: bool) -> None:
    records = [
        other("warcinfo", "", b"software: x\r\n", "application/warc-fields"),
        other("request", "https://example.org/0", b"GET /0 HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
        page(0),
        other("metadata", "https://example.org/0", b"fetchTimeMs: 3\r\n", "application/warc-fields"),
        other("resource", "https://example.org/r", b"<html>", "text/html"),
    ]
    captures, rows, counts = read(warc_bytes(records, gz))
    assert [(capture.url, capture.number) for capture in captures] == [("https://example.org/0", 2)]
    assert rows == []
    assert counts.seen == {"record": 1}


@pytest.mark.parametrize(
    ("head", "content_type", "kind"),
    [
        (b"<html>", "text/html", "page"),
        (b"<html>", "Text/HTML;charset=x", "page"),
        (b"<?xml", "application/xhtml+xml", "page"),
        (b"<!DOCTYPE HTML>", "", "page"),
        (b" \r\n<html>", "", "page"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", "image"),
        (b"\xff\xd8\xff\xe0", "text/html", "image"),
        (b"\xff\xd8\xff\xe0", "application/octet-stream", "image"),
        (b"\x89PNG\r\n\x1a\n", "", "image"),
        (b"GIF89a", "text/plain", "image"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "text/plain", "image"),
        (b"II*\0", "", "image"),
        (b"MM\0*", "", "image"),
        (b"BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00", "", "image"),
        (b"\0\0\0\x1cftypavif", "image/avif", "image"),
        (b"BMW builds cars. <p>", "text/html", "page"),
        (b"<svg", "image/svg+xml", "image"),
        (b"<svg width='9'>", "text/plain", "image"),
        (b"<html>", "text/plain", ""),
        (b"%PDF-1.5", "application/pdf", ""),
        (b"RIFF\x10\x00\x00\x00WAVE", "audio/wav", ""),
        (b"body {}", "text/css", ""),
        (b"", "", ""),
    ],
)
def test_pages_and_images_are_told_apart_by_content_before_header(head: bytes, content_type: str, kind: str) -> None:
    data = warc_bytes([response("https://example.org/0", head + b" and more", content_type=content_type)])
    captures, rows, _ = read(data)
    if kind:
        assert [capture.is_image for capture in captures] == [kind == "image"]
    else:
        assert rows == [DropRow("https://example.org/0", "record", "unsupported_type", content_type)]


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


def behind_interim(record: Record) -> Record:
    """A response as crawlers keep it whose server said `100 Continue` and `103 Early Hints` before it."""
    block = record_bytes(record, gzip=False).partition(b"\r\n\r\n")[2].removesuffix(b"\r\n\r\n")
    return other("response", record.url, INTERIM + block, record.media_type)


@compressed_or_not
def test_what_a_server_sends_before_its_answer_is_passed_over(gz: bool) -> None:
    missing = behind_interim(response("https://example.org/9", b"no", status=404))
    picture = record_bytes(behind_interim(image(1)), gz)
    packed = b"".join([picture, warc_bytes([behind_interim(page(0)), missing, page(2)], gz)])
    captures, rows, _ = read(packed)
    assert numbers(captures) == [1, 0, 2]
    assert captures[1].body == b"<!doctype html><p>" + words(0)
    assert captures[1].charset == "utf-8"
    assert [(row.reason, row.detail) for row in rows] == [("http_status", "404")]
    found = read_response(picture, "https://example.org/1.jpg", CAP)
    assert found.headers["content-type"] == "image/jpeg"
    assert found.body.startswith(b"\xff\xd8\xff")


def test_a_response_that_never_came_has_the_status_of_what_did() -> None:
    alone = other("response", "https://example.org/9", INTERIM, "application/http; msgtype=response")
    assert [(row.reason, row.detail) for row in read(warc_bytes([alone]))[1]] == [("http_status", "103")]


def test_an_image_in_chunks_is_told_by_its_content() -> None:
    record = response(
        "https://example.org/0",
        chunked(b"\xff\xd8\xff\xe0" + bytes(5000)),
        headers={"Transfer-Encoding": "chunked"},
        content_type="text/html",
    )
    captures, _, _ = read(warc_bytes([record]))
    assert captures[0].is_image


@pytest.mark.parametrize("encoding", ["gzip", "gzip, chunked"])
def test_a_page_is_decoded_when_it_is_asked_for(encoding: str) -> None:
    html = b"<!doctype html><p>" + words(0)
    wire = gzip.compress(html)
    headers = {"Content-Encoding": "gzip"}
    if "chunked" in encoding:
        wire = chunked(wire, 100)
        headers["Transfer-Encoding"] = "chunked"
    (capture,), _, _ = read(warc_bytes([response("https://example.org/0", wire, headers=headers)]))
    assert capture.body == wire
    found = page_of_capture(capture, 77, "w.warc.gz", SETTINGS)
    assert (found.html, found.uid, found.warc_file, found.warc_offset) == (html, 77, "w.warc.gz", 0)
    assert (found.url, found.charset, found.fetch_time) == ("https://example.org/0", "utf-8", "2026-01-02T03:04:05Z")
    assert found.warc_length == capture.length > 0


def test_a_page_that_explodes_is_too_large() -> None:
    bomb = response("https://example.org/0", gzip.compress(bytes(64 << 20)), headers={"Content-Encoding": "gzip"})
    (capture,), _, _ = read(warc_bytes([bomb]))
    with pytest.raises(Drop) as drop:
        page_of_capture(capture, 0, "", SETTINGS)
    assert drop.value.reason == "too_large"


def test_header_names_are_lower_case_and_repeated_values_joined() -> None:
    record = response("https://example.org/0", "<html>", headers=[("X-Thing", "one"), ("x-thing", "two")])
    (capture,), _, _ = read(warc_bytes([record]))
    assert capture.headers["x-thing"] == "one, two"


def test_signals_about_use_reach_the_page() -> None:
    headers = {"X-Robots-Tag": "noai", "TDM-Reservation": "1", "TDM-Policy": "https://example.org/policy"}
    (capture,), _, _ = read(warc_bytes([response("https://example.org/0", "<html>", headers=headers)]))
    found = page_of_capture(capture, 0, "", SETTINGS)
    assert found.robots_header == ("noai",)
    assert (found.tdm_header, found.tdm_policy_header) == ("1", "https://example.org/policy")


def test_a_robots_header_for_another_bot_does_not_hide_the_next_one() -> None:
    """Joined into one value, `googlebot: noindex, noai` would be addressed to googlebot whole."""
    headers = [("X-Robots-Tag", "googlebot: noindex"), ("X-Robots-Tag", "noai")]
    (capture,), _, _ = read(warc_bytes([response("https://example.org/0", "<html>", headers=headers)]))
    assert page_of_capture(capture, 0, "", SETTINGS).robots_header == ("googlebot: noindex", "noai")


@pytest.mark.parametrize(
    ("date", "utc"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T01:04:05+02:00", "2026-01-01T23:04:05Z"),
        ("yesterday", ""),
        ("2026-13-45T99:99:99Z", ""),
        ("0001-01-01T00:00:00+05:00", ""),
        ("9999-12-31T23:59:59-05:00", ""),
        ("1970-01-01T00:00:00+24:00", ""),
    ],
)
def test_dates_come_in_utc_wherever_the_build_runs(date: str, utc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        (capture,), _, _ = read(warc_bytes([response("https://example.org/0", "<html>", date=date)]))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert capture.fetch_time == utc


def test_an_address_in_angle_brackets_is_bare() -> None:
    """WARC 1.0's grammar put them there, and old writers did."""
    data = record_bytes(page(0), gzip=False).replace(b"https://example.org/0", b"<https://example.org/0>", 1)
    (capture,), _, _ = read(data)
    assert capture.url == "https://example.org/0"


# What is dropped, and why.


@compressed_or_not
@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        (revisit("https://example.org/1"), "revisit", ""),
        (response("https://example.org/1", "<html>", status=404), "http_status", "404"),
        (response("https://example.org/1", "", status=304), "http_status", "304"),
        (response("https://example.org/1", "<html>", status=206), "http_status", "206"),
        (other("response", "dns:example.org", b"20260101 example.org 1.2.3.4", "text/dns"), "not_http", ""),
        (
            response("https://example.org/1", "%PDF", content_type="application/pdf"),
            "unsupported_type",
            "application/pdf",
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Record) else str(value),
)
def test_what_is_dropped_is_counted_by_its_reason(gz: bool, record: Record, reason: str, detail: str) -> None:
    captures, rows, counts = read(warc_bytes([page(0), record, page(2)], gz))
    assert numbers(captures) == [0, 2]
    assert rows == [DropRow(record.url, "record", reason, detail)]
    assert counts.seen == {"record": 3}


def test_a_response_that_is_no_http_after_all_costs_itself() -> None:
    broken = record_bytes(page(1), gzip=False).replace(b"HTTP/1.1 200", b"\0\1\2 nothing")
    captures, rows, _ = read(warc_bytes([page(0), gzip.compress(broken), page(2)]))
    assert numbers(captures) == [0, 2]
    assert [(row.url, row.reason) for row in rows] == [("https://example.org/1", "http_status")]


@compressed_or_not
def test_pages_and_images_have_caps_of_their_own(gz: bool) -> None:
    settings = WarcSettings(max_page_bytes=2000, max_image_bytes=4000)

    def html(number: int, size: int) -> Record:
        return response(f"https://example.org/{number}", b"<!doctype html>".ljust(size))

    records = [html(0, 2000), html(1, 2001), image(2, 4000), image(3, 4001)]
    captures, rows, _ = read(warc_bytes(records, gz), settings)
    assert numbers(captures) == [0, 2]
    assert len(captures[0].body) == 2000
    assert rows == [
        DropRow("https://example.org/1", "record", "too_large", "2001 bytes, cap 2000"),
        DropRow("https://example.org/3.jpg", "record", "too_large", "4001 bytes, cap 4000"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_warc"),
        (b"hello world\n" * 100, "not_warc"),
        (gzip.compress(b"hello world\n" * 100, mtime=0), "not_warc"),
        (b"\x1f\x8b\x08 but no gzip", "not_warc"),
        (bytes(5000), "not_warc"),
    ],
    ids=["empty", "text", "text.gz", "broken gzip", "zeros"],
)
def test_a_file_without_a_record_says_what_it_is(data: bytes, reason: str) -> None:
    captures, rows, _ = read(data)
    assert captures == []
    assert (rows[-1].url, rows[-1].reason) == ("a.warc.gz", reason)


def test_an_archive_without_responses_is_a_warc_still() -> None:
    info = other("warcinfo", "", b"software: x\r\n", "application/warc-fields")
    assert read(warc_bytes([info])) == ([], [], Counts())


# Places.


@compressed_or_not
def test_every_capture_is_found_again_by_its_offset_and_length(gz: bool) -> None:
    records = [
        other("warcinfo", "", b"software: x\r\n", "application/warc-fields"),
        page(0),
        image(1),
        revisit("https://example.org/x"),
        response("https://example.org/2", chunked(gzip.compress(words(2)), 90), headers=CHUNKED_GZIP),
        image(3, 200_000),
        other("metadata", "https://example.org/3", b"fetchTimeMs: 3\r\n", "application/warc-fields"),
    ]
    data = warc_bytes(records, gz)
    captures, _, _ = read(data)
    assert numbers(captures) == [0, 1, 2, 3]
    sizes = [len(record_bytes(record, gz)) for record in records]
    assert [capture.length for capture in captures] == [sizes[i] for i in (1, 2, 4, 5)]
    assert [capture.offset for capture in captures] == [sum(sizes[:i]) for i in (1, 2, 4, 5)]
    expected = [records[1].payload, records[2].payload, words(2), records[5].payload]
    for capture, wanted in zip(captures, expected, strict=True):
        headers, found, *_ = read_response(data[capture.offset :][: capture.length], capture.url, CAP)
        assert found == wanted
        assert headers == capture.headers
        if not capture.is_image:
            assert body(capture) == wanted


CHUNKED_GZIP = {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}


@pytest.mark.parametrize("size", [3000, 200_000])
@pytest.mark.parametrize("with_info", [True, False])
def test_captures_of_one_single_gzip_stream_have_no_length(size: int, with_info: bool) -> None:
    """They can be read in passing but not found again: a length of 0 says so."""
    info = other("warcinfo", "", b"software: x\r\n", "application/warc-fields")
    images = [
        response(f"https://example.org/{i}", b"\xff\xd8\xff" + random_bytes(i, size), content_type="image/jpeg")
        for i in range(4)
    ]
    captures, rows, _ = read(one_gzip_stream([info, *images] if with_info else images))
    assert numbers(captures) == [0, 1, 2, 3]
    assert rows == []
    assert [capture.length for capture in captures] == [0, 0, 0, 0]


def test_a_response_is_read_from_its_bytes_alone() -> None:
    record = image(1)
    for gz in (True, False):
        headers, found, *_ = read_response(record_bytes(record, gz), record.url, CAP)
        assert found == record.payload
        assert headers == {"content-type": "image/jpeg"}


SMALL = WarcSettings(max_page_bytes=2000, max_image_bytes=4000)


def test_one_single_gzip_stream_may_be_larger_than_any_cap() -> None:
    records = [image(number, 3000) for number in range(150)]
    captures, rows, _ = read(one_gzip_stream(records), SMALL)
    assert numbers(captures) == list(range(150))
    assert rows == []
    assert {capture.length for capture in captures} == {0}


@compressed_or_not
def test_a_record_far_over_the_cap_is_too_large_and_costs_only_itself(gz: bool) -> None:
    records = [image(0, 3000), image(1, 300_000), image(2, 3000), page(3, 200_000), page(4, 100)]
    captures, rows, _ = read(warc_bytes(records, gz), SMALL)
    assert numbers(captures) == [0, 2, 4]
    assert all(capture.length for capture in captures)
    assert [(row.url, row.reason) for row in rows] == [
        ("https://example.org/1.jpg", "too_large"),
        ("https://example.org/3", "too_large"),
    ]


def test_another_record_at_that_place_is_not_given_for_it() -> None:
    with pytest.raises(Drop) as drop:
        read_response(record_bytes(image(1)), "https://example.org/2.jpg", CAP)
    assert (drop.value.reason, drop.value.detail) == ("not_seekable", "https://example.org/1.jpg lies there")


def test_a_response_is_found_whatever_the_scheme_and_fragment_asked_for() -> None:
    assert read_response(record_bytes(image(1)), "http://example.org/1.jpg#x", CAP)[1] == image(1).payload


@compressed_or_not
def test_a_response_cut_short_is_a_truncated_record(gz: bool) -> None:
    data = record_bytes(image(1), gz)
    with pytest.raises(Drop) as drop:
        read_response(data[: len(data) * 2 // 3], image(1).url, CAP)
    assert drop.value.reason == "truncated_record"


@pytest.mark.parametrize("data", [b"", b"nothing of the kind", gzip.compress(b"nothing of the kind", mtime=0)])
def test_bytes_that_are_no_record_are_a_broken_record(data: bytes) -> None:
    with pytest.raises(Drop) as drop:
        read_response(data, "https://example.org/1", CAP)
    assert drop.value.reason == "broken_record"
    assert drop.value.detail


def test_a_damaged_response_is_a_broken_record() -> None:
    data = bytearray(record_bytes(image(1)))
    data[12:400] = b"\xff" * 388
    with pytest.raises(Drop) as drop:
        read_response(bytes(data), image(1).url, CAP)
    assert drop.value.reason == "broken_record"


def test_a_response_over_the_cap_is_too_large() -> None:
    record = image(1, 3000)
    assert read_response(record_bytes(record), record.url, 3000)[1] == record.payload
    with pytest.raises(Drop) as drop:
        read_response(record_bytes(record), record.url, 2999)
    assert drop.value.reason == "too_large"


@pytest.mark.parametrize("size", [1000, 2990])
def test_a_chunked_response_over_the_cap_is_never_given_cut(size: int) -> None:
    """Chunk framing counts on the wire: the body must be whole or refused, never short."""
    whole = image(1, size).payload
    record = response("https://example.org/1", chunked(whole, 10), headers={"Transfer-Encoding": "chunked"})
    try:
        _, found, *_ = read_response(record_bytes(record), record.url, 3000)
    except Drop as drop:
        assert drop.reason == "too_large"  # noqa: PT017 - either outcome is sound
    else:
        assert found == whole


# Damage.


@pytest.mark.parametrize("position", [0, 3, 5], ids=["first", "middle", "last"])
@pytest.mark.parametrize("at", [0, 4, 12, 200, "middle"])
def test_a_damaged_gzip_member_costs_only_itself_and_is_counted_once(position: int, at: int | str) -> None:
    members = [record_bytes(page(i)) for i in range(6)]
    member = members[position]
    if at == "middle":
        members[position] = damaged(member)
    else:
        start = int(at)
        members[position] = member[:start] + b"\xff" * 64 + member[start + 64 :]
    assert len(members[position]) == len(member)
    captures, rows, _ = read(b"".join(members))
    assert numbers(captures) == [i for i in range(6) if i != position]
    assert all(
        body(capture) == b"<!doctype html><p>" + words(number)
        for capture, number in zip(captures, numbers(captures), strict=True)
    )
    assert [row.reason for row in rows] == ["broken_record"]
    assert rows[0].url == "a.warc.gz"
    assert re.match(r"(after|before) byte \d+: .", rows[0].detail)


@pytest.mark.parametrize("from_end", range(1, 25))
def test_damage_where_a_gzip_member_ends_does_not_end_the_archive(from_end: int) -> None:
    """The content may be whole by then; the record's end mark, the checksum or the size is not."""
    members = [record_bytes(page(i, 60)) for i in range(5)]
    for value in (0, 0xFF):
        member = bytearray(members[2])
        member[-from_end] = value
        captures, rows, _ = read(b"".join([*members[:2], bytes(member), *members[3:]]))
        assert [number for number in numbers(captures) if number != 2] == [0, 1, 3, 4]
        assert len(rows) <= 1


def test_captures_around_damage_are_found_again_by_their_place() -> None:
    members = [record_bytes(page(i)) for i in range(4)]
    members[1] = damaged(members[1])
    data = b"".join(members)
    captures, _, _ = read(data)
    for capture in captures:
        assert read_response(data[capture.offset :][: capture.length], capture.url, CAP)[1] == capture.body


@pytest.mark.parametrize("junk", [b"garbage\r\n" * 20, bytes(1000), b"\xff" * 1000, b"\x1f\x8b\x08 no gzip" * 9])
def test_junk_between_gzip_members_costs_no_record(junk: bytes) -> None:
    members = [record_bytes(page(i)) for i in range(4)]
    captures, rows, _ = read(b"".join([*members[:2], junk, *members[2:]]))
    assert numbers(captures) == [0, 1, 2, 3]
    assert {row.reason for row in rows} <= {"broken_record"}


@pytest.mark.parametrize("junk", [b"garbage\r\n" * 20, bytes(1000), b"\xff" * 1000, b"\r\n" * 50])
def test_junk_between_plain_records_costs_no_record(junk: bytes) -> None:
    members = [record_bytes(page(i), gzip=False) for i in range(4)]
    captures, rows, _ = read(b"".join([*members[:2], junk, *members[2:]]))
    assert numbers(captures) == [0, 1, 2, 3]
    assert {row.reason for row in rows} <= {"broken_record"}


@pytest.mark.parametrize("junk", [b"garbage\r\n" * 20, bytes(1000), b"\xff" * 1000])
@compressed_or_not
def test_junk_before_the_first_record_costs_no_record(gz: bool, junk: bytes) -> None:
    captures, _, _ = read(junk + warc_bytes([page(i) for i in range(3)], gz))
    assert numbers(captures) == [0, 1, 2]


@compressed_or_not
def test_a_file_cut_in_the_middle_of_a_record_has_a_truncated_record(gz: bool) -> None:
    data = warc_bytes([page(i) for i in range(3)], gz)
    captures, rows, _ = read(data[:-600])
    assert numbers(captures) == [0, 1]
    assert [(row.url, row.reason) for row in rows] == [("https://example.org/2", "truncated_record")]
    assert re.fullmatch(r"after byte \d+: cut off .*\d+ bytes.*", rows[0].detail)


@compressed_or_not
def test_a_record_cut_short_and_written_on_after_costs_only_itself(gz: bool) -> None:
    """What a crawler leaves that was killed and appended to its file when it was started again."""
    members = [record_bytes(page(i), gz) for i in range(5)]
    members[2] = members[2][: len(members[2]) // 2]
    captures, rows, _ = read(b"".join(members))
    assert numbers(captures) == [0, 1, 3, 4]
    assert len(rows) == 1
    assert rows[0].reason in ("broken_record", "truncated_record")


def with_length(record: Record, change: int) -> bytes:
    """A plain record whose stated length is wrong by `change` bytes."""

    def changed(match: re.Match[bytes]) -> bytes:
        return b"%s%d%s" % (match[1], int(match[2]) + change, match[3])

    data = record_bytes(record, gzip=False)
    wrong = re.sub(rb"(\r\nContent-Length: )(\d+)(\r\n\r\nHTTP)", changed, data, count=1)
    assert wrong != data
    return wrong


@pytest.mark.parametrize("change", [-100, -1, 1, 2, 10, 500, 3000, 10**7, 10**12])
def test_a_wrong_length_in_a_plain_archive_costs_at_most_its_own_record(change: int) -> None:
    records: list[Record | bytes] = [page(i) for i in range(6)]
    records[2] = with_length(page(2), change)
    captures, _, _ = read(warc_bytes(records, gzip=False))
    others = {capture.url: capture.body for capture in captures}
    others.pop("https://example.org/2", None)
    assert others == {f"https://example.org/{i}": b"<!doctype html><p>" + words(i) for i in (0, 1, 3, 4, 5)}


@pytest.mark.parametrize("change", [10, 500, 10**7])
def test_a_wrong_length_in_a_gzip_member_costs_at_most_its_own_record(change: int) -> None:
    members = [record_bytes(page(i)) for i in range(6)]
    members[2] = gzip.compress(with_length(page(2), change), mtime=0)
    captures, rows, _ = read(b"".join(members))
    assert numbers(captures) == [0, 1, 3, 4, 5]
    assert [row.reason for row in rows] == ["truncated_record"]
    assert all(capture.body == b"<!doctype html><p>" + words(int(capture.url[-1])) for capture in captures)


@compressed_or_not
def test_two_damages_with_a_sound_record_between_are_counted_apart(gz: bool) -> None:
    members = [record_bytes(page(i), gz) for i in range(4)]
    captures, rows, _ = read(b"".join([members[0], bytes(500), members[1], bytes(500), members[2], members[3]]))
    assert numbers(captures) == [0, 1, 2, 3]
    assert [row.reason for row in rows] == ["broken_record", "broken_record"]


@pytest.mark.parametrize("change", [500, 10**7])
def test_a_length_that_swallows_other_records_is_not_believed(change: int) -> None:
    records: list[Record | bytes] = [page(0), with_length(page(1), change), page(2), page(3)]
    captures, rows, _ = read(warc_bytes(records, gzip=False))
    assert all(b"WARC/1." not in capture.body for capture in captures)
    assert [row.reason for row in rows] in (["truncated_record"], ["broken_record"])


@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=40), st.booleans())
@example(0, b"\0", True)
@example(0, b"\0", False)
def test_no_damage_stops_the_reading_or_touches_another_record(at: int, junk: bytes, gz: bool) -> None:
    members = [record_bytes(page(i, 60), gz) for i in range(5)]
    data = b"".join(members)
    at %= len(data)
    hit = data[:at] + junk + data[at + len(junk) :]
    captures, _, _ = read(hit)
    start = 0
    found = {capture.url: capture.body for capture in captures}
    for number, member in enumerate(members):
        untouched = start + len(member) <= at or at + len(junk) <= start
        start += len(member)
        if untouched:
            assert found.get(f"https://example.org/{number}") == b"<!doctype html><p>" + words(number, 60)


class Failing(io.BytesIO):
    """A file that fails from some place on, as a lost connection does."""

    def __init__(self, data: bytes, at: int, error: Exception) -> None:
        super().__init__(data)
        self._at, self._error = at, error

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() + (size or 0) > self._at:
            raise self._error
        return super().read(size)


@compressed_or_not
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), TimeoutError("slow"), RuntimeError("client")])
def test_a_file_that_fails_is_not_taken_for_a_damaged_archive(gz: bool, share: float, error: Exception) -> None:
    data = warc_bytes([page(i, 3000) for i in range(20)], gz)
    tally = Tally()
    with pytest.raises(OSError, match=str(error.args[-1])) as caught:
        list(read_captures(Failing(data, int(len(data) * share), error), "a", len(data), SETTINGS, tally))
    assert error in (caught.value, caught.value.__cause__), "a client's own kind of error becomes an OSError"
    assert tally.counts().drops == {}


class FailingLater(io.BytesIO):
    """A file that fails once so many bytes were read of it."""

    def __init__(self, data: bytes, limit: int) -> None:
        super().__init__(data)
        self._left = limit

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise OSError("lost connection")
        return data


@pytest.mark.parametrize("share", [0.5, 1.2, 1.7])
def test_a_file_that_fails_while_one_gzip_stream_is_read_is_not_taken_for_damaged(share: float) -> None:
    """Such an archive is gone through more than once, and each time the file may fail."""
    images = [
        response(f"https://example.org/{i}", b"\xff\xd8\xff" + random_bytes(i, 3000), content_type="image/jpeg")
        for i in range(400)
    ]
    data = one_gzip_stream(images)
    tally = Tally()
    with pytest.raises(OSError, match="lost connection"):
        list(read_captures(FailingLater(data, int(len(data) * share)), "a", len(data), SMALL, tally))
    assert tally.counts().drops == {}


def test_one_record_read_again_gives_the_page_that_the_archive_gave(tmp_path: Path) -> None:
    """With what weft's crawler noted beside the response: the site's tdmrep.json."""
    headers = [("Content-Type", "text/html; charset=latin-1"), ("X-Robots-Tag", "noarchive"), ("tdm-policy", "/p")]
    noted = {"WARC-TDM-Reservation": "1", "WARC-TDM-Policy": "https://a.example/q", "WARC-Date": "2026-03-01T10:00:00Z"}
    path = tmp_path / "a.warc.gz"
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        http = StatusAndHeaders("200 OK", headers, protocol="HTTP/1.1")
        body = io.BytesIO(b"<p>text")
        writer.write_record(
            writer.create_warc_record(
                "https://a.example/", "response", body, http_headers=http, warc_headers_dict=noted
            )
        )
    data = path.read_bytes()
    (capture,) = read_captures(io.BytesIO(data), "a", len(data), WarcSettings(), Tally())
    read = page_of_capture(capture, 0, str(path), WarcSettings())
    again = Archives([str(path)]).page("https://a.example/", str(path), capture.offset, capture.length)
    assert again == read
    assert (again.tdm_header, again.tdm_policy_header, again.fetch_time) == ("1", "/p", "2026-03-01T10:00:00Z")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ((b"Content-Length: 1", b"Content-Length: 0"), "its Content-Length leads to b'"),
        ((b"WARC-Target-URI: https://example.org/0\r\n", b""), "a response without WARC-Target-URI"),
    ],
)
def test_a_record_with_a_wrong_length_or_of_no_address_costs_itself(change: tuple[bytes, bytes], detail: str) -> None:
    first, second = (response(f"https://example.org/{n}", "<html>" + "words " * 20) for n in range(2))
    wrong = record_bytes(first, gzip=False)
    assert change[0] in wrong
    packed = gzip.compress(wrong.replace(*change, 1))
    captures, rows, _ = read(packed + record_bytes(second))
    assert [capture.url for capture in captures] == ["https://example.org/1"]
    assert [row.reason for row in rows] == ["broken_record"]
    assert detail in rows[0].detail
