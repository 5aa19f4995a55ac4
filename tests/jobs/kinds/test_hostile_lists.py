"""Lists of videos and pairs whose rows were written by somebody who means harm, or by nobody careful."""

import json
import os
import re
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weft
from crawlers.url_lists import Columns, read_rows
from jobs.build import build
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings
from jobs.kinds.clips.source import ListedFiles, address_of
from schemas.dataset import Dataset
from schemas.drops import Drop
from tests.pipeline.videos import make_video

CONFIG = msgspec.structs.replace(BuildConfig(), kinds=("clips",), partitions=1, buckets=1)
CAPTION = "A baker folds the dough by hand and leaves it to rest under a cloth"
VTT = b"WEBVTT\n\n00:00.500 --> 00:02.000\nSaid in private\n"


def built(tmp_path: Path, content: str | bytes, folder: str = "", name: str = "list.jsonl") -> Dataset:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    config = msgspec.structs.replace(CONFIG, videos_folder=folder)
    engine = EngineSettings(engine="inline")
    dataset = build(str(tmp_path / "out"), [], config, engine, videos=[str(tmp_path / name)])
    assert all(count.unaccounted(kind) == 0 for count in dataset.phases.values() for kind in count.seen)
    return dataset


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `films` that may be read, a file beside it that may not, and ways from one to the other."""
    films = tmp_path / "films"
    (films / "folder.mp4").mkdir(parents=True)
    video = make_video(scenes=(75,), size=(320, 240))
    for path in (tmp_path / "private.mp4", films / "good.mp4"):
        path.write_bytes(video)
    (tmp_path / "private.vtt").write_bytes(VTT)
    (films / "good.vtt").write_bytes(VTT)
    (films / "link.mp4").symlink_to(tmp_path / "private.mp4")
    (films / "link.vtt").symlink_to(tmp_path / "private.vtt")
    (films / "up").symlink_to(tmp_path)
    (films / "loop.mp4").symlink_to(films / "loop.mp4")
    (films / "within.mp4").symlink_to(films / "good.mp4")
    os.mkfifo(films / "pipe.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(place: Path) -> list[str]:
    """What rows may name to reach the private file, or to break a build."""
    private = place / "private.mp4"
    return [
        f"file://{private}", f"FILE://{private}", f"file:{private}", f"local://{private}", f"{private}",
        f"simplecache::file://{private}", "simplecache::http://127.0.0.1:9/x", f"blockcache::file://{private}",
        f"zip://private.mp4::{private}", "memory://x", "data:video/mp4;base64,AAAA", "ftp://127.0.0.1/x", "gs://b/x",
        "s3://b/x", "github://a:b@/x", "reference://x", "odd+scheme://x", "javascript:alert(1)", "concat:private.mp4",
        "../private.mp4", "films/../../private.mp4", "./../private.mp4", "up/private.mp4", "link.mp4", "loop.mp4",
        "folder.mp4", ".", "..", "/", "", " ", "~/private.mp4", "$HOME/x", "pipe.mp4", "/dev/zero", "/dev/stdin",
        "/proc/self/environ", "private.mp4", "private.mp4\0.mp4", "good.mp4\0", "a\nb", "x" * 5000, "a/" * 3000,
        "http://", "http:///x", "http://[::1", "http://a b/", "http://a.example:99999/", "HTTP://a.example/v.mp4",
        "https:a.example", "//a.example/v.mp4", "*.mp4", "?.mp4", "[a]", "C:\\x.mp4", "good.mp4/", "good.mp4/x",
    ]  # fmt: skip


@pytest.mark.parametrize("inside", [False, True])
def test_no_row_reaches_what_lies_outside_of_the_folder_or_ends_a_build(place: Path, inside: bool) -> None:
    rows = [{"url": name, "text": f"{CAPTION} number {at}"} for at, name in enumerate(names(place))]
    folder = str(place / "films") if inside else ""
    dataset = built(place, "\n".join(map(json.dumps, rows)), folder)
    assert dataset.kinds["clips"].samples == (1 if inside else 0)  # "good.mp4/" is read as what it means
    assert set(dataset.drops["video"]) <= {
        "bad_address", "bad_row", "file_not_allowed", "not_captured", "duplicate_video", "too_large",
    }  # fmt: skip


def test_subtitles_obey_the_same_rules(place: Path) -> None:
    for at, name in enumerate(name for name in names(place) if "good" not in name):
        (place / str(at)).mkdir()
        row = {"path": "good.mp4", "text": CAPTION, "subtitles": name.replace(".mp4", ".vtt")}
        built(place / str(at), json.dumps(row), str(place / "films"))
        for path in (place / str(at) / "out").rglob("*.tar"):
            assert b"Said in private" not in path.read_bytes(), name


def test_files_below_the_folder_are_read_by_relative_and_whole_names(place: Path) -> None:
    folder = str(place / "films")
    named = ["good.mp4", "./good.mp4", f"{folder}/good.mp4", "within.mp4"]
    rows = [{"path": name, "text": CAPTION, "subtitles": "good.vtt"} for name in named]
    dataset = built(place, "\n".join(map(json.dumps, rows)), "films")
    assert dataset.kinds["clips"].samples == 2
    assert dataset.drops["video"] == {"duplicate_video": 2}
    with weft.open(place / "out", "clips") as clips:
        details = clips.query("SELECT detail FROM drops WHERE reason = 'duplicate_video'")["detail"]
    assert all(re.fullmatch(r"taken from row \d of .*\.jsonl, row \d of .*\.jsonl", str(detail)) for detail in details)
    assert b"Said in private" in b"".join(path.read_bytes() for path in (place / "out").rglob("*.tar"))


def test_a_folder_of_a_store(place: Path) -> None:
    folder = f"file://{place}/films"
    rows = [{"path": name, "text": CAPTION} for name in ("good.mp4", f"{folder}/good.mp4", "../private.mp4", "gone")]
    dataset = built(place, "\n".join(map(json.dumps, rows)), folder)
    assert dataset.kinds["clips"].samples == 1
    assert dataset.drops["video"] == {"duplicate_video": 1, "file_not_allowed": 1, "not_captured": 1}


def test_an_address_in_capitals_is_an_address() -> None:
    assert address_of("HTTP://A.example/v.mp4", "") == "http://a.example/v.mp4"
    assert address_of("hTTps://a.example/V.mp4", "/films") == "https://a.example/V.mp4"


def test_a_step_that_names_a_file_reaches_the_folder_alone(place: Path) -> None:
    class Nothing:
        def get(self, url: str) -> None:
            raise AssertionError(url)

    media = ListedFiles(Nothing(), 1 << 30, str(place / "films"))  # type: ignore[arg-type]
    for name in names(place):
        if not name.lower().startswith("http") and "good" not in name:
            with pytest.raises(Drop):
                media.get(name)


BAD_LINES = [
    b'{"path"', b"[]", b"null", b"5", b'"good.mp4"', b'{"path": "\xff\xfe.mp4", "text": "x"}', b'{"path": 1e999}',
    b'{"path": {"a": "b"}, "text": "x"}', b'{"path": ["good.mp4"]}', b'{"path": "good.mp4", "text": {"a": 1}}',
    b'{"path": "\\ud800", "text": "x"}', b"[" * 100_000, b'{"a":' * 50_000, b"\0\0\0", b"{'path': 'x'}",
    b'{"path": "good.mp4", "title": [1]}', b'{"path": "good.mp4", "subtitles": {}}', b'{"path": true, "text": [[]]}',
]  # fmt: skip


def test_a_bad_row_is_a_dropped_row(place: Path) -> None:
    good = json.dumps({"path": "good.mp4", "text": CAPTION}).encode()
    dataset = built(place, b"\n".join([good, *BAD_LINES, b"", good]), str(place / "films"))
    assert dataset.kinds["clips"].samples == 1
    assert dataset.drops["video"] == {"bad_row": len(BAD_LINES), "duplicate_video": 1}


def test_bad_rows_of_csv(place: Path) -> None:
    rows = [
        b"path,text", b"good.mp4," + CAPTION.encode(), b"\xff\xfe,x", b"a.mp4," + b"y" * (2 << 20), b"only", b",,,,,",
        b'good.mp4,"' + CAPTION.encode() + b'"', b'"open quote,' + b"z" * (2 << 20),
    ]  # fmt: skip
    dataset = built(place, b"\n".join(rows), str(place / "films"), "list.csv")
    assert dataset.kinds["clips"].samples == 1
    assert set(dataset.drops["video"]) <= {"bad_row", "duplicate_video", "not_captured", "few_words", "no_caption"}
    assert dataset.drops["video"]["bad_row"] >= 2


def test_bad_rows_of_parquet(place: Path) -> None:
    raw = pa.array([b"good.mp4", b"\xff\xfe", None])
    strings = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"path": strings, "text": [CAPTION] * 3}), place / "odd.parquet")
    dataset = built(place, (place / "odd.parquet").read_bytes(), str(place / "films"), "list.parquet")
    assert dataset.kinds["clips"].samples == 1
    assert dataset.drops["video"] == {"bad_row": 2}


@pytest.mark.parametrize(
    "column", [pa.array([{"a": 1}]), pa.array([["x"]]), pa.array([1 << 62]), pa.array([None], pa.string())]
)
def test_columns_of_other_types(place: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"path": column, "text": [CAPTION]}), place / "odd.parquet")
    dataset = built(place, (place / "odd.parquet").read_bytes(), str(place / "films"), "list.parquet")
    assert set(dataset.drops["video"]) <= {"bad_row", "not_captured"}


def test_bad_rows_of_pairs_are_faults_of_those_rows(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\n".join([b'{"url": "http://a.example/a.jpg", "caption": "c"}', *BAD_LINES]))
    rows = list(read_rows(str(path), Columns("url", "caption")))
    assert len(rows) == 1 + len(BAD_LINES)
    assert [row.number for row in rows] == list(range(len(rows)))
    assert rows[0].url
    assert all(row.fault or not row.url for row in rows[1:])


def test_a_line_without_an_end_takes_no_more_memory_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawlers.url_lists._MAX_LINE", 1000)
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b'{"url": "' + b"x" * 100_000 + b'"}\n{"url": "http://a.example/", "caption": "c"}\n')
    rows = list(read_rows(str(path), Columns("url", "caption")))
    assert [bool(row.fault) for row in rows] == [True, False]
