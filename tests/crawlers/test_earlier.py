"""What earlier crawls captured, read from their archives."""

import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from crawlers.earlier import EARLIER, Earlier, Known, archives_of, make_earlier
from crawlers.exchange import Exchange
from crawlers.warc_writer import Payload, WarcWriter, payload_digest
from schemas.settings import SettingsError
from tests.crawlers.test_warc_writer import exchange

PAGE = "http://a.example/"
WEEKS = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 8, 15)]
Headers = tuple[tuple[str, str], ...]


def answer(
    url: str, body: bytes = b"", week: int = 0, status: int = 200, headers: Headers = (("Content-Type", "text/html"),)
) -> Exchange:
    return msgspec.structs.replace(exchange(url, body, headers, status), started=WEEKS[week])


class Crawl:
    """A folder with one archive, as a crawl leaves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = WarcWriter(folder / "warc", f"weft-{folder.name}", 1 << 20)

    def write(self, item: Exchange) -> Payload:
        return self.writer.write(item, payload_digest(item.body))

    def finish(self) -> str:
        self.writer.finish()
        return str(self.folder)


def looked_up(folder: Path, *sources: str) -> Earlier:
    make_earlier(folder / EARLIER, sources)
    return Earlier(folder / EARLIER)


def found(earlier: Earlier, url: str = PAGE) -> Known:
    known = earlier.find(url)
    assert known is not None
    return known


def test_the_last_capture_of_an_address_counts(tmp_path: Path) -> None:
    one, two = Crawl(tmp_path / "one"), Crawl(tmp_path / "two")
    one.write(answer(PAGE, b"old", 0, headers=(("Content-Type", "text/html"), ("ETag", '"1"'))))
    place = two.write(answer(PAGE, b"new", 1, headers=(("Content-Type", "text/html"), ("ETag", '"2"'))))
    sources = [one.finish(), two.finish()]
    for number, order in enumerate((sources, sources[::-1])):
        known = found(looked_up(tmp_path / f"next{number}", *order))
        assert (known.etag, known.date, known.is_page) == ('"2"', "2026-03-08T00:00:00Z", True)
        assert (known.record_id, known.digest) == (place.record_id, payload_digest(b"new"))
        assert (known.offset, known.length) == (place.position.offset, place.position.length)
        assert known.archive == str(tmp_path / "two/warc/weft-two-000000.warc.gz")
        assert known.payload.position.file == "two/warc/weft-two-000000.warc.gz"


def test_what_is_gone_is_not_known_any_more_and_other_failures_change_nothing(tmp_path: Path) -> None:
    one, two = Crawl(tmp_path / "one"), Crawl(tmp_path / "two")
    for name in ("gone", "failing", "moved"):
        one.write(answer(PAGE + name, name.encode()))
    for name, status in (("gone", 404), ("failing", 503), ("moved", 301)):
        two.write(answer(PAGE + name, b"", 1, status))
    earlier = looked_up(tmp_path / "next", one.finish(), two.finish())
    assert earlier.find(PAGE + "gone") is None
    assert found(earlier, PAGE + "failing").digest == payload_digest(b"failing")
    assert earlier.find(PAGE + "moved") is None
    assert {known.url for known in earlier.pages()} == {PAGE + "failing"}


def test_a_crawl_that_found_nothing_changed_says_what_it_knew_itself(tmp_path: Path) -> None:
    one, two = Crawl(tmp_path / "one"), Crawl(tmp_path / "two")
    stated: Headers = (
        ("Content-Type", "text/html"),
        ("ETag", '"1"'),
        ("Last-Modified", "Sun, 01 Mar 2026 00:00:00 GMT"),
    )
    place = one.write(answer(PAGE, b"same", headers=stated))
    make_earlier(tmp_path / "two" / EARLIER, [one.finish()])
    known = found(Earlier(tmp_path / "two" / EARLIER))
    unchanged = answer(PAGE, b"", 1, 304, (("ETag", '"2"'),))
    two.writer.write_revisit(unchanged, known.digest, known.payload)
    third = found(looked_up(tmp_path / "three", two.finish()))
    assert (third.etag, third.last_modified) == ('"2"', "Sun, 01 Mar 2026 00:00:00 GMT")
    assert (third.record_id, third.archive) == (place.record_id, known.archive)
    assert third.payload == known.payload
    shutil.rmtree(tmp_path / "two" / "work")
    assert (
        looked_up(tmp_path / "four", str(tmp_path / "two")).find(PAGE) is None
    )  # so it is asked for as if it were new
    assert found(looked_up(tmp_path / "five", str(tmp_path / "one"), str(tmp_path / "two"))).etag == '"2"'


def test_a_picture_met_twice_in_a_crawl_is_known_by_both_addresses(tmp_path: Path) -> None:
    crawl, png = Crawl(tmp_path / "one"), (("Content-Type", "image/png"), ("ETag", '"p"'))
    first = crawl.write(answer("http://a.example/i.png", b"picture", headers=png))
    copy = answer("http://b.example/copy.png", b"picture", headers=png)
    crawl.writer.write_revisit(copy, payload_digest(b"picture"), first)
    known = found(looked_up(tmp_path / "next", crawl.finish()), "http://b.example/copy.png")
    assert (known.url, known.stored_url, known.etag) == (copy.url, "http://a.example/i.png", '"p"')
    assert known.payload.url == "http://a.example/i.png"
    assert known.payload.position.offset == first.position.offset


def test_archives_of_others_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "other.warc.gz"
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url in (PAGE, PAGE + "2"):
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html"), ("ETag", '"1"')], protocol="HTTP/1.1")
            writer.write_record(
                writer.create_warc_record(url, "response", io.BytesIO(b"x" * 500_000), http_headers=headers)
            )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\0damage\0" + data[len(data) // 2 :])
    known = found(looked_up(tmp_path / "next", str(path)))
    assert known.digest.startswith("sha1:")
    assert (known.etag, known.record_id.startswith("<urn:uuid:")) == ('"1"', True)


def test_the_first_segment_of_a_response_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "cut.warc.gz"
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
        part = {"WARC-Segment-Number": "1"}
        writer.write_record(
            writer.create_warc_record(
                PAGE, "response", io.BytesIO(b"half"), http_headers=headers, warc_headers_dict=part
            )
        )
    assert looked_up(tmp_path / "next", str(path)).find(PAGE) is None


def test_sources_that_name_nothing_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for source in (str(tmp_path), str(tmp_path / "missing.warc.gz")):
        with pytest.raises(SettingsError, match="--since"):
            make_earlier(tmp_path / "next" / EARLIER, [source])
        with pytest.raises(SettingsError, match="--since"):
            archives_of(source)
    assert not (tmp_path / "next").exists()
    assert Earlier(tmp_path / "next" / EARLIER).find(PAGE) is None
