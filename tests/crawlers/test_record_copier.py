"""Records copied out of archives that a server on this machine gives by ranges, or fails to."""

import asyncio
from pathlib import Path

import fsspec
import msgspec
import pytest
from warcio.archiveiterator import ArchiveIterator

from crawlers.crawl_config import CrawlConfig
from crawlers.fetch_settings import FetchSettings
from crawlers.index_rows import Row, Selection, select_rows
from crawlers.range_settings import RangeSettings
from crawlers.record_copier import ArchivesDown, CopyStatus, RecordCopier
from crawlers.records import checked
from schemas.drops import Drop
from tests.crawlers.archive_server import FOLDER, ArchiveServer, short_answer, write_archives, write_index
from tests.crawlers.servers import Reply, drip
from tests.crawlers.warcs import Record, chunked, record_bytes, response, revisit, zst_bytes

FAST = RangeSettings(backoff_s=0.01, max_backoff_s=0.05, connections=3, max_range_bytes=1)  # none is joined to another
Rows = list[dict[str, object]]


def records(name: str, count: int = 4) -> list[Record]:
    return [response(f"https://{name}.example/{n}", f"page {n} of {name} " * 50) for n in range(count)]


def copy(
    folder: Path, rows: Rows, at: str, ranges: RangeSettings = FAST, max_warc_bytes: int = 1 << 30
) -> tuple[CopyStatus, dict[str, str]]:
    """The status of a run, and the reasons of drops by address; `None` in `rows` goes on with those that lie there."""
    if rows:
        select_rows([write_index(folder / "i.parquet", rows)], Selection(), at, folder / "work" / "records", 1)

    async def run() -> tuple[CopyStatus, dict[str, str]]:
        fetch = FetchSettings(deadline_s=1.0, answer_timeout_s=0.3)
        config = CrawlConfig(partitions=1, fetch=fetch, ranges=ranges, max_warc_bytes=max_warc_bytes)
        async with RecordCopier(folder, 0, at, config, []) as copier:
            await copier.run()
            urls = [row.url for row in copier.rows()]
            drops = {urls[found.number]: found.reason for found in copier.journal.outcomes() if found.reason}
            return copier.status, drops

    return asyncio.run(run())


def copied(folder: Path) -> list[str]:
    """Addresses in the finished archives; every record is read to its end, its digests are checked by warcio."""
    found = []
    for path in sorted((folder / "warc").glob("weft-*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):
                record.content_stream().read()
                if record.rec_type != "warcinfo":
                    found.append(record.rec_headers.get_header("WARC-Target-URI"))
    return sorted(found)


def test_records_are_copied_as_they_stand_and_nothing_else_is_asked_for(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a"), "b.warc.gz": records("b")})
    with ArchiveServer(tmp_path / "s") as web:
        status, drops = copy(tmp_path, [rows[1], rows[3], rows[4]], web.url)
    assert copied(tmp_path) == ["https://a.example/1", "https://a.example/3", "https://b.example/0"]
    assert (status.copied, drops, status.requests) == (3, {}, 3)
    data = b"".join(path.read_bytes() for path in (tmp_path / "warc").iterdir())
    for record in (records("a")[1], records("a")[3], records("b")[0]):
        assert record_bytes(record) in data


def test_neighbours_are_asked_for_together_while_little_lies_between(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a", 9)})
    length = int(str(rows[0]["warc_record_length"]))
    with ArchiveServer(tmp_path / "s") as web:
        joined = msgspec.structs.replace(FAST, max_gap_bytes=length + 5, max_range_bytes=1 << 20)
        wanted = [rows[0], rows[1], rows[3], rows[6], rows[7], rows[8]]
        (tmp_path / "x").mkdir()
        status, _ = copy(tmp_path / "x", wanted, web.url, joined)
        assert (status.copied, len(web.ranges())) == (6, 2)
        narrow = msgspec.structs.replace(joined, max_range_bytes=2 * length + 10)
        (tmp_path / "y").mkdir()
        copy(tmp_path / "y", wanted, web.url, narrow)
        assert [*web.ranges().values()] == [1] * (2 + 4)
    assert copied(tmp_path / "x") == copied(tmp_path / "y")


@pytest.mark.parametrize(
    ("stated", "asked", "is_same"),
    [
        ("http://a.example/\u00e4", "http://A.example:80/%C3%A4", True),
        ("https://a.example:443/", "http://a.example", True),
        ("http://a.example:8080/", "http://a.example/", False),
        ("http://a.example/A", "http://a.example/a", False),
        ("dns:a.example", "dns:b.example", False),
    ],
)
def test_a_record_is_of_its_address_in_whatever_form_both_have_it(stated: str, asked: str, is_same: bool) -> None:
    record = record_bytes(response(stated, "<html>"))
    row = Row(0, asked, "a.warc.gz", 0, len(record))
    if is_same:
        assert checked(record, row, 1 << 20) == record
        return
    with pytest.raises(Drop, match="wrong_record"):
        checked(record, row, 1 << 20)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"warc_filename": f"{FOLDER}/none.warc.gz"}, "no_such_archive"),
        ({"warc_record_offset": 10**9}, "no_such_range"),
        ({"url": "https://other.example/"}, "wrong_record"),
        ({"warc_record_offset": 7}, "wrong_record"),
        ({"warc_record_length": 100}, "truncated_record"),
        ({"content_digest": "A" * 32}, "digest_mismatch"),
        ({"warc_record_length": 33 << 20}, "too_large"),
    ],
)
@pytest.mark.parametrize("from_folder", [False, True])
def test_a_row_that_is_wrong_costs_its_record_and_says_why(
    tmp_path: Path, change: dict[str, object], reason: str, from_folder: bool
) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a")})
    wrong = {"content_digest": "", **rows[2], **change}
    with ArchiveServer(tmp_path / "s") as web:
        at = str(tmp_path / "s") if from_folder else web.url
        status, drops = copy(tmp_path, [{**rows[0], "content_digest": ""}, wrong], at)
    assert status.drops == {reason: 1}
    assert list(drops.values()) == [reason]
    assert copied(tmp_path) == ["https://a.example/0"]


def test_damage_in_an_archive_costs_the_record_alone(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a")})
    path = tmp_path / "s" / FOLDER / "a.warc.gz"
    data = bytearray(path.read_bytes())
    middle = int(str(rows[1]["warc_record_offset"])) + int(str(rows[1]["warc_record_length"])) // 2
    data[middle : middle + 9] = b"\xff" * 9
    path.write_bytes(data[: int(str(rows[3]["warc_record_offset"])) + 60])
    with ArchiveServer(tmp_path / "s") as web:
        _, drops = copy(tmp_path, rows, web.url)
    assert drops == {"https://a.example/1": "broken_record", "https://a.example/3": "truncated_record"}
    assert copied(tmp_path) == ["https://a.example/0", "https://a.example/2"]


FAULTS = {
    "busy": Reply(b"<Code>SlowDown</Code>", status=503),
    "too many": Reply(b"", status=429, headers=(("Retry-After", "0"),)),
    "blocked": Reply(b"", status=403),
    "broken off": Reply(b"half", status=206, length=4000, headers=(("Content-Range", "bytes 0-3999/9000"),)),
    "short": short_answer(0, b"x" * 10, 9000),
    "another range": short_answer(5, b"x" * 10, 9000),
    "no range": Reply(b"x", status=206),
    "hangs": Reply(b"", delay_s=30.0),
    "drips": Reply(b"", status=206, pieces=drip, headers=(("Content-Range", "bytes 0-3999/9000"),)),
    "no http": Reply(raw=b"\x00\x01"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_pass_is_tried_again(tmp_path: Path, fault: str) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a")})
    with ArchiveServer(tmp_path / "s", {"a.warc.gz": [FAULTS[fault]] * 2}) as web:
        status, drops = copy(tmp_path, rows, web.url)
    assert (status.copied, drops) == (4, {})
    assert status.requests <= 6


def test_a_server_that_knows_no_ranges_is_not_read(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a")})
    with ArchiveServer(tmp_path / "s", {"a.warc.gz": [Reply(bytes(4 << 20))] * 9}) as web:
        status, _ = copy(tmp_path, rows, web.url)
        assert status.drops == {"no_ranges": 4}
        assert status.bytes == 0
        assert len(web.log) == 4


def test_an_archive_that_is_not_there_is_asked_for_by_each_connection_once(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a", 40), "b.warc.gz": records("b")})
    (tmp_path / "s" / FOLDER / "a.warc.gz").unlink()
    with ArchiveServer(tmp_path / "s") as web:
        status, _ = copy(tmp_path, rows, web.url)
        assert len([line for line in web.log if "a.warc.gz" in line.path]) <= FAST.connections
    assert (status.copied, status.drops) == (4, {"no_such_archive": 40})


def test_a_host_that_is_down_costs_no_record_and_the_same_call_goes_on(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a", 6)})
    few = msgspec.structs.replace(FAST, max_attempts=2, max_failures=3)
    with ArchiveServer(tmp_path / "s", {"a.warc.gz": [Reply(b"", status=500)] * 200}) as web:
        with pytest.raises(ArchivesDown, match="3 ranges in a row"):
            copy(tmp_path, rows, web.url, few)
        web.faults.clear()
        status, drops = copy(tmp_path, [], web.url, few)
    assert (status.copied, drops) == (6, {})


def test_one_range_that_always_fails_is_dropped(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a"), "b.warc.gz": records("b")})
    with ArchiveServer(tmp_path / "s", {"a.warc.gz": [Reply(b"", status=500)] * 200}) as web:
        status, drops = copy(tmp_path, [rows[0], *rows[4:]], web.url)
    assert (status.copied, drops) == (4, {"https://a.example/0": "http_status"})


def test_what_was_copied_is_not_asked_for_again_and_half_a_record_is_cut_off(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a", 30)})

    with ArchiveServer(tmp_path / "s") as web:

        async def interrupted() -> int:
            select_rows([write_index(tmp_path / "i.parquet", rows)], Selection(), web.url, tmp_path / "work/records", 1)
            config = CrawlConfig(partitions=1, ranges=FAST)
            async with RecordCopier(tmp_path, 0, web.url, config, []) as copier:
                running = asyncio.create_task(copier.run())
                while copier.status.copied < 10:
                    await asyncio.sleep(0)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                return copier.status.copied

        before = asyncio.run(interrupted())
        (staged,) = (tmp_path / "warc").glob(".*.tmp")
        with staged.open("ab") as file:
            file.write(b"\x1f\x8b\x08 half a record")
        status, _ = copy(tmp_path, [], web.url)
        assert status.copied == 30
        assert len(web.log) <= 30 + FAST.connections
        assert sum(count > 1 for count in web.ranges().values()) <= FAST.connections
    assert before < 30
    assert len(copied(tmp_path)) == 30


def test_archives_are_closed_at_their_size(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a", 10)})
    copy(tmp_path, rows, str(tmp_path / "s"), max_warc_bytes=1500)
    assert len(list((tmp_path / "warc").glob("weft-records-000-*.warc.gz"))) > 2
    assert len(copied(tmp_path)) == 10


def test_records_of_other_packings_become_members_of_their_own(tmp_path: Path) -> None:
    """A plain WARC, one of zstd; chunked bodies and revisits are copied, too."""
    (tmp_path / "s").mkdir()
    made = [response("https://p.example/1", chunked(b"text " * 200), headers={"Transfer-Encoding": "chunked"})]
    made += [revisit("https://p.example/2")]
    plain = [record_bytes(record, gzip=False) for record in made]
    packed = zst_bytes(made)
    rows: Rows = []
    for name, parts in (("p.warc", plain), ("z.warc.zst", packed)):
        (tmp_path / "s" / name).write_bytes(b"".join(parts))
        for number, part in enumerate(parts):
            offset = sum(map(len, parts[:number]))
            place = {"warc_filename": name, "warc_record_offset": offset, "warc_record_length": len(part)}
            rows.append({"url": f"https://p.example/{number + 1}", **place})
    status, drops = copy(tmp_path, rows, str(tmp_path / "s"))
    assert (status.copied, drops) == (4, {})
    assert copied(tmp_path) == sorted(["https://p.example/1", "https://p.example/2"] * 2)


def test_the_rate_of_the_whole_job_is_kept(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a", 8)})
    with ArchiveServer(tmp_path / "s") as web:
        copy(tmp_path, rows, web.url, msgspec.structs.replace(FAST, max_requests_per_s=20.0))
        times = sorted(line.time for line in web.log)
        assert times[-1] - times[0] > 7 / 20 - 0.1


def test_archives_of_a_store_of_objects_are_read_by_ranges(tmp_path: Path) -> None:
    rows = write_archives(tmp_path / "s", {"a.warc.gz": records("a")})
    store = fsspec.filesystem("memory")
    store.put(str(tmp_path / "s" / "crawl-data"), "/bucket/crawl-data", recursive=True)
    _, drops = copy(tmp_path, [rows[0], {**rows[1], "warc_record_offset": 10**6}, rows[2]], "memory://bucket/")
    assert drops == {"https://a.example/1": "no_such_range"}
    assert copied(tmp_path) == ["https://a.example/0", "https://a.example/2"]
