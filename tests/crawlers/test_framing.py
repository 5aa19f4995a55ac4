import gzip
import io
import tracemalloc
import zlib

import pytest

from crawlers.framing import Damage, Frame, frames, record_length
from tests.crawlers.warcs import Record, record_bytes, response, warc_bytes

CAP = 1 << 20
MIB = 1 << 20

compressed_or_not = pytest.mark.parametrize("gz", [True, False], ids=["gzip", "plain"])


def page(number: int, size: int = 500) -> Record:
    return response(f"https://example.org/{number}", b"<html>" + b"%d " % number * (size // 2))


def read(data: bytes, cap: int = CAP) -> list[Frame | Damage]:
    return list(frames(io.BytesIO(data), len(data), cap))


def sound(data: bytes, cap: int = CAP) -> list[Frame]:
    found = read(data, cap)
    assert all(isinstance(frame, Frame) for frame in found)
    return [frame for frame in found if isinstance(frame, Frame)]


@compressed_or_not
def test_frames_lie_end_to_end_and_hold_their_records(gz: bool) -> None:
    members = [record_bytes(page(i), gz) for i in range(4)]
    found = sound(b"".join(members))
    assert [frame.offset for frame in found] == [sum(map(len, members[:i])) for i in range(4)]
    assert [frame.end - frame.offset for frame in found] == [len(member) for member in members]
    plain = [record_bytes(page(i), gzip=False) for i in range(4)]
    assert all(record.startswith(frame.data) for record, frame in zip(plain, found, strict=True))
    assert all(len(frame.data) >= record_length(frame.data) for frame in found)
    assert all(frame.whole for frame in found)


def test_a_record_spread_over_gzip_members_is_one_frame() -> None:
    plain = record_bytes(page(1), gzip=False)
    header = plain.index(b"\r\n\r\n") + 4
    parts = (plain[:header], plain[header : header + 99], plain[header + 99 :])
    spread = b"".join(gzip.compress(part, mtime=0) for part in parts)
    (first, second) = sound(spread + record_bytes(page(2)))
    assert (first.offset, first.end, first.data) == (0, len(spread), plain)
    assert second.offset == len(spread)


@compressed_or_not
def test_a_record_over_the_cap_is_cut_and_says_so(gz: bool) -> None:
    large, small = record_bytes(page(1, 5000), gz), record_bytes(page(2), gz)
    first, second = sound(large + small, cap=2000)
    assert (len(first.data), first.whole, first.end) == (2000, False, len(large))
    assert second.whole


def test_a_bomb_of_a_member_takes_little_memory() -> None:
    stream = zlib.compressobj(wbits=31)
    bomb = stream.compress(b"WARC/1.1\r\n") + b"".join(stream.compress(bytes(MIB)) for _ in range(64)) + stream.flush()
    data = bomb + record_bytes(page(1))
    tracemalloc.start()
    try:
        first, second = sound(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(first.data), first.whole) == (CAP, False)
    assert second.offset == len(bomb)
    assert peak < 12 * MIB


@compressed_or_not
@pytest.mark.parametrize("junk", [b"junk" * 500, bytes(2000), b"\x1f\x8b\x08" * 500, b"WARC/1.1\r\n\r\n" * 200])
def test_damage_is_told_once_however_long_it_is(gz: bool, junk: bytes) -> None:
    before, behind = record_bytes(page(0), gz), record_bytes(page(1), gz)
    found = read(before + junk + behind)
    damage = [frame for frame in found if isinstance(frame, Damage)]
    whole = [frame for frame in found if isinstance(frame, Frame) and frame.data.startswith(b"WARC/1.1\r\nWARC-")]
    assert len(damage) == 1
    assert damage[0].detail
    assert whole[-1].offset == len(before) + len(junk)


@pytest.mark.parametrize("shift", range(-9, 3))
@compressed_or_not
def test_a_record_is_found_where_two_blocks_meet(gz: bool, shift: int) -> None:
    """The search reads block by block, and the mark of a record may lie across their seam."""
    junk = b"x" * (MIB + shift)
    found = read(junk + record_bytes(page(1), gz))
    assert [frame.offset for frame in found if isinstance(frame, Frame)] == [len(junk)]


@compressed_or_not
def test_a_record_over_many_blocks_is_whole(gz: bool) -> None:
    record = page(1, 3 * MIB)
    first, second = sound(warc_bytes([record, page(2)], gz), cap=8 * MIB)
    assert first.whole
    assert record.payload in first.data
    assert second.end == len(warc_bytes([record, page(2)], gz))


def test_a_page_about_web_archives_is_not_cut_where_it_quotes_one() -> None:
    quoted = record_bytes(page(9), gzip=False)
    record = response("https://example.org/1", b"<html><pre>\r\n\r\n" + quoted)
    for gz in (True, False):
        found = sound(warc_bytes([record, page(2)], gz))
        assert len(found) == 2
        assert quoted in found[0].data


@compressed_or_not
def test_a_record_cut_off_by_the_end_is_truncated_and_shows_what_there_is(gz: bool) -> None:
    whole = record_bytes(page(1, 4000), gz)
    (found,) = read(whole[: len(whole) * 3 // 4])
    assert isinstance(found, Damage)
    assert found.truncated
    assert b"WARC-Target-URI: https://example.org/1\r\n" in found.data
    assert found.detail.startswith("cut off")


def test_a_checksum_that_does_not_match_is_damage() -> None:
    member = bytearray(record_bytes(page(1)))
    member[-6] ^= 1
    first, second = read(bytes(member) + record_bytes(page(2)))
    assert isinstance(first, Damage)
    assert first.detail.startswith("gzip: ")
    assert isinstance(second, Frame)


def test_lines_may_end_without_a_carriage_return() -> None:
    """Archives made by hand on Unix do."""
    record = b"WARC/1.0\nWARC-Type: metadata\nContent-Length: 5\n\nhello\n\n"
    first, second = sound(record + record)
    assert (first.offset, first.end, second.end) == (0, len(record), 2 * len(record))


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"WARC/1.0\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n", 36),
        (b"WARC/1.0\r\ncontent-length:5 \r\n\r\nhello", 36),
        (b"WARC/1.0\nContent-Length: 5\n\nhello", 33),
        (b"WARC/1.0\r\nContent-Length: 0\r\n\r\n", 31),
        (b"WARC/1.0\r\nContent-Length: -5\r\n\r\n", 0),
        (b"WARC/1.0\r\nContent-Length: five\r\n\r\n", 0),
        (b"WARC/1.0\r\nContent-Length: 9999999999999999\r\n\r\n", 0),
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\nContent-Length: 5\r\n\r\n", 0),
        (b"WARC/1.0\r\nContent-Length: 5\r\n", 0),
        (b"", 0),
    ],
)
def test_the_length_of_a_record_is_by_its_own_header(data: bytes, length: int) -> None:
    assert record_length(data) == length


def test_nothing_has_no_frames() -> None:
    assert read(b"") == []
