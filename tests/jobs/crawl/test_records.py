"""The journey from an index to a dataset, by the commands of docs/common-crawl.md, and what may go wrong on it."""

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import weft
from jobs.cli import main
from jobs.crawl import records
from tests.crawlers.archive_server import FOLDER, ArchiveServer, write_archives, write_index
from tests.crawlers.servers import Reply
from tests.crawlers.warcs import Record, response
from tests.jobs.site import article, photo

PAGE = Path(__file__).parents[3] / "docs" / "common-crawl.md"
MORE = ["--engine", "inline", "--set", "ranges.max_range_bytes=1", "--set", "partitions=2"]
Rows = list[dict[str, object]]


def site(host: str, pages: int = 3) -> list[Record]:
    """Articles with two pictures each."""
    made: list[Record] = []
    for number in range(pages):
        seed = number + 100 * ord(host[0])
        images = [f"https://{host}/{number}-{side}.jpg" for side in "ab"]
        made.append(response(f"https://{host}/{number}", article(seed, images)))
        made += [response(url, photo(2 * seed + side), content_type="image/jpeg") for side, url in enumerate(images)]
    return made


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    hosts = ("a.example", "b.example", "far.example")
    made = write_archives(tmp_path / "archives", {f"{host}.warc.gz": site(host) for host in hosts})
    for row in made:
        if str(row["url"]).endswith(".jpg"):
            row |= {"content_mime_detected": "image/jpeg", "content_languages": "eng"}
    return made


@pytest.fixture
def web(tmp_path: Path) -> Iterator[ArchiveServer]:
    with ArchiveServer(tmp_path / "archives") as server:
        yield server


def report(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "records.json").read_text()))


def test_the_commands_of_the_page_lead_from_an_index_to_a_dataset(
    tmp_path: Path, rows: Rows, web: ArchiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "index").mkdir()
    write_index(tmp_path / "index" / "part-0.parquet", rows[:5])
    write_index(tmp_path / "index" / "part-1.parquet", rows[5:])
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]
    commands = [command for command in commands if "--robots" not in command]  # asks the real Common Crawl
    assert [command[:2] for command in commands] == [
        ["weft", "crawl"], ["weft", "build"], ["weft", "inspect"], ["weft", "build"],
    ]  # fmt: skip
    for _, *arguments in commands:
        here = [] if arguments[0] == "inspect" else ["--engine", "inline"]
        here += ["--archives-at", web.url] if {"--from-index", "--records"} & {*arguments} else []
        if "media.from_web=true" in arguments:  # there is no web here: the archives have the images
            arguments[arguments.index("media.from_web=true")] = "corpus.max_image_places=null"
        assert main([*arguments, *here]) == 0
    assert {line.path.rpartition("/")[2] for line in web.log} == {"a.example.warc.gz", "b.example.warc.gz"}
    kinds = {name: json.loads(Path(name, "dataset.json").read_text())["kinds"] for name in ("dataset", "other")}
    assert {name: found["interleaved"]["samples"] for name, found in kinds.items()} == {"dataset": 6, "other": 3}


def test_where_each_copy_came_from_is_written_beside_the_archives(
    tmp_path: Path, rows: Rows, web: ArchiveServer
) -> None:
    gone = {**rows[0], "warc_filename": f"{FOLDER}/gone.warc.gz"}
    index = write_index(tmp_path / "i.parquet", [*rows, gone])
    assert main(["crawl", "--from-index", index, "-o", str(tmp_path / "r"), "--archives-at", web.url, *MORE]) == 0
    copies = [row for path in sorted((tmp_path / "r/records").iterdir()) for row in pq.read_table(path).to_pylist()]
    assert len(copies) == len(rows)
    for copy in copies:
        ours = (tmp_path / "r/warc" / copy["file"]).read_bytes()[copy["offset"] :][: copy["length"]]
        source = (tmp_path / "archives" / copy["source"]).read_bytes()
        assert ours == source[copy["source_offset"] :][: copy["source_length"]]
    drops = [row for path in (tmp_path / "r/drops").iterdir() for row in pq.read_table(path).to_pylist()]
    assert [(row["url"], row["kind"], row["reason"]) for row in drops] == [
        ("https://a.example/0", "record", "no_such_archive")
    ]
    assert report(tmp_path / "r")["drops"] == {"no_such_archive": 1}


def test_a_killed_run_asks_for_nothing_again_but_what_was_in_flight(tmp_path: Path) -> None:
    many = [response(f"https://a.example/{number}", f"page {number}") for number in range(300)]
    index = write_index(tmp_path / "i.parquet", write_archives(tmp_path / "archives", {"a.warc.gz": many}))
    with ArchiveServer(tmp_path / "archives") as web:
        pace = ["--set", "ranges.max_requests_per_s=200", "--set", "ranges.connections=4"]
        arguments = ["crawl", "--from-index", index, "-o", str(tmp_path / "r"), "--archives-at", web.url, *MORE, *pace]
        for enough in (60, 160):
            run = subprocess.Popen([sys.executable, "-m", "jobs.cli", *arguments], start_new_session=True)
            end = time.monotonic() + 60
            while len(web.log) < enough and time.monotonic() < end:
                time.sleep(0.02)
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        assert main(arguments) == 0
        assert len(web.ranges()) == 300
        assert len(web.log) <= 300 + 2 * 4
    assert report(tmp_path / "r")["copied"] == 300
    copies = [row for path in (tmp_path / "r/records").iterdir() for row in pq.read_table(path).to_pylist()]
    assert len({(row["file"], row["offset"]) for row in copies}) == 300


def test_a_run_stops_pauses_and_says_what_it_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [response(f"https://a.example/{number}", f"page {number}") for number in range(200)]
    index = write_index(tmp_path / "i.parquet", write_archives(tmp_path / "archives", {"a.warc.gz": many}))
    out = str(tmp_path / "r")

    def line() -> str:
        """ "" while the run has not said anything yet."""
        code = main(["crawl", "-o", out, "--status"])
        return capsys.readouterr().out if code == 0 else ""

    with ArchiveServer(tmp_path / "archives") as web:
        pace = ["--set", "ranges.max_requests_per_s=100", "--set", "ranges.connections=4"]
        arguments = ["crawl", "--from-index", index, "-o", out, "--archives-at", web.url, *MORE, *pace]
        run = subprocess.Popen([sys.executable, "-m", "jobs.cli", *arguments], stdout=subprocess.PIPE, text=True)
        wait_until(lambda: len(web.log) > 10)
        assert main(["crawl", "-o", out, "--pause"]) == 0
        wait_until(lambda: line().startswith("paused"))
        asked = len(web.log)
        time.sleep(0.5)
        assert len(web.log) == asked < 200
        assert main(["crawl", "-o", out, "--resume"]) == 0
        wait_until(lambda: len(web.log) > asked + 10)
        assert main(["crawl", "-o", out, "--stop"]) == 0
        said, _ = run.communicate(timeout=60)
        assert (run.returncode, "left to copy: the same command goes on" in said) == (0, True)
        assert "left, 0.1 MB in" in line() or "left, 0.0 MB in" in line()
        assert not (tmp_path / "r" / "records.json").exists()
        copies = [row for path in (tmp_path / "r/records").iterdir() for row in pq.read_table(path).to_pylist()]
        assert 20 <= len(copies) < 200
        assert main(arguments) == 0
        assert len(web.ranges()) == len(web.log) == 200
        capsys.readouterr()
        assert line().startswith("ended")
        assert "200 records, 0 left" in line()
    assert (report(tmp_path / "r")["copied"], report(tmp_path / "r")["left"]) == (200, 0)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nothing_is_asked_for_that_is_denied(tmp_path: Path, rows: Rows, web: ArchiveServer) -> None:
    index = write_index(tmp_path / "i.parquet", rows)
    (tmp_path / "deny.txt").write_text("a.example\nhttps://b.example/0*\n")
    arguments = ["--archives-at", web.url, *MORE, "--deny", str(tmp_path / "deny.txt")]
    assert main(["crawl", "--from-index", index, "-o", str(tmp_path / "r"), *arguments]) == 0
    assert report(tmp_path / "r")["drops"] == {"denied": 9 + 3}
    assert report(tmp_path / "r")["copied"] == 27 - 12
    assert len(web.log) == 15
    assert not any("a.example" in line.path for line in web.log)
    drops = [row for path in (tmp_path / "r/drops").iterdir() for row in pq.read_table(path).to_pylist()]
    assert {row["url"].split("/")[2] for row in drops} == {"a.example", "b.example"}


def test_an_index_is_crawled_from_python(tmp_path: Path, rows: Rows, web: ArchiveServer) -> None:
    index = write_index(tmp_path / "i.parquet", rows)
    chosen = {"domains": ["a.example"], "types": ["text/html"]}
    done = weft.crawl(tmp_path / "r", index=index, selection=chosen, archives_at=web.url, engine="inline", workers=1)
    assert (done.copied, done.left, done.drops) == (3, 0, {})
    assert done.archives == ["weft-records-000-000000.warc.gz"]
    with pytest.raises(weft.SettingsError, match="no seeds"):
        weft.crawl(tmp_path / "s", "https://a.example/", index=index, engine="inline")  # type: ignore[call-overload]
    with pytest.raises(weft.SettingsError, match="go with `index`"):
        weft.crawl(tmp_path / "s", "https://a.example/", archives_at=web.url)  # type: ignore[call-overload]
    with pytest.raises(weft.SettingsError, match="domain"):
        weft.crawl(tmp_path / "s", index=index, selection={"domain": ["a.example"]}, engine="inline")


def test_another_index_or_choice_is_refused_and_another_pace_is_not(
    tmp_path: Path, rows: Rows, web: ArchiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    index = write_index(tmp_path / "i.parquet", rows)
    arguments = ["crawl", "--from-index", index, "-o", str(tmp_path / "r"), "--archives-at", web.url, *MORE]
    web.faults["a.example.warc.gz"] = [Reply(b"", status=500)] * 99
    failing = ["--set", "ranges.max_failures=1", "--set", "ranges.max_attempts=1", "--set", "ranges.backoff_s=0.01"]
    assert main([*arguments, *failing]) == 1
    assert "the same command goes on" in capsys.readouterr().err
    web.faults.clear()
    assert main([*arguments, "--domain", "a.example"]) == 2
    assert "another index or selection" in capsys.readouterr().err
    assert main([*arguments, "--set", "ranges.connections=3"]) == 0
    asked = len(web.log)
    assert main(arguments) == 0
    assert len(web.log) == asked


def test_a_state_that_cannot_be_written_is_one_line_and_goes_on(
    tmp_path: Path, rows: Rows, web: ArchiveServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["crawl", "--from-index", write_index(tmp_path / "i.parquet", rows), "-o", str(tmp_path / "r")]
    arguments += ["--archives-at", web.url, *MORE]
    with monkeypatch.context() as patch:
        patch.setattr(records._Copying, "run", full)
        assert main(arguments) == 1
    said = capsys.readouterr().err.removeprefix("starting ...\n")
    assert said == "weft: database or disk is full. What was copied stays; the same command goes on\n"
    assert main(arguments) == 0


async def full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["crawl", "-o", "OUT", "--domain", "a.example", "https://a.example/"], "--domain goes with --from-index"),
        (["build", "--output", "OUT", "--where", "true"], "--where goes with --records"),
        (["crawl", "--from-index", "INDEX", "-o", "OUT", "https://a.example/"], "takes no seeds"),
        (["crawl", "--from-index", "INDEX", "-o", "OUT", "--domain", "none.example"], "none of 27 rows"),
        (["crawl", "--from-index", "INDEX", "-o", "OUT", "--where", "nothing"], "cannot be read"),
        (["crawl", "--from-index", "INDEX", "-o", "OUT", "--set", "partitions=11"], "ranges.connections is 10"),
        (["crawl", "--from-index", "NONE", "-o", "OUT"], "no such file"),
        (["build", "--records", "INDEX", "--output", "memory://x"], "local or shared folder"),
    ],
)
def test_a_wrong_call_is_said_in_one_line(
    tmp_path: Path, rows: Rows, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"OUT": str(tmp_path / "r"), "INDEX": write_index(tmp_path / "i.parquet", rows), "NONE": "none.parquet"}
    assert main([*(names.get(word, word) for word in arguments), "--engine", "inline"]) == 2
    error = capsys.readouterr().err.removeprefix("starting ...\n")
    assert said in error
    assert error.count("\n") == 1
