"""The parquet indexes of a dataset as tables for SQL, by DuckDB; what is asked can read them and nothing else."""

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.dataset.summary import kinds_of
from schemas.builds import drop_files
from schemas.drop_files import SCHEMA as DROPS
from schemas.removals import COLUMNS as REMOVED
from schemas.removals import removed_files
from schemas.shards import Shard, ShardMark
from schemas.storage import Store
from schemas.superseded import LiveShards

#: What the tables of all kinds have in common, for the table `samples`.
_COMMON = ("key", "url", "domain", "language", "licence", "num_words", "warc_file", "shard", "row")
_MAX_SPILL_GB = 16
_SQL = {"string": "VARCHAR", "int32": "INTEGER"}
_CLOSE_TRIES = 100
_EMPTY = {"drops": DROPS, "removed": REMOVED}


class QueryError(Exception):
    """The query is wrong, is not one that only reads, or took too long. The message is for whoever wrote it."""


class Rows(msgspec.Struct, frozen=True):
    """An answer: names of the columns, and the rows. `more`: there are others, which were not asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool = False

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Index:
    """Tables `interleaved`, `pairs`, `clips` (those that are there), `samples` (what they have in common), `drops`, and
    `removed` (what the deny list took out).

    Beside the columns of docs/format.md a sample has `shard` and `row`, its number in the shard. Files are read where
    the dataset lies, and only as far as a query needs. A dataset that is still being built has the shards that
    were committed when it was opened. Samples that a later build replaced are in no table. Safe for several threads.
    """

    def __init__(self, store: Store, max_memory_mb: int = 1024, threads: int = 2) -> None:
        """Raises `NotADataset`, and `OSError` where the storage fails."""
        self.store, self._is_closed = store, False
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._changed = threading.Condition()
        self._live = {kind: LiveShards(store, kind) for kind in kinds_of(store)}
        self.marks: dict[str, list[ShardMark]] = {kind: live.marks for kind, live in self._live.items()}
        self.kinds = [kind for kind, marks in self.marks.items() if marks]
        drops = [f"drops/{name}" for name in drop_files(store)]
        self._connection = duckdb.connect(
            config={
                "memory_limit": f"{max_memory_mb}MB",
                "threads": threads,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "temp_directory": os.path.join(tempfile.gettempdir(), f"weft-{os.getpid()}"),  # made if it is needed
                "max_temp_directory_size": f"{_MAX_SPILL_GB}GB",
            }
        )
        self._connection.execute("SET parquet_metadata_cache = true")  # a committed file never changes
        if not store.is_local:
            self._connection.register_filesystem(store.fs)
        files = {
            kind: [self._path(f"{kind}/shards/{mark.shard.name}.parquet") for mark in self.marks[kind]]
            for kind in self.kinds
        }
        files["drops"] = [self._path(name) for name in drops]
        files["removed"] = [self._path(f"removed/{name}") for name in removed_files(store)]
        for kind in self.kinds:
            self._define_gone(kind)
        try:
            for table, paths in files.items():
                self._define(table, paths)
        except duckdb.IOException as error:
            raise OSError(str(error)) from None
        parts = [f"SELECT '{kind}' AS kind, {', '.join(self._common(kind))} FROM {kind}" for kind in self.kinds]
        if parts:
            self._connection.execute(f"CREATE VIEW samples AS {' UNION ALL BY NAME '.join(parts)}")
        # From here on nothing but these files can be opened, by whatever SQL.
        self._connection.execute(
            f"SET allowed_paths = {_literals([path for paths in files.values() for path in paths])}"
        )
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def of_shards(self, kind: str, shards: Sequence[str]) -> str:
        """What stands behind FROM in place of `kind` where only these of its shards are meant; no others are opened."""
        return f"({self._select(kind, [self._path(f'{kind}/shards/{shard}.parquet') for shard in shards])})"

    def shard(self, kind: str, name: str) -> Shard:
        """A shard whose index has the rows that its kind's table has, in their order."""
        return self._live[kind].open(name)

    def rows(self, kind: str, name: str) -> NDArray[np.int64] | None:
        """The values of `row` that a shard has, in order; None where they are all from 0."""
        return self._live[kind].rows(name)

    def place(self, kind: str, name: str, row: int) -> int:
        """The number of a row among those that a shard has."""
        live = self.rows(kind, name)
        return row if live is None else int(live.searchsorted(row))

    def hold(self, table: str, keys: Sequence[str]) -> None:
        """Make a table of one column, `key`, or fill it anew, for conditions on a set that was found elsewhere."""
        with self._cursor(None) as cursor:
            cursor.execute(f"CREATE OR REPLACE TABLE {table} (key VARCHAR)")
            cursor.execute(f"INSERT INTO {table} SELECT unnest(CAST(? AS VARCHAR[]))", [list(keys)])

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns."""
        return [str(row[0]) for row in self.ask(f"DESCRIBE {table}", limit=10_000).rows]

    def ask(self, sql: str, parameters: Sequence[Any] = (), limit: int = 1000, timeout_s: float | None = 30.0) -> Rows:
        """The first `limit` rows of the answer. Raises `QueryError`."""
        with self._cursor(timeout_s) as cursor:
            _only_reading(cursor, sql)
            try:
                found = cursor.execute(sql, list(parameters))
                rows = found.fetchmany(limit + 1)
            except duckdb.Error as error:
                raise _explained(error, timeout_s) from None
            return Rows(tuple(column[0] for column in found.description or ()), rows[:limit], len(rows) > limit)

    def batches(self, sql: str, parameters: Sequence[Any] = (), size: int = 10_000) -> Iterator[pa.RecordBatch]:
        """The whole answer, in batches of so many rows; no more is held in memory. Raises `QueryError`."""
        with self._cursor(None) as cursor:
            _only_reading(cursor, sql)
            try:
                yield from cursor.sql(sql, params=list(parameters)).to_arrow_reader(size)
            except duckdb.Error as error:
                raise _explained(error, None) from None

    def table(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The whole answer, in memory; one without rows has its columns all the same. Raises `QueryError`."""
        with self._cursor(None) as cursor:
            _only_reading(cursor, sql)
            try:
                return cursor.sql(sql, params=list(parameters)).to_arrow_table()
            except duckdb.Error as error:
                raise _explained(error, None) from None

    def close(self) -> None:
        """Ends the queries that run, then the database."""
        with self._changed:
            self._is_closed = True
            for _ in range(_CLOSE_TRIES):
                for cursor in self._cursors:
                    cursor.interrupt()
                try:
                    self._connection.close()
                    return
                except duckdb.Error:  # refused while a query has not ended yet
                    self._changed.wait(0.1)

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, name: str) -> str:
        path = self.store.path(name)
        return path if self.store.is_local else str(self.store.fs.unstrip_protocol(path))

    def _define_gone(self, kind: str) -> None:
        """The rows of shards that no table has, where there are any."""
        gone = self._live[kind].superseded
        if gone:
            counts = [len(one.rows) for one in gone.values()]
            rows = np.concatenate([np.array(one.rows, np.int64) for one in gone.values()])
            names = pa.array(np.repeat(np.array(list(gone)), counts).tolist(), pa.string())
            found = pa.table({"shard": names, "row": rows})
            self._connection.register("gone_rows", found)
            self._connection.execute(f"CREATE TABLE gone_{kind} AS SELECT * FROM gone_rows")
            self._connection.unregister("gone_rows")

    def _define(self, table: str, paths: list[str]) -> None:
        if not paths:
            self._connection.execute(f"CREATE VIEW {table} AS {_no_rows(_EMPTY[table])}")
            return
        if table == "removed":
            self._connection.execute(f"CREATE VIEW removed AS SELECT * FROM read_parquet({_literals(paths)})")
            return
        if table == "drops":
            # Datasets of before have no `page_url`. All files of one dataset have the columns of the first, or more.
            described = self._connection.execute(f"DESCRIBE SELECT * FROM read_parquet({_literals(paths[:1])})")
            missing = "" if "page_url" in [row[0] for row in described.fetchall()] else ", '' AS page_url"
            self._connection.execute(f"CREATE VIEW drops AS SELECT *{missing} FROM read_parquet({_literals(paths)})")
            return
        self._connection.execute(f"CREATE VIEW {table} AS {self._select(table, paths)}")

    def _select(self, kind: str, paths: list[str]) -> str:
        # Shards of several versions may differ in their columns; to compare them each file is opened.
        differ = len({mark.weft_version for mark in self.marks[kind]}) > 1
        select = (
            "SELECT * EXCLUDE (filename, file_row_number), "
            "parse_filename(filename, true) AS shard, file_row_number AS row "
            f"FROM read_parquet({_literals(paths)}, filename = true, file_row_number = true, "
            f"union_by_name = {str(differ).lower()})"
        )
        return f"FROM ({select}) ANTI JOIN gone_{kind} USING (shard, row)" if self._live[kind].superseded else select

    def _common(self, kind: str) -> list[str]:
        return [name for name in _COMMON if name in self.columns(kind)]

    @contextmanager
    def _cursor(self, timeout_s: float | None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own to the tables, interrupted when its time is over."""
        with self._changed:  # a connection that two threads use at once refuses one of them
            if self._is_closed:
                raise QueryError("the dataset was closed")
            cursor = self._connection.cursor()
            self._cursors.append(cursor)
        timer = threading.Timer(timeout_s, cursor.interrupt) if timeout_s is not None else None
        try:
            if timer is not None:
                timer.daemon = True
                timer.start()
            yield cursor
        finally:
            if timer is not None:
                timer.cancel()
            with self._changed:
                self._cursors.remove(cursor)
                cursor.close()
                self._changed.notify_all()


def _no_rows(schema: pa.Schema) -> str:
    columns = ", ".join(f'NULL::{_SQL[str(field.type)]} AS "{field.name}"' for field in schema)
    return f"SELECT {columns} WHERE false"


def _only_reading(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = cursor.extract_statements(sql)
    except duckdb.Error as error:
        raise _explained(error, None) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("one SELECT is wanted: the dataset is only read")


def _explained(error: duckdb.Error, timeout_s: float | None) -> QueryError:
    if isinstance(error, duckdb.InterruptException):
        return QueryError(f"took longer than {timeout_s:g} s" if timeout_s else "took too long")
    return QueryError(str(error))


def _literals(values: Sequence[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"
