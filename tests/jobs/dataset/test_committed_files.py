"""What a query costs in requests, and that its answers are right however much of a file is held."""

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jobs.dataset import committed_files
from jobs.dataset.committed_files import CommittedFiles
from jobs.dataset.index import Index
from schemas.storage import Store


class Counting(MemoryFileSystem):
    """Memory as a store that is asked over the network."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[str, str]] = Counter()

    def info(self, path: str, **named: Any) -> dict[str, Any]:
        self.asked["info", path.rpartition("/")[2]] += 1
        return dict(super().info(path, **named))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **named: Any) -> bytes:
        self.asked["read", path.rpartition("/")[2]] += 1
        with MemoryFileSystem._open(self, self._strip_protocol(path)) as file:
            data = file.read()
        file.seek(0)
        return bytes(data[start:end])


@pytest.fixture
def store() -> Counting:
    counting = Counting()
    counting.pipe("/queried/small.parquet", written(100, 100))
    counting.pipe("/queried/large.parquet", written(100_000, 20_000))
    return counting


def written(rows: int, in_a_group: int) -> bytes:
    table = pa.table({"number": range(rows), "text": [f"row {row} of many" for row in range(rows)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=in_a_group, compression="none")
    return sink.getvalue().to_pybytes()


def connected(store: Counting) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register_filesystem(CommittedFiles(store))
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def test_however_often_a_small_file_is_asked_it_is_looked_at_and_read_once(store: Counting) -> None:
    with connected(store) as connection:
        for number in range(5):
            ask = f"select sum(number + {number}), max(text) from read_parquet(['memory:///queried/small.parquet'])"
            assert connection.execute(ask).fetchall() == [(4950 + 100 * number, "row 99 of many")]
    assert store.asked == {
        ("info", "small.parquet"): 1,
        ("read", "small.parquet"): 1,
    }


@pytest.mark.parametrize("held", [committed_files._MAX_HELD_BYTES, 0])
def test_of_a_large_file_the_end_is_held_and_the_rest_is_read_where_it_is_needed(
    store: Counting, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committed_files, "_MAX_HELD_BYTES", held)
    with connected(store) as connection:
        for number in (0, 30_000, 99_999):
            ask = f"select text from read_parquet(['memory:///queried/large.parquet']) where number = {number}"
            assert connection.execute(ask).fetchall() == [(f"row {number} of many",)]
        said = connection.execute(
            "select count(*), sum(length(text)) from read_parquet(['memory:///queried/large.parquet'])"
        )
        assert said.fetchall() == [(100_000, sum(len(f"row {row} of many") for row in range(100_000)))]
    assert store.asked["info", "large.parquet"] == 1
    assert store.asked["read", "large.parquet"] < 25


def test_a_file_that_is_not_there_is_none(store: Counting) -> None:
    with connected(store) as connection, pytest.raises(duckdb.IOException, match=r"none\.parquet"):
        connection.execute("select * from read_parquet(['memory:///queried/none.parquet'])")


def test_a_storage_that_fails_is_not_taken_for_one_without_the_file(
    store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def info(path: str, **_: Any) -> dict[str, Any]:
        raise ConnectionError("the bucket does not answer")

    monkeypatch.setattr(store, "info", info)
    with connected(store) as connection, pytest.raises(duckdb.Error, match="the bucket does not answer"):
        connection.execute("select * from read_parquet(['memory:///queried/small.parquet'])")


def test_an_index_in_a_store_asks_once_for_each_of_its_files(looked_at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(looked_at), "/asked-once", recursive=True)
    infos: Counter[str] = Counter()

    def info(self: MemoryFileSystem, path: str, **named: Any) -> dict[str, Any]:
        infos[path] += path.endswith(".parquet")
        return told(self, path, **named)

    told = MemoryFileSystem.info
    monkeypatch.setattr(MemoryFileSystem, "info", info)
    with Index(Store("memory:///asked-once")) as index:
        for _ in range(3):
            assert index.ask("select count(*), count(distinct url) from pairs").rows == [(13, 13)]
            assert index.ask("select count(*) from samples where num_words > 2").rows[0][0] > 0
    assert {count for path, count in infos.items() if "/pairs/shards/" in path} == {1}
    memory.rm("/asked-once", recursive=True)
