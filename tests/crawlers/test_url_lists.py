import csv
import gzip
import io
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crawlers.inputs import InputError
from crawlers.tsv_quotes import sound_quotes
from crawlers.url_lists import Columns, ListSettings, Row, find_columns, read_rows
from jobs.config import BuildConfig
from jobs.kinds.clips.take import check_list
from schemas.settings import load_settings

ROWS = [("http://a.example/1.jpg", "A barn, red"), ("http://a.example/2.jpg", 'A "boat"'), ("", "")]


def written(path: Path, url: str, caption: str) -> Path:
    records = [{url: address, caption: text, "n": number} for number, (address, text) in enumerate(ROWS)]
    match path.suffixes[0]:
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(records), path)
        case ".jsonl":
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        case ".csv":
            lines = [f"{url},{caption},n"] + [
                '{},"{}",{}'.format(address, text.replace('"', '""'), number)
                for number, (address, text) in enumerate(ROWS)
            ]
            path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["list.parquet", "list.csv", "list.jsonl"])
@pytest.mark.parametrize(("url", "caption"), [("URL", "TEXT"), ("url", "text"), ("image_url", "caption")])
def test_lists_are_read_by_the_names_their_publishers_use(tmp_path: Path, name: str, url: str, caption: str) -> None:
    path = written(tmp_path / name, url, caption)  # LAION-400M, DataComp and COYO, and others
    columns = find_columns(str(path), ListSettings())
    assert columns == Columns(url, caption)
    assert list(read_rows(str(path), columns)) == [Row(number, *row) for number, row in enumerate(ROWS)]


def test_gzip_named_columns_and_others_handed_through(tmp_path: Path) -> None:
    plain = written(tmp_path / "list.jsonl", "where", "what")
    path = tmp_path / "list.jsonl.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    settings = ListSettings(url_column="where", caption_column="what", keep_columns=("n",))
    rows = list(read_rows(str(path), find_columns(str(path), settings)))
    assert [row.extra for row in rows] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_missing_column_is_told_with_those_there_are(tmp_path: Path) -> None:
    path = written(tmp_path / "list.csv", "where", "text")
    with pytest.raises(
        InputError, match=r"no column for the address .* it has where, text, n: name it with --set"
    ) as told:
        find_columns(str(path), ListSettings())
    setting = str(told.value).rpartition("--set ")[2].removesuffix("...")
    load_settings(BuildConfig, overrides=[f"{setting}where"])
    with pytest.raises(InputError, match="no column nothing; it has where, text, n"):
        find_columns(str(path), ListSettings(url_column="nothing"))


@pytest.mark.parametrize(("name", "data"), [("a.parquet", b"PAR1"), ("a.txt", b"x"), ("a.jsonl", b"{"), ("a.csv", b"")])
def test_what_is_no_list_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError):
        find_columns(str(tmp_path / name), ListSettings())


def test_damage_further_on_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"url": "http://a.example/", "text": "x"}\n' * 1000)[:-12])
    with pytest.raises(InputError, match="damaged"):
        list(read_rows(str(path), find_columns(str(path), ListSettings())))


def read_damaged(path: Path, at: int) -> str:
    """What is said of a list one of whose bytes is changed; "" if it can be read all the same."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    damaged = path.with_name(f"damaged{path.suffix}")
    damaged.write_bytes(data)
    try:
        list(read_rows(str(damaged), find_columns(str(damaged), ListSettings())))
    except InputError as error:
        return str(error)
    return ""


def test_no_damage_to_a_parquet_list_counts_as_a_failing_storage(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", "url", "text")
    said = [read_damaged(path, at) for at in range(0, path.stat().st_size, 3)]
    assert any(" is damaged: " in text for text in said)
    assert all(text.isprintable() for text in said)


def test_a_storage_that_fails_below_a_parquet_list_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.parquet", "url", "text")
    columns = find_columns(str(path), ListSettings())
    monkeypatch.setattr("fsspec.implementations.local.LocalFileOpener.read", failing, raising=False)
    with pytest.raises(OSError, match="no route"):
        list(read_rows(str(path), columns))


def failing(*_: object) -> bytes:
    raise OSError("no route to the store")


def read(path: Path, data: bytes) -> list[tuple[str, str]]:
    """Of each row caption and fault."""
    path.write_bytes(data)
    return [(row.caption, row.fault) for row in read_rows(str(path), find_columns(str(path), ListSettings()))]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b'\xef\xbb\xbf{"url": "http://a.example/", "text": "x"}\r\n'),
        ("a.jsonl", b'\n\n{"url": "http://a.example/", "text": "x"}\n'),
        ("a.csv", b"\r\n\r\nurl,text\r\nhttp://a.example/,x\r\n"),
        ("a.csv", b"\xef\xbb\xbfurl, text\nhttp://a.example/,x,,\n"),
    ],
)
def test_what_editors_put_before_a_list_and_behind_its_rows_is_no_part_of_it(
    tmp_path: Path, name: str, data: bytes
) -> None:
    assert read(tmp_path / name, data) == [("x", "")]


def test_a_first_line_of_json_that_lacks_a_field_or_is_damaged_costs_itself(tmp_path: Path) -> None:
    lines = [b'{"url": "http://a.example/1"}', b'{"url": tru}', b'{"text": "x", "url": "http://a.example/2"}']
    rows = read(tmp_path / "a.jsonl", b"\n".join(lines))
    assert [caption for caption, _ in rows] == ["", "", "x"]
    assert "malformed" in rows[1][1]


def test_a_row_that_has_other_letters_or_more_fields_is_no_caption_cut_short(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", b"url,text\nhttp://a.example/,caf\xe9\nhttp://a.example/,Paris, in rain\nx,y\n")
    assert rows == [("", "text that is no UTF-8"), ("", "more fields than the 2 columns"), ("y", "")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'\nurl,text\nu,"two\nlines"\n\nv,second\n'),
        ("a.jsonl", b'\n{"url": "u", "text": "two\\nlines"}\n\n{"url": "v", "text": "second"}\n'),
    ],
)
def test_rows_are_counted_from_0_without_names_and_empty_lines(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    rows = read_rows(str(tmp_path / name), Columns("url", "text"))
    assert [(row.number, row.caption) for row in rows] == [(0, "two\nlines"), (1, "second")]


OPEN = "a quote is not closed"


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (['http://a/1,"open', "http://a/2,second", "http://a/3,third"], [OPEN, "second", "third"]),
        (["http://a/1,first", 'http://a/2,"open'], ["first", OPEN]),
        (['http://a/1,"a', 'b""', 'c"', 'http://a/2,"open', "http://a/3,x"], ['a\nb"\nc', OPEN, "x"]),
        (['http://a/1,5" tall', "http://a/2,x", 'http://a/3,"y" z'], ['5" tall', "x", "y z"]),
        (['http://a/1,"a', "", '"', "http://a/2,x"], ["a\n\n", "x"]),
    ],
)
def test_a_quote_that_nothing_closes_costs_its_row_alone(tmp_path: Path, lines: list[str], rows: list[str]) -> None:
    found = read(tmp_path / "a.csv", "\n".join(["url,text", *lines]).encode())
    assert [caption or fault for caption, fault in found] == rows


def test_an_open_quote_is_followed_as_far_as_a_field_may_go(tmp_path: Path) -> None:
    line = "http://a.example/,word\n"
    for times, captions, faults in ((40_000, 1, 0), (60_000, 59_999, 2)):  # 0.9 and 1.3 MB
        found = read(tmp_path / "a.csv", f'url,text\nu,"{line * times}"\n'.encode())
        assert [fault for _, fault in found].count(OPEN) == faults
        assert len([caption for caption, _ in found if caption]) == captions


def test_rows_over_lines_and_open_quotes_are_read_in_time_that_grows_with_them(tmp_path: Path) -> None:
    for line in ('a"b,"c', 'u,"x', 'u,"x""', '"', '"""'):
        started = time.process_time()
        read(tmp_path / "a.csv", f"url,text\n{line}\nu,v\n".encode() * 10_000)
        assert time.process_time() - started < 2


def test_a_caption_that_a_table_has_as_nan_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": ["http://a.example/"], "caption": [float("nan")]}), path)
    assert [row.caption for row in read_rows(str(path), find_columns(str(path), ListSettings()))] == [""]


def test_a_column_that_is_there_twice_and_utf_16_are_told(tmp_path: Path) -> None:
    path, twice = tmp_path / "a.parquet", ["url", "caption", "url"]
    pq.write_table(pa.table([pa.array(["x"])] * 3, names=twice), path)
    for told in (find_columns, lambda name, _: check_list(name)):
        with pytest.raises(InputError, match="2 columns url: rename all but one"):
            told(str(path), ListSettings())
    with pytest.raises(InputError, match="it is UTF-16, and a list is UTF-8"):
        read(tmp_path / "a.tsv", "url\ttext\n".encode("utf-16"))


def test_nan_in_a_line_of_json_is_nothing_and_what_is_nested_is_handed_through_as_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"url": "http://a.example/1", "text": NaN, "k": {"a": [1, "\u00e9"]}, "n": Infinity}\n')
    settings = ListSettings(keep_columns=("k",))
    assert list(read_rows(str(path), find_columns(str(path), settings))) == [
        Row(0, "http://a.example/1", "", {"k": '{"a":[1,"é"]}'})
    ]


def test_a_quotation_mark_in_a_tab_separated_list_takes_in_no_other_row(tmp_path: Path) -> None:
    captions = ['a "b', '"', 'c "x" d', '"q" d', '"open', 'shut"', 'e "', '""f', "last"]
    lines = [f"http://a.example/{number}\t{text}" for number, text in enumerate(captions)]
    rows = read(tmp_path / "a.tsv", "\n".join(["url\ttext", *lines]).encode())
    assert rows == [(text, "") for text in captions]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("names", [("url", "text"), ("text", "url"), ("url", "text", "n"), ("text", "n", "url")])
def test_what_is_quoted_in_a_tab_separated_list_is_read_as_it_was(
    tmp_path: Path, names: tuple[str, ...], end: str
) -> None:
    captions = ['two\nlines, "quoted"', "a\ttab", '"whole"', "\nthree\n", '"', "plain"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, delimiter="\t", lineterminator=end)
    writer.writeheader()
    for number, caption in enumerate(captions):
        row = {"url": f"http://a.example/{number}", "text": caption, "n": number}
        writer.writerow({name: row[name] for name in names})
    assert read(tmp_path / "a.tsv", text.getvalue().encode()) == [(caption, "") for caption in captions]


def test_marks_that_quote_nothing_cost_no_more_than_their_lines() -> None:
    lines = ["url\ttext\n", *['u\t"x\n', '"\n', '""""x\n', "none\n"] * 5000]
    started = time.process_time()
    assert "".join(sound_quotes(iter(lines))).count("\n") == len(lines)
    assert time.process_time() - started < 5
