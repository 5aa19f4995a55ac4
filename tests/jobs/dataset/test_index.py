"""SQL over the index: what it can see, and what it cannot do."""

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from jobs.dataset import committed_files
from jobs.dataset.cards.write import refresh_cards
from jobs.dataset.index import Index, QueryError, StorageError
from schemas.storage import Store


@pytest.fixture(scope="module")
def index(looked_at: Path) -> Iterator[Index]:
    with Index(Store(str(looked_at))) as opened:
        yield opened


def test_each_kind_is_a_table_with_the_place_of_its_samples(index: Index) -> None:
    assert index.kinds == ["interleaved", "pairs", "clips"]
    rows = index.ask("SELECT key, shard, row FROM interleaved ORDER BY key").dicts()
    assert len(rows) == 7
    assert all(row["key"].startswith(row["shard"][:6]) for row in rows)
    counts = dict(index.ask("SELECT kind, count(*) FROM samples GROUP BY 1").rows)
    assert counts == {"interleaved": 7, "pairs": 13, "clips": 1}
    assert index.ask("SELECT reason FROM drops WHERE kind = 'page' AND url LIKE '%short%'").rows == [("few_words",)]


def test_what_all_kinds_have_in_common_holds_their_signals(index: Index) -> None:
    rows = index.ask("SELECT kind, consent_verdict, signals FROM samples ORDER BY 1").rows
    assert {(kind, verdict) for kind, verdict, _ in rows} == {(kind, "unknown") for kind in index.kinds}
    assert all(signals == [] for _, _, signals in rows)


def test_a_column_that_only_newer_shards_have_is_read_of_these(looked_at: Path, tmp_path: Path) -> None:
    """The first file alone was asked which columns there are, and it is the oldest."""
    copy = Path(shutil.copytree(looked_at, tmp_path / "copy"))
    (old,) = (copy / "pairs/shards").glob("*.parquet")
    new, mark = old.with_name("000009-000.parquet"), copy / f"pairs/commit/{old.stem}.json"
    shutil.copy(old, new)
    pq.write_table(pq.read_table(old).drop_columns(["signals", "consent_verdict"]), old)
    stated = json.loads(mark.read_bytes())
    of_new = {**stated, "partition": 9, "shard": {**stated["shard"], "name": new.stem}, "config_hash": "newer"}
    mark.with_name(f"{new.stem}.json").write_text(json.dumps(of_new))
    with Index(Store(str(copy))) as index:
        assert index.ask("SELECT count(*), count(signals) FROM pairs").rows == [(26, 13)]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1 AS a) TO '{parquet}' (FORMAT parquet)",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SET memory_limit = '100GB'",
        "ATTACH '{folder}/x.db'",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{parquet}'",
        "INSTALL httpfs",
        "selekt",
        "",
    ],
)
def test_nothing_can_be_written_and_nothing_else_be_read(index: Index, looked_at: Path, sql: str) -> None:
    parquet = next((looked_at / "interleaved/shards").glob("*.parquet"))
    before = parquet.read_bytes()
    with pytest.raises(QueryError):
        index.ask(sql.format(parquet=parquet, folder=looked_at))
    assert parquet.read_bytes() == before


def test_a_table_that_is_not_there_is_told_with_those_that_are(index: Index) -> None:
    with pytest.raises(QueryError, match=r"no table pair; the nearest is pairs \(the tables that are there: interle"):
        index.ask("SELECT * FROM pair")
    with pytest.raises(QueryError, match="nonsense") as found:
        index.ask("SELECT nonsense(1)")
    assert "tables that are there" not in str(found.value)


def test_a_kind_of_which_there_is_nothing_is_told_in_plain_words(looked_at: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(looked_at, tmp_path / "out")
    shutil.rmtree(copy / "pairs")
    with Index(Store(str(copy))) as index, pytest.raises(QueryError) as found:
        index.ask("SELECT * FROM pairs")
    said = "no pairs in this dataset (the tables that are there: interleaved, clips, samples, drops, removed)"
    assert str(found.value) == said


def test_a_query_that_takes_too_long_is_ended(index: Index) -> None:
    with pytest.raises(QueryError, match=r"longer than 0\.3 s"):
        index.ask("SELECT count(*) FROM range(100000000) a, range(100000) b", timeout_s=0.3)
    assert index.ask("SELECT 1").rows == [(1,)]


QUERY = """
import signal, sys
from jobs.cli import main
import jobs.commands.query, jobs.dataset.index
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
print("ready", flush=True)
sys.exit(main(["query", *sys.argv[1:]]))
"""


def test_ctrl_c_ends_a_query_in_a_line(looked_at: Path) -> None:
    """DuckDB's own error for it had no class and no reason: a traceback was printed."""
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3"
    command = [sys.executable, "-c", QUERY, str(looked_at), endless]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        said = process.stderr.read() if process.stderr is not None else ""
    assert (process.returncode, said) == (130, "interrupted\n")


def test_an_error_of_duckdb_that_a_signal_caused_is_the_signals(index: Index) -> None:
    with pytest.raises(KeyboardInterrupt), index._cursor(None):
        raise RuntimeError("Query interrupted") from KeyboardInterrupt()
    with pytest.raises(RuntimeError, match="another"), index._cursor(None):
        raise RuntimeError("another")
    assert index.ask("SELECT 1").rows == [(1,)]


def test_a_query_that_a_signal_ends_is_interrupted_before_its_connection_is_closed(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing waited for its end, which may be hours away."""
    done: list[str] = []
    cursor = SimpleNamespace(interrupt=lambda: done.append("interrupt"), close=lambda: done.append("close"))
    monkeypatch.setattr(index, "_connection", SimpleNamespace(cursor=lambda: cursor))
    with pytest.raises(KeyboardInterrupt), index._cursor(None):
        raise RuntimeError("Query interrupted") from KeyboardInterrupt()
    assert done == ["interrupt", "close"]


def test_many_threads_may_ask_at_once(index: Index) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: index.ask("SELECT count(*) + ? FROM pairs", [n]).rows[0][0], range(200)))
    assert found == [13 + number for number in range(200)]


def test_closing_ends_a_query_that_runs(looked_at: Path) -> None:
    index = Index(Store(str(looked_at)))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(index.ask, "SELECT count(*) FROM range(100000000) a, range(100000) b", timeout_s=None)
        while not index._cursors:
            time.sleep(0.01)
        index.close()
        with pytest.raises(QueryError):
            running.result(60)
    with pytest.raises(QueryError, match="closed"):
        index.ask("SELECT 1")


def test_an_answer_that_nobody_reads_to_its_end_holds_nothing_up(looked_at: Path) -> None:
    with Index(Store(str(looked_at))) as index:
        batches = index.batches("SELECT * FROM range(1000000)", size=10)
        assert len(next(batches)) > 0
    batches.close()


def test_an_answer_is_cut_at_its_limit_and_says_so(index: Index) -> None:
    found = index.ask("SELECT key FROM pairs", limit=5)
    assert (len(found.rows), found.more) == (5, True)
    assert index.ask("SELECT key FROM pairs", limit=13).more is False


def test_a_dataset_that_lies_elsewhere_is_read_in_place(looked_at: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(looked_at), "/elsewhere", recursive=True)
    with Index(Store("memory://elsewhere")) as index:
        assert index.ask("SELECT count(*) FROM pairs").rows == [(13,)]
        with pytest.raises(QueryError):
            index.ask("SELECT * FROM read_text('/etc/hostname')")
    memory.rm("/elsewhere", recursive=True)


@pytest.fixture
def elsewhere(looked_at: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The dataset at memory://elsewhere; files with names that end as what is added to the list cannot be opened."""
    memory, failing = fsspec.filesystem("memory"), list[str]()
    memory.put(str(looked_at), "/elsewhere", recursive=True)
    opened, read = type(memory).open, type(memory).cat_file

    def flaky(self: Any, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb" and path.endswith(tuple(failing)):
            raise RuntimeError("the connection was cut")  # clients of object stores have errors of their own
        return opened(self, path, mode, **options)

    def flaky_too(self: Any, path: str, *where: Any, **options: Any) -> Any:
        if path.endswith(tuple(failing)):
            raise RuntimeError("the connection was cut")
        return read(self, path, *where, **options)

    monkeypatch.setattr(type(memory), "open", flaky)
    monkeypatch.setattr(type(memory), "cat_file", flaky_too)
    monkeypatch.setattr(committed_files, "_TAIL_BYTES", 0)  # as if they were so large that not all of them is held
    yield failing
    memory.rm("/elsewhere", recursive=True)


def test_a_storage_that_fails_is_told_in_a_line_and_is_no_fault_of_the_query(
    elsewhere: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Index(Store("memory://elsewhere")) as index:
        elsewhere.append(".parquet")
        with pytest.raises(StorageError, match=r"^RuntimeError: the connection was cut$"):
            index.ask("SELECT count(url) FROM pairs")
        elsewhere.clear()
        with pytest.raises(QueryError) as found:
            index.ask("SELECT no_column FROM pairs")
        assert not isinstance(found.value, OSError)
        assert index.ask("SELECT count(url) FROM pairs").rows == [(13,)]
    elsewhere.append(".parquet")
    assert main(["query", "memory://elsewhere", "SELECT 1"]) == 1
    assert "the connection was cut" in capsys.readouterr().err


def test_a_card_that_the_storage_keeps_from_being_written_is_written_by_the_next_run(elsewhere: list[str]) -> None:
    store = Store("memory://elsewhere")
    for name in ("README.md", "croissant.json", "card.json"):
        store.remove(name)
    elsewhere.append(".parquet")
    with pytest.raises(OSError, match="the connection was cut"):
        refresh_cards(store)
    elsewhere.clear()
    refresh_cards(store)
    assert store.exists("README.md")


def test_columns_of_one_name_keep_their_own_values_and_no_rows_have_columns(
    looked_at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = (
        "select a.key, b.key, a.key as key_1 from interleaved a, interleaved b where a.key < b.key order by all limit 1"
    )
    assert main(["query", str(looked_at), sql, "--csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    first, second, again = row.split(",")
    assert header == "key,key,key_1"
    assert first == again < second
    assert main(["query", str(looked_at), sql, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"key": first, "key_2": second, "key_1": first}
    assert main(["query", str(looked_at), "select key, url from pairs where false", "--csv"]) == 0
    assert capsys.readouterr().out == "key,url\n"


def test_query_prints_a_table_csv_or_json(looked_at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select kind, count(*) n from samples group by 1 order by 1"
    assert main(["query", str(looked_at), sql]) == 0
    assert "interleaved   7" in capsys.readouterr().out
    assert main(["query", str(looked_at), sql, "--csv"]) == 0
    printed = capsys.readouterr().out
    assert list(csv.reader(io.StringIO(printed)))[:2] == [["kind", "n"], ["clips", "1"]]
    assert "\r" not in printed  # a shell would take it for a part of the last column
    assert main(["query", str(looked_at), sql, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == {"kind": "clips", "n": 1}
    assert main(["query", str(looked_at), "select nothing from pairs"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert main(["query", "/nowhere", sql]) == 2


def test_a_row_too_wide_for_the_terminal_is_shown_a_column_a_line(looked_at: Path) -> None:
    """Of 80 columns each column of a wide row would have two."""
    call = f"{sys.executable} -m jobs.cli query {looked_at} 'select * from interleaved order by key' --limit 2"
    done = subprocess.run(
        ["script", "-qec", f"stty cols 80; {call}", "/dev/null"], capture_output=True, text=True, check=True
    )
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in done.stdout.splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[0] == "row 1"
    assert any(re.fullmatch(r" +domain  looked\.example", line) for line in lines)


def test_a_row_too_wide_for_a_pipe_is_shown_in_the_same_way(
    looked_at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["query", str(looked_at), "select * from interleaved order by key", "--limit", "2"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "row 1"
    assert any(re.fullmatch(r" +domain  looked\.example", line) for line in lines)


def test_lines_for_a_pipe_are_not_folded(
    looked_at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in (20, 40):  # as a table, and a column a line
        assert main(["query", str(looked_at), f"select key, repeat('word ', {words}) as t from pairs"]) == 0
        assert ("word " * words).strip() in capsys.readouterr().out


@pytest.mark.parametrize("form", ["--csv", "--json", "--limit=9"])
def test_numbers_of_32_bits_are_printed_as_short_as_they_are(
    form: str, looked_at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "select 0.3::float a, [0.1::float, null] b, {'c': 0.7::float} d, interval 3 day e"
    assert main(["query", str(looked_at), sql, form]) == 0
    said = capsys.readouterr().out
    assert all(number in said for number in ("0.3", "0.1", "0.7"))
    assert "00000" not in said
    assert ("P3D" if form == "--json" else "3 days") in said


def test_rows_for_programs_have_all_columns_and_numbers(looked_at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(sql: str, form: str) -> str:
        assert main(["query", str(looked_at), sql, form]) == 0
        return capsys.readouterr().out

    twice = "select 1 as key, 2 as key, 3 as key_2"
    assert asked(twice, "--csv") == "key,key,key_2\n1,2,3\n"
    assert asked(twice, "--json") == '{"key":1,"key_1":2,"key_2":3}\n'
    assert asked("select key, url from pairs where false", "--csv") == "key,url\n"
    assert asked("select sum(a) n from (values (1), (2)) t(a)", "--json") == '{"n":3}\n'
