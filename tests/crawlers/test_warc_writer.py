import gzip
import random
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from crawlers.exchange import Exchange
from crawlers.http import join_headers
from crawlers.warc import read_captures
from crawlers.warc_records import WarcSettings
from crawlers.warc_writer import WarcWriter, payload_digest
from schemas.drops import Tally

HTML = (("Content-Type", "text/html"),)


def exchange(url: str, body: bytes, headers: tuple[tuple[str, str], ...] = HTML, status: int = 200) -> Exchange:
    head = f"HTTP/1.1 {status} OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    request = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
    moment = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
    return Exchange(url, status, request, head.encode(), join_headers(headers), body, "192.0.2.7", moment)


def write(writer: WarcWriter, item: Exchange) -> None:
    writer.write(item, payload_digest(item.body))


def check(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`warcio check`: every digest, and every record in a gzip member of its own."""

    class Arguments:
        inputs = [str(path)]  # noqa: RUF012
        verbose = False

    assert Checker(Arguments()).process_all() == 0, capsys.readouterr().out


def test_records_are_as_the_standard_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = WarcWriter(tmp_path, "x", 1 << 20, [("operator", "who@example.org")])
    write(writer, exchange("http://a.example/", b"<p>hello"))
    writer.finish()
    (path,) = tmp_path.iterdir()
    check(path, capsys)
    with path.open("rb") as file:
        records = [
            (record.rec_type, record.rec_headers, record.content_stream().read()) for record in ArchiveIterator(file)
        ]
    (info, info_fields, info_body), (kind, fields, body), (asked, asked_fields, _) = records
    assert (info, kind, asked) == ("warcinfo", "response", "request")
    assert info_fields["WARC-Filename"] == path.name == "x-000000.warc.gz"
    assert b"software: weft/" in info_body
    assert b"operator: who@example.org\r\n" in info_body
    assert fields["WARC-Target-URI"] == "http://a.example/"
    assert fields["WARC-Date"] == "2026-03-01T10:00:00Z"
    assert fields["WARC-IP-Address"] == "192.0.2.7"
    assert fields["WARC-Payload-Digest"] == payload_digest(b"<p>hello")
    assert fields.protocol == "WARC/1.1"
    assert asked_fields["WARC-Concurrent-To"] == fields["WARC-Record-ID"]
    assert body == b"<p>hello"


def test_what_is_packed_already_is_stored_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Though it would become a little smaller: that takes longer than all else that is done to an image."""
    sparse = bytes(9_000) + bytes(range(256)) * 100
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    lengths: dict[str, int] = {}
    for kind, body in (
        ("image/jpeg", sparse),
        ("image/svg+xml", sparse),
        ("text/html", sparse),
        ("image/gif", b"x" * 3000),
    ):
        item = exchange(f"http://a.example/{len(lengths)}", body, (("Content-Type", kind),))
        lengths[kind] = writer.write(item, payload_digest(body)).position.length
    writer.finish()
    check(next(tmp_path.iterdir()), capsys)
    assert len(sparse) < lengths["image/jpeg"] < len(sparse) + 1000
    assert (
        max(lengths["image/svg+xml"], lengths["text/html"], lengths["image/gif"]) < 2000
    )  # small ones have large heads


def test_each_record_is_a_gzip_member_at_the_place_that_was_told(tmp_path: Path) -> None:
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    payloads = [writer.write(exchange(f"http://a.example/{n}", b"%d" % n * 1000), "sha256:x") for n in range(3)]
    writer.finish()
    data = (tmp_path / "x-000000.warc.gz").read_bytes()
    for number, payload in enumerate(payloads):
        record = gzip.decompress(data[payload.position.offset :][: payload.position.length])
        assert record.startswith(b"WARC/1.1\r\n")
        assert record.endswith(b"%d" % number * 10 + b"\r\n\r\n")


@pytest.mark.parametrize("length", [5_000, 65_000, 65_535, 200_000])
def test_what_is_stored_as_it_is_may_be_of_any_length(
    tmp_path: Path, length: int, capsys: pytest.CaptureFixture[str]
) -> None:
    body = random.Random(length).randbytes(length)
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    item = exchange("http://a.example/1", body, (("Content-Type", "image/jpeg"),))
    place = writer.write(item, payload_digest(body)).position
    writer.finish()
    check(tmp_path / place.file, capsys)
    data = (tmp_path / place.file).read_bytes()
    assert gzip.decompress(data[place.offset :][: place.length]).endswith(body + b"\r\n\r\n")


def test_a_payload_is_kept_under_the_names_that_frontiers_hold(tmp_path: Path) -> None:
    payload = WarcWriter(tmp_path, "x", 1 << 20).write(exchange("http://a.example/", b"x"), "sha256:x")
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(payload))
    assert list(kept) == ["url", "date", "record_id", "place"]
    assert list(kept["place"]) == ["file", "offset", "length"]


def test_chunk_framing_is_undone_and_its_header_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    write(writer, exchange("http://a.example/", b"<p>hello", (*HTML, ("Transfer-Encoding", "chunked"))))
    writer.finish()
    path = tmp_path / "x-000000.warc.gz"
    check(path, capsys)
    text = gzip.decompress(path.read_bytes())
    assert b"X-Crawler-Transfer-Encoding: chunked\r\nContent-Length: 8\r\n\r\n<p>hello" in text


def test_a_revisit_says_where_its_payload_lies_and_is_read_from_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    headers = (("Content-Type", "image/png"),)
    first = writer.write(exchange("http://a.example/i.png", png, headers), payload_digest(png))
    writer.write_revisit(exchange("http://a.example/copy.png", png, headers), payload_digest(png), first)
    writer.finish()
    path = tmp_path / "x-000000.warc.gz"
    check(path, capsys)
    with path.open("rb") as file:
        original, copy = read_captures(file, str(path), path.stat().st_size, WarcSettings(), Tally())
    assert (copy.url, copy.stored_url) == ("http://a.example/copy.png", "http://a.example/i.png")
    assert (copy.stored_in, copy.offset, copy.length) == (path.name, original.offset, original.length)


@pytest.mark.parametrize(
    ("kind", "body", "videos"),
    [
        ("video/mp4", b"\0\0\0\x18ftypisom" + bytes(100), True),
        ("text/vtt", b"WEBVTT\n\n", True),
        ("image/png", b"x", False),
    ],
)
def test_a_medium_that_a_server_says_is_not_modified_is_read_from_the_earlier_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, body: bytes, videos: bool
) -> None:
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    first = writer.write(exchange("http://a.example/m", body, (("Content-Type", kind),)), payload_digest(body))
    unchanged = exchange("http://a.example/m", b"", (("ETag", '"1"'),), 304)
    writer.write_revisit(unchanged, payload_digest(body), first, content_type=kind)
    writer.finish()
    path = tmp_path / "x-000000.warc.gz"
    check(path, capsys)
    for wanted in (True, videos is False):
        with path.open("rb") as file:
            found = list(read_captures(file, str(path), path.stat().st_size, WarcSettings(videos=wanted), Tally()))
        assert [capture.stored_in for capture in found[1:]] == ([path.name] if wanted else [])
    with path.open("rb") as file:
        fields = [record.rec_headers for record in ArchiveIterator(file) if record.rec_type in ("revisit", "request")]
    assert fields[1]["WARC-Profile"] == "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
    assert fields[2]["WARC-Concurrent-To"] == fields[1]["WARC-Record-ID"]


def test_a_file_appears_only_when_it_is_whole_and_rotates_by_size(tmp_path: Path) -> None:
    writer = WarcWriter(tmp_path, "x", 20_000)
    for number in range(40):
        write(writer, exchange(f"http://a.example/{number}", bytes(100), (("Content-Type", "text/html"),)))
        finished = sorted(path.name for path in tmp_path.glob("x-*.warc.gz"))
        assert len(list(tmp_path.glob(".*.tmp"))) == 1
    assert finished == [f"x-{number:06d}.warc.gz" for number in range(len(finished))]
    assert len(finished) > 0
    writer.finish()
    assert not list(tmp_path.glob(".*.tmp"))


def test_what_was_written_after_the_last_known_place_is_cut_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    write(writer, exchange("http://a.example/1", b"1"))
    known = writer.position
    write(writer, exchange("http://a.example/2", b"2"))
    writer.close()
    again = WarcWriter(tmp_path, "x", 1 << 20, resume=known)
    write(again, exchange("http://a.example/3", b"3"))
    again.finish()
    path = tmp_path / "x-000000.warc.gz"
    check(path, capsys)
    with path.open("rb") as file:
        found = [
            record.rec_headers["WARC-Target-URI"] for record in ArchiveIterator(file) if record.rec_type == "response"
        ]
    assert found == ["http://a.example/1", "http://a.example/3"]


def test_a_file_shorter_than_was_reported_goes_on_after_its_last_whole_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    write(writer, exchange("http://a.example/1", b"1"))
    after_first = writer.position
    write(writer, exchange("http://a.example/2", b"2" * 5000))
    known = writer.position
    writer.close()
    staged = tmp_path / ".x-000000.warc.gz.tmp"
    staged.write_bytes(staged.read_bytes()[: after_first[1] + 40])
    again = WarcWriter(tmp_path, "x", 1 << 20, resume=known)
    assert again.position == after_first
    again.finish()
    check(tmp_path / "x-000000.warc.gz", capsys)


def test_hostile_header_values_do_not_break_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = WarcWriter(tmp_path, "x", 1 << 20)
    writer.write(exchange("http://a.example/", b"x"), payload_digest(b"x"), [("WARC-TDM-Policy", "a\r\nWARC-Type: b")])
    writer.finish()
    check(tmp_path / "x-000000.warc.gz", capsys)
