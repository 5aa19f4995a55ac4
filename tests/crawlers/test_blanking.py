"""Records are taken out of archives; all others stay where they are, and every reader passes over the places."""

import gzip
import io
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from crawlers.blanking import blank_record, copy_without, stored_records
from crawlers.warc import WarcSettings, read_captures, read_response
from schemas.drops import Drop, Tally
from tests.jobs.site import photo, write_archive

DATE = "2026-11-01T00:00:00Z"
URLS = [f"https://a.example/{number}.jpg" for number in range(4)]


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    path = write_archive(tmp_path / "a.warc.gz", [(url, photo(n), "image/jpeg") for n, url in enumerate(URLS)])
    return path.read_bytes()


def without(archive: bytes, *urls: str) -> bytes:
    records = stored_records(io.BytesIO(archive), len(archive), with_hashes=False)
    gone = [record for record in records if set(urls) & set(record.urls)]
    target = io.BytesIO()
    copy_without(
        io.BytesIO(archive), target, gone, lambda one: blank_record(one.length, 3, DATE, f"a.warc.gz:{one.offset}")
    )
    return target.getvalue()


def test_others_stay_where_they_are_and_readers_pass_over_the_place(archive: bytes) -> None:
    before = list(stored_records(io.BytesIO(archive), len(archive), with_hashes=True))
    after = without(archive, URLS[1], URLS[3])
    assert len(after) == len(archive)
    found = list(stored_records(io.BytesIO(after), len(after), with_hashes=True))
    assert [record.removal for record in found] == [0, 3, 0, 3]
    assert found[0::2] == before[0::2]
    tally = Tally()
    captures = read_captures(io.BytesIO(after), "a", len(after), WarcSettings(), tally)
    assert [capture.url for capture in captures] == URLS[0::2]
    assert tally.counts().drops == {}
    of_warcio = [record.rec_headers.get_header("WARC-Target-URI") for record in ArchiveIterator(io.BytesIO(after))]
    assert of_warcio == [URLS[0], None, URLS[2], None]
    with pytest.raises(Drop, match="not_seekable"):
        read_response(after[before[1].offset :][: before[1].length], URLS[1], 1 << 20)
    assert without(after, URLS[1], URLS[3]) == after


@pytest.mark.parametrize("length", [130, 263, 280, 400, 65_540, 65_558, 65_559, 131_100, 300_001])
def test_a_blank_record_has_any_length(length: int) -> None:
    data = blank_record(length, 1, DATE, "a:0")
    assert len(data) == length
    text = gzip.decompress(data)
    (record,) = stored_records(io.BytesIO(data), length, with_hashes=False)
    assert record.removal == 1
    assert text.startswith(b"WARC/1.1\r\n")
    assert int(text.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]) == len(text.partition(b"\r\n\r\n")[2]) - 4


def test_what_is_too_short_is_told() -> None:
    with pytest.raises(ValueError, match="too short"):
        blank_record(60, 1, DATE, "a:0")


def test_hashes_are_of_what_a_sample_is_made_of(tmp_path: Path) -> None:
    import hashlib

    path = write_archive(tmp_path / "a.warc.gz", [(URLS[0], photo(0), "image/jpeg")])
    (record,) = stored_records(io.BytesIO(path.read_bytes()), path.stat().st_size, with_hashes=True)
    assert record.sha256 == hashlib.sha256(photo(0)).hexdigest()
