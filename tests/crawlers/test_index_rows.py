"""Which rows of an index are wanted, whatever form it has."""

import gzip
import json
from pathlib import Path

import fsspec
import pytest

from crawlers.index_rows import Row, Selected, Selection, read_selected, select_rows
from crawlers.inputs import COMMON_CRAWL, InputError
from tests.crawlers.archive_server import write_index

ROW = {
    "url_surtkey": "example,a)/1", "url": "https://a.example/1", "fetch_status": 200,
    "content_mime_detected": "text/html", "content_languages": "eng,deu", "warc_filename": "crawl-data/x.warc.gz",
    "warc_record_offset": 5, "warc_record_length": 7, "content_digest": "ABC",
}  # fmt: skip


def selected(folder: Path, index: str, selection: Selection = Selection(), partitions: int = 1) -> list[Row]:
    select_rows([index], selection, COMMON_CRAWL, folder / "out", partitions)
    return [row for number in range(partitions) for row in read_selected(folder / "out" / f"{number:03d}.parquet")]


def test_rows_of_the_columnar_index_come_by_archive_and_place_each_once(tmp_path: Path) -> None:
    rows = [
        {**ROW, "warc_filename": name, "warc_record_offset": offset}
        for name, offset in (("b.warc.gz", 3), ("a.warc.gz", 9), ("a.warc.gz", 2), ("b.warc.gz", 3))
    ]
    found = selected(tmp_path, write_index(tmp_path / "i.parquet", rows))
    assert [(row.number, row.archive, row.offset) for row in found] == [
        (0, "a.warc.gz", 2), (1, "a.warc.gz", 9), (2, "b.warc.gz", 3),
    ]  # fmt: skip
    assert found[0] == Row(0, "https://a.example/1", "a.warc.gz", 2, 7, "ABC")


def test_all_records_of_an_archive_are_in_one_partition(tmp_path: Path) -> None:
    rows = [{**ROW, "warc_filename": f"{n % 20}.warc.gz", "warc_record_offset": n} for n in range(200)]
    select_rows([write_index(tmp_path / "i.parquet", rows)], Selection(), COMMON_CRAWL, tmp_path / "out", 3)
    parts = [list(read_selected(tmp_path / "out" / f"{number:03d}.parquet")) for number in range(3)]
    assert sum(map(len, parts)) == 200
    names = [{row.archive for row in part} for part in parts]
    assert not names[0] & names[1] | names[1] & names[2] | names[0] & names[2]


@pytest.mark.parametrize("ending", [".jsonl", ".json.gz", ".cdxj"])
def test_lines_of_a_cdx_server_are_read_whatever_stands_among_them(tmp_path: Path, ending: str) -> None:
    answer = {
        "urlkey": "example,a)/1", "timestamp": "20260102030405", "url": 'https://a.example/"1"', "mime": "text/html",
        "mime-detected": "text/html", "status": "200", "digest": "ABC", "length": "7", "offset": "5",
        "filename": "crawl-data/x.warc.gz", "languages": "eng",
    }  # fmt: skip
    before = "example,a)/1 20260102030405 " if ending == ".cdxj" else ""
    lines = [before + json.dumps(answer), "", "{no json", "null", before + json.dumps({**answer, "status": "404"})]
    path = tmp_path / f"answer{ending}"
    data = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    chosen = Selection(domains=("a.example",), languages=("eng",), types=("text/html",))
    assert selected(tmp_path, str(path), chosen) == [
        Row(0, 'https://a.example/"1"', "crawl-data/x.warc.gz", 5, 7, "ABC")
    ]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), {"a", "www", "sub", "port", "other", "number"}),
        (Selection(domains=("a.example",)), {"a", "www", "sub", "port"}),
        (Selection(domains=("sub.a.example", "OTHER.example.")), {"sub", "other"}),
        (Selection(domains=("192.0.2.17",)), {"number"}),
        (Selection(languages=("deu",)), {"a", "www"}),
        (Selection(types=("image/*",)), {"sub"}),
        (Selection(statuses=(404,)), {"gone"}),
        (Selection(statuses=()), {"a", "www", "sub", "port", "other", "gone", "number"}),
        (Selection(where="warc_record_length > 7 OR url LIKE '%other%'"), {"other", "sub"}),
    ],
)
def test_rows_are_chosen_by_domain_language_type_status_and_sql(
    tmp_path: Path, selection: Selection, expected: set[str]
) -> None:
    def row(name: str, url: str, key: str, **others: object) -> dict[str, object]:
        return {**ROW, "url": url, "url_surtkey": key, "warc_filename": f"{name}.warc.gz", **others}

    rows = [
        row("a", "https://a.example/1", "example,a)/1"),
        row("www", "http://www.a.example/", "example,a)/"),
        row("sub", "https://x.sub.a.example/", "example,a,sub,x)/", content_languages="eng", warc_record_length=8,
            content_mime_detected="image/png"),
        row("port", "https://a.example:8080/", "example,a:8080)/", content_languages=None),
        row("other", "https://other.example/a.example", "example,other)/a.example", content_languages="eng"),
        row("number", "http://192.0.2.17/", "192.0.2.17)/", content_languages="eng"),
        row("gone", "https://a.example/gone", "example,a)/gone", fetch_status=404),
    ]  # fmt: skip
    found = selected(tmp_path, write_index(tmp_path / "i.parquet", rows), selection)
    assert {row.archive.partition(".")[0] for row in found} == expected


@pytest.mark.parametrize(
    "change",
    [
        {"warc_filename": name}
        for name in ("/etc/passwd", "../x", "a/../../x", "http://169.254.169.254/x", "s3://b/x", "a\nb",
                     "a\\..\\x", "", None)
    ]
    + [{"warc_record_offset": -1}, {"warc_record_length": 0}, {"url": None}, {"warc_record_offset": None}],
)  # fmt: skip
def test_a_row_that_leads_elsewhere_or_nowhere_is_counted_and_not_followed(
    tmp_path: Path, change: dict[str, object]
) -> None:
    index = write_index(tmp_path / "i.parquet", [ROW, {**ROW, "warc_record_offset": 50, **change}])
    found = select_rows([index], Selection(), COMMON_CRAWL, tmp_path / "out", 1)
    assert found == Selected(2, 2, 1, 1)


def test_a_name_in_full_is_one_below_where_the_archives_lie(tmp_path: Path) -> None:
    index = write_index(tmp_path / "i.parquet", [{**ROW, "warc_filename": COMMON_CRAWL + "crawl-data/y.warc.gz"}])
    assert [row.archive for row in selected(tmp_path, index)] == ["crawl-data/y.warc.gz"]


@pytest.mark.parametrize(
    ("rows", "selection", "said"),
    [
        ([{"url": "x", "filename": "y", "offset": 1}], Selection(), "has no column warc_record_length"),
        ([ROW], Selection(where="nothing = 1"), "nothing"),
        ([ROW], Selection(languages=("en",)), "three letters"),
        ([{"url": "x", "filename": "y", "offset": 1, "length": 1}], Selection(languages=("eng",)), "chosen by it"),
    ],
)
def test_what_is_wrong_with_an_index_is_said_in_one_line(
    tmp_path: Path, rows: list[dict[str, object]], selection: Selection, said: str
) -> None:
    with pytest.raises(InputError, match=said) as told:
        selected(tmp_path, write_index(tmp_path / "i.parquet", rows), selection)
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_parquet_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "i.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="cannot be read"):
        selected(tmp_path, str(tmp_path / "i.parquet"))


def test_a_file_that_is_no_index_is_told_what_it_was_taken_for(tmp_path: Path) -> None:
    (tmp_path / "i.bin").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match="as lines of JSON"):
        selected(tmp_path, str(tmp_path / "i.bin"))


def test_an_index_in_a_store_is_read_and_another_form_beside_it_refused(tmp_path: Path) -> None:
    write_index(tmp_path / "i.parquet", [ROW])
    (tmp_path / "i.csv").write_text(
        "url,warc_filename,warc_record_offset,warc_record_length\nhttps://c.example/,c,1,2\n"
    )
    store = fsspec.filesystem("memory")
    for name in ("i.parquet", "i.csv"):
        store.put(str(tmp_path / name), f"/index/{name}")
    assert [row.url for row in selected(tmp_path, "memory://index/*.parquet")] == [ROW["url"]]
    assert selected(tmp_path, "memory://index/i.csv") == [Row(0, "https://c.example/", "c", 1, 2)]
    with pytest.raises(InputError, match="another form"):
        selected(tmp_path, "memory://index/*")


@pytest.mark.parametrize("members", [1, 3])
def test_an_index_that_is_cut_is_not_taken_for_a_shorter_one(tmp_path: Path, members: int) -> None:
    lines = [json.dumps({**ROW, "warc_record_offset": number}).encode() + b"\n" for number in range(3000)]
    each = len(lines) // members
    whole = b"".join(gzip.compress(b"".join(lines[at : at + each]), mtime=0) for at in range(0, len(lines), each))
    path = tmp_path / "index.jsonl.gz"
    path.write_bytes(whole)
    assert select_rows([str(path)], Selection(), "", tmp_path / "rows", 1).records == 3000
    for length in (len(whole) - 1, len(whole) - 8, len(whole) // 2, 20):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"index\.jsonl\.gz is cut: its last gzip member has no end"):
            select_rows([str(path)], Selection(), "", tmp_path / "rows", 1)
