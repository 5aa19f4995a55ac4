"""The parquet indexes of a dataset as tables for SQL, by DuckDB; what is asked can read them and nothing else."""

import os
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.command_parser import nearest
from jobs.dataset.tables import Tables, damage_of, literals, storage_said
from schemas.kinds import KINDS
from schemas.shards import DamagedShard, Shard
from schemas.storage import Store

#: Stands before the names of the tables of another dataset.
OTHER = "other_"
#: What the tables of all kinds have in common, for the table `samples`.
_COMMON = (
    "key", "url", "domain", "language", "licence", "num_words", "warc_file", "consent_verdict", "signals", "shard",
    "row",
)  # fmt: skip
_MAX_SPILL_GB = 16
_CLOSE_TRIES = 100


#: The table of embeddings: `key`, `embedding`, and `kind` and `image` where they are told.
EMBEDDINGS = "embeddings"
_NUMBERS = re.compile(r"(?:DOUBLE|FLOAT|FLOAT16|U?(?:TINY|SMALL|BIG)?INT(?:EGER)?|DECIMAL\(.*\))\[\d*\]")

_NO_TABLE = re.compile(r"Table with name (\S+) does not exist")


class QueryError(Exception):
    """The query is wrong, is not one that only reads, or took too long. The message is for whoever wrote it."""


class StorageError(QueryError, OSError):
    """The storage failed while a query read it; the same query may go well later."""


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
    were committed when it was opened. Samples that a later build replaced are in no table. What the `crawls` dropped
    that fetched its archives is the table `crawl_drops`. Safe for several threads.
    """

    def __init__(
        self,
        store: Store,
        max_memory_mb: int = 1024,
        threads: int = 2,
        embeddings: str = "",
        other: Store | None = None,
        crawls: Sequence[Store] = (),
    ) -> None:
        """`embeddings`: a parquet file of this machine, or a pattern of several, as one more table of that name;
        `other`: another dataset, whose tables are called as these with `other_` before their names; `crawls`: those
        that fetched the archives.

        Raises `NotADataset`, `QueryError` for files that hold no embeddings, `DamagedShard` for files that are missing
        or cut off, and `OSError` where the storage fails. What is asked raises these, too.
        """
        self.store, self._is_closed = store, False
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._changed = threading.Condition()
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
        with _as_interrupts():
            self._tables = Tables(self._connection, store, crawls=crawls)
            self.other = Tables(self._connection, other, OTHER) if other is not None else None
        self.marks, self.kinds = self._tables.marks, self._tables.kinds
        files = [*self._tables.files, *(self.other.files if self.other is not None else [])]
        self.has_embeddings = bool(embeddings)
        if embeddings:
            files += self._define_embeddings(embeddings)
        parts = [f"SELECT '{kind}' AS kind, {', '.join(self._common(kind))} FROM {kind}" for kind in self.kinds]
        if parts:
            self._connection.execute(f"CREATE VIEW samples AS {' UNION ALL BY NAME '.join(parts)}")
        # From here on nothing but these files can be opened, by whatever SQL.
        self._connection.execute(f"SET allowed_paths = {literals(files)}")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    @property
    def tables(self) -> list[str]:
        """Those that can be asked, the samples first."""
        others = [f"{OTHER}{name}" for name in (*self.other.kinds, "drops")] if self.other is not None else []
        common = ["samples"] if self.kinds else []
        return [*self.kinds, *common, "drops", "removed", *([EMBEDDINGS] if self.has_embeddings else []), *others]

    def of_shards(self, kind: str, shards: Sequence[str]) -> str:
        """What stands behind FROM in place of `kind` where only these of its shards are meant; no others are opened."""
        tables = self._tables
        return f"({tables.select(kind, [tables.path(f'{kind}/shards/{shard}.parquet') for shard in shards])})"

    def shard(self, kind: str, name: str) -> Shard:
        """A shard whose index has the rows that its kind's table has, in their order."""
        return self._tables.live[kind].open(name)

    def rows(self, kind: str, name: str) -> NDArray[np.int64] | None:
        """The values of `row` that a shard has, in order; None where they are all from 0."""
        return self._tables.live[kind].rows(name)

    def place(self, kind: str, name: str, row: int) -> int:
        """The number of a row among those that a shard has."""
        live = self.rows(kind, name)
        return row if live is None else int(live.searchsorted(row))

    def hold(self, table: str, keys: Sequence[str]) -> None:
        """Make a table of one column, `key`, or fill it anew, for conditions on a set that was found elsewhere."""
        with self._cursor(None) as cursor:
            cursor.execute(f"CREATE OR REPLACE TABLE {table} (key VARCHAR)")
            cursor.execute(f"INSERT INTO {table} SELECT unnest(CAST(? AS VARCHAR[]))", [list(keys)])

    def make(self, table: str, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Keep the answer to a SELECT as a table, however long it takes. Raises `QueryError`."""
        with self._cursor(None) as cursor:
            given = _checked(cursor, sql, parameters)
            try:
                cursor.execute(f"CREATE OR REPLACE TABLE {table} AS {sql}", given)
            except duckdb.Error as error:
                raise _explained(error, None, self.tables) from None

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns."""
        return [str(row[0]) for row in self.ask(f"DESCRIBE {table}", limit=10_000).rows]

    def ask(self, sql: str, parameters: Sequence[Any] = (), limit: int = 1000, timeout_s: float | None = 30.0) -> Rows:
        """The first `limit` rows of the answer. Raises `QueryError`."""
        with self._cursor(timeout_s) as cursor:
            given = _checked(cursor, sql, parameters)
            try:
                found = cursor.execute(sql, given)
                rows = found.fetchmany(limit + 1)
            except duckdb.Error as error:
                raise _explained(error, timeout_s, self.tables) from None
            return Rows(tuple(column[0] for column in found.description or ()), rows[:limit], len(rows) > limit)

    def require_condition(self, table: str, where: str, parameters: Sequence[Any] = ()) -> None:
        """Raises `QueryError` for what is no condition on a table by itself: brackets that it leaves open or closes too
        often would pair with those of the query that it is put into."""
        if not str(where).strip():
            raise QueryError("the condition is empty")
        self.ask(f"SELECT 1 FROM {table} WHERE\n{where}\nLIMIT 0", parameters)

    def batches(self, sql: str, parameters: Sequence[Any] = (), size: int = 10_000) -> Iterator[pa.RecordBatch]:
        """The whole answer, in batches of so many rows; no more is held in memory. Raises `QueryError`."""
        with self._cursor(None) as cursor:
            given = _checked(cursor, sql, parameters)
            try:
                yield from cursor.sql(sql, params=given).to_arrow_reader(size)
            except duckdb.Error as error:
                raise _explained(error, None, self.tables) from None

    def table(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The whole answer, in memory; one without rows has its columns all the same. Raises `QueryError`."""
        with self._cursor(None) as cursor:
            given = _checked(cursor, sql, parameters)
            try:
                return cursor.sql(sql, params=given).to_arrow_table()
            except duckdb.Error as error:
                raise _explained(error, None, self.tables) from None

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

    def _define_embeddings(self, pattern: str) -> list[str]:
        """The files that they stand in."""
        files = [os.path.abspath(path) for path in sorted(glob(pattern)) or [pattern]]
        if missing := [path for path in files if not os.path.isfile(path)]:
            raise QueryError(f"{missing[0]}: no such file; embeddings are read from parquet on this machine")
        try:
            self._connection.execute(f"CREATE VIEW {EMBEDDINGS} AS SELECT * FROM read_parquet({literals(files)})")
            described = self._connection.execute(f"DESCRIBE {EMBEDDINGS}").fetchall()
        except duckdb.Error as error:
            raise QueryError(f"{pattern}: {str(error).partition(chr(10))[0]}") from None
        types = {str(name): str(of) for name, of, *_ in described}
        if not {"key", "embedding"} <= types.keys():
            raise QueryError(f"{pattern} has no columns key and embedding, but {', '.join(sorted(types))}")
        if not _NUMBERS.fullmatch(types["embedding"]):
            raise QueryError(f"{pattern}: `embedding` holds {types['embedding']}, and no lists of numbers")
        return files

    def _common(self, kind: str) -> list[str]:
        there = self.columns(kind)
        return [name for name in _COMMON if name in there]

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
            with _as_interrupts():
                yield cursor
        except KeyboardInterrupt:
            cursor.interrupt()  # it may still run, and closing waits for its end
            raise
        finally:
            if timer is not None:
                timer.cancel()
            with self._changed:
                self._cursors.remove(cursor)
                cursor.close()
                self._changed.notify_all()


@contextmanager
def _as_interrupts() -> Iterator[None]:
    """What a signal's handler raises while DuckDB works, DuckDB wraps in an error of its own, without a class."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        raise


def _checked(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> list[Any]:
    """The values as DuckDB takes them. Raises `QueryError` where they are not those of one SELECT that only reads."""
    given = [_plain(value) for value in parameters]
    try:
        "".join(text for text in (sql, *given) if isinstance(text, str)).encode()
    except UnicodeEncodeError as error:
        raise QueryError(f"{error.object[error.start]!a} is half of a surrogate pair, and no text") from None
    try:
        statements = cursor.extract_statements(sql)
    except duckdb.Error as error:
        raise _explained(error, None) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("one SELECT is wanted: the dataset is only read")
    wanted = len(statements[0].named_parameters)
    if len(given) < wanted:
        values = "1 value is" if wanted == 1 else f"{wanted} values are"
        raise QueryError(f"{values} wanted, one for each `?`, and {len(given) or 'none'} was given")
    return given


def _plain(value: Any) -> Any:
    """Numbers of numpy as plain ones, also in lists."""
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(one) for one in value] if type(value) is list else value


def _explained(error: duckdb.Error, timeout_s: float | None, tables: Sequence[str] = ()) -> QueryError | DamagedShard:
    if isinstance(error, duckdb.InterruptException):
        return QueryError(f"took longer than {timeout_s:g} s" if timeout_s else "took too long")
    if damage := damage_of(error):
        return damage
    if said := storage_said(error):
        return StorageError(said)
    if tables and isinstance(error, duckdb.CatalogException) and (unknown := _NO_TABLE.search(str(error))):
        name = unknown[1]
        what = f"no {name} in this dataset" if name in KINDS else f"no table {name}{nearest(name, tables)}"
        return QueryError(f"{what} (the tables that are there: {', '.join(tables)})")
    return QueryError(str(error))
