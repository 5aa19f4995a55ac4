"""Archives that were made, or hit, to cost time or to hide records: work in proportion, and nothing sound is lost."""

import gzip
import io
import random
import time
from collections.abc import Callable

import pytest
import zstandard

from crawlers.framing import Damage, Frame, frames
from crawlers.warc import read_captures, read_response
from crawlers.warc_records import Capture, WarcSettings
from schemas.drops import Drop, DropRow, Tally
from tests.crawlers.warcs import arc_bytes, record_bytes, response, warc_bytes, zst_bytes

PACKED = gzip.compress(b"WARC/1.0\r\nContent-Length: 100000\r\n\r\n" + bytes(range(256)) * 40, mtime=0)
#: A gzip header and a stored block that ends where that of the third repetition begins, and so on to the end.
CHAIN = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\0" + (3 * 21 - 5).to_bytes(2, "little") + b"\xc5\xffWARC/x"
ADVERSARIES = {
    "WARC/1.": b"WARC/1.",
    "version lines": b"WARC/1.0\r\n",
    "headers of a near end": b"WARC/1.0\r\nContent-Length: 9999\r\n\r\n",
    "headers of a far end": b"WARC/1.0\r\nContent-Length: 30000\r\n\r\n",
    "lengths without a header": b"Content-Length: 3\r\n",
    "a header without end": b"WARC/1.0\r\nContent-Length: 3\r\nX: " + b"y" * 500,
    "gzip magics": b"\x1f\x8b\x08",
    "gzip names": b"\x1f\x8b\x08\x08abcdefg",
    "gzip extra fields": b"\x1f\x8b\x08\x04\0\0\0\0\0\0\xff\xff",
    "half gzip headers": PACKED[:6],
    "half gzip members": PACKED[:60],
    "gzip members in each other": CHAIN,
    "zstd magics": b"\x28\xb5\x2f\xfd",
    "zstd frames in each other": b"\x28\xb5\x2f\xfd\0\x58" + b"\x28\0\0" * 3,
    "zstd frames of nothing": b"\x28\xb5\x2f\xfd\x20\0" + bytes(15),
    "lines of ARC": b"http://a.org/ 1.2.3.4 20010101000000 text/html 30000\n",
    "all of them": b"\x1f\x8b\x08WARC/1.0\r\n\r\n\x28\xb5\x2f\xfdWARC/1.",
}


def cpu_seconds(work: Callable[..., object], *arguments: object) -> float:
    began = time.process_time()
    work(*arguments)
    return time.process_time() - began


class Counting(io.BytesIO):
    """Counts the bytes that are read of it."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.total += len(data)
        return data


@pytest.mark.parametrize("unit", ADVERSARIES.values(), ids=list(ADVERSARIES))
@pytest.mark.parametrize("is_arc", [False, True], ids=["warc", "arc"])
def test_no_bytes_cost_more_than_in_proportion(unit: bytes, is_arc: bool) -> None:
    head, sound = (b"filedesc:\n" if is_arc else b""), record_bytes(response("https://example.org/1", "<html>"))

    def found(size: int) -> Counting:
        file = Counting(head + (unit * (size // len(unit) + 1))[:size] + sound)
        last = [frame for frame in frames(file, len(file.getvalue()), 1 << 20) if isinstance(frame, Frame)]
        assert last
        return file

    small, large = 30_000, 120_000
    cpu_seconds(found, small)
    assert cpu_seconds(found, large) < 10 * cpu_seconds(found, small) + 0.3
    assert found(large).total < 50 * large


def test_nested_members_stop_costing_when_they_have_cost_enough() -> None:
    """Each would be read to the end of the file; the record behind them is found."""
    sound = record_bytes(response("https://example.org/1", "<html>"))
    data = CHAIN * 60_000 + sound
    found: list[Frame | Damage] = []
    assert cpu_seconds(lambda: found.extend(frames(io.BytesIO(data), len(data), 1 << 20))) < 30
    assert [frame.offset for frame in found if isinstance(frame, Frame)] == [len(data) - len(sound)]


def test_a_record_in_very_many_members_takes_time_in_proportion() -> None:
    def read(count: int) -> None:
        plain = record_bytes(response("https://example.org/1", b"x" * count), gzip=False)
        head = plain.index(b"\r\n\r\n") + 4
        parts = [plain[:head], *(plain[at : at + 1] for at in range(head, len(plain) - 5)), plain[-5:]]
        whole = b"".join(gzip.compress(part, mtime=0) for part in parts)
        (frame,) = frames(io.BytesIO(whole), len(whole), 1 << 20)
        assert isinstance(frame, Frame)

    cpu_seconds(read, 3000)
    assert cpu_seconds(read, 12_000) < 10 * cpu_seconds(read, 3000) + 0.3


@pytest.mark.parametrize("length", ["-5", "99999999999999999999", "", "5, 6", "0x10", "1e3"])
def test_a_length_that_is_none_costs_only_its_record(length: str) -> None:
    records = [record_bytes(response(f"https://example.org/{n}", "<html>"), gzip=False) for n in range(3)]
    before, _, after = records[1].rpartition(b"Content-Length: ")
    records[1] = before + b"Content-Length: " + length.encode() + after[after.index(b"\r\n") :]
    captures, rows = read(b"".join(records))
    assert [capture.url[-1] for capture in captures] == ["0", "2"]
    assert [row.reason for row in rows] == ["broken_record"]


def test_two_lengths_that_differ_are_not_believed() -> None:
    records = [record_bytes(response(f"https://example.org/{n}", "<html>"), gzip=False) for n in range(3)]
    records[1] = records[1].replace(b"WARC-Type", b"Content-Length: 9\r\nWARC-Type", 1)
    captures, rows = read(b"".join(records))
    assert [capture.url[-1] for capture in captures] == ["0", "2"]
    assert [row.reason for row in rows] == ["broken_record"]


def read(data: bytes) -> tuple[list[Capture], list[DropRow]]:
    """The captures and drops; the counts add up."""
    rows: list[DropRow] = []
    tally = Tally(rows.append)
    captures = list(read_captures(io.BytesIO(data), "a.warc", len(data), WarcSettings(), tally))
    assert tally.counts().unaccounted("record") == 0
    assert tally.counts().kept.get("record", 0) == len(captures)
    return captures, rows


def _members(form: str) -> list[bytes]:
    """Records of an archive in its form; the first is none that is captured."""
    rng = random.Random(form)
    pages = [
        response(f"https://example.org/{n}", b"<!doctype html>" + rng.randbytes(150).hex().encode()) for n in range(8)
    ]
    match form:
        case "gzip" | "plain":
            return [record_bytes(page, form == "gzip") for page in pages]
        case "zstd" | "zstd with dictionary":
            return zst_bytes(pages, b"WARC/1.1 https://example.org <!doctype html>" * 20 if "dict" in form else b"")
        case _:
            return arc_bytes(pages, "gz" in form)


FORMS = ("gzip", "plain", "zstd", "zstd with dictionary", "arc", "arc.gz")


@pytest.mark.parametrize("form", FORMS)
def test_captures_of_every_form_are_found_again_by_their_place(form: str) -> None:
    data = b"".join(_members(form))
    captures, rows = read(data)
    assert ([capture.url[-1] for capture in captures], rows) == (list("01234567"), [])
    dictionary = b"WARC/1.1 https://example.org <!doctype html>" * 20 if "dict" in form else b""
    for capture in captures:
        record = data[capture.offset :][: capture.length]
        assert read_response(record, capture.url, 1 << 20, dictionary)[1] == capture.body


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(40))
def test_what_was_not_hit_comes_out_of_a_mutant(form: str, seed: int) -> None:
    """Bits flipped, bytes cut out or put in, ends cut off, another archive joined on."""
    members, rng = _members(form), random.Random(seed)
    sound = {capture.url: capture.body for capture in read(b"".join(members))[0]}
    is_named = len(members) > 8  # by a dictionary or a description, without which a file is another
    hit = rng.randrange(is_named, len(members))
    member = bytearray(members[hit])
    # Nothing tells a line of ARC that lost its end from one with a strange address.
    at, size = rng.randrange(member.index(b"\n") if form == "arc" else 0, len(member)), rng.choice((1, 2, 9, 60))
    match rng.randrange(4):
        case 0:
            member[at] ^= 1 << rng.randrange(8)
        case 1:
            del member[at : at + size]
        case 2:
            member[at:at] = rng.randbytes(size)
        case 3:
            member[at:] = b""
    mutant = b"".join([*members[:hit], bytes(member), *members[hit + 1 :]])
    if rng.random() < 0.3:
        mutant += b"".join(_members("gzip"))
    found, rows = read(mutant)
    bodies = [(capture.url, capture.body) for capture in found]
    for number, (url, body) in enumerate(sound.items()):
        if number != hit - is_named:
            assert (url, body) in bodies, rows
    for capture in found:
        assert capture.offset + capture.length <= len(mutant)


@pytest.mark.parametrize("form", ["zstd", "arc"])
def test_a_record_at_another_place_is_refused(form: str) -> None:
    data = b"".join(_members(form))
    (first, *_), _ = read(data)
    with pytest.raises(Drop):
        read_response(data[first.offset + 3 :][: first.length], first.url, 1 << 20)


def test_many_records_in_one_zstd_frame_are_read_in_passing() -> None:
    records = [response(f"https://example.org/{n}", b"<html>" + bytes(30)) for n in range(50)]
    data = zstandard.compress(warc_bytes(records, gzip=False))
    captures, rows = read(data)
    assert (len(captures), rows) == (50, [])
    assert {capture.length for capture in captures} == {0}
    small = WarcSettings(max_page_bytes=100, max_image_bytes=100)
    large = zstandard.compress(warc_bytes(records * 10, gzip=False))  # over any cap: it is streamed
    assert len(list(read_captures(io.BytesIO(large), "a", len(large), small, Tally()))) == 500


@pytest.mark.parametrize(
    "dictionary", [b"\xff\xff\xff\xff", b"\x09\0\0\0" + zstandard.MAGIC_NUMBER.to_bytes(4, "little")]
)
def test_a_dictionary_that_is_none_costs_the_frames_that_need_it(dictionary: bytes) -> None:
    frame = zstandard.compress(record_bytes(response("https://example.org/1", "<html>"), gzip=False))
    captures, rows = read(b"\x5d\x2a\x4d\x18" + dictionary.ljust(13, b"x") + frame)
    assert [capture.url for capture in captures] == ["https://example.org/1"]
    assert len(rows) <= 1


def test_a_zstd_frame_cut_off_names_its_address() -> None:
    frame = zstandard.compress(record_bytes(response("https://example.org/1", b"x" * 400_000), gzip=False))
    (row,) = read(frame[:-5])[1]
    assert (row.url, row.reason) == ("https://example.org/1", "truncated_record")
