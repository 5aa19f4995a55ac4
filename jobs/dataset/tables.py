"""The files of a dataset as tables of a DuckDB connection."""

import re
from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from jobs.dataset.committed_files import CommittedFiles
from jobs.dataset.summary import kinds_of
from schemas.builds import drop_files
from schemas.drop_files import SCHEMA as DROPS
from schemas.removals import COLUMNS as REMOVED
from schemas.removals import removed_files
from schemas.shards import DamagedShard, MissingShard, ShardMark
from schemas.storage import Store
from schemas.superseded import LiveShards

_SQL = {"string": "VARCHAR", "int32": "INTEGER"}
_EMPTY = {"drops": DROPS, "crawl_drops": DROPS, "removed": REMOVED}


class Tables:
    """Of each kind of sample, of `drops`, `removed` (what deny lists took out) and `crawl_drops` (what `crawls`
    dropped); named so behind a `prefix`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, store: Store, prefix: str = "", crawls: Sequence[Store] = ()
    ) -> None:
        """Raises `NotADataset`, `DamagedShard` for a file that is missing or cut off, and `OSError` where the storage
        fails."""
        self.store, self._connection, self._prefix = store, connection, prefix
        self.live = {kind: LiveShards(store, kind) for kind in kinds_of(store)}
        self.marks: dict[str, list[ShardMark]] = {kind: live.marks for kind, live in self.live.items()}
        self.kinds = [kind for kind, marks in self.marks.items() if marks]
        files = {
            kind: [self.path(f"{kind}/shards/{mark.shard.name}.parquet") for mark in self.marks[kind]]
            for kind in self.kinds
        }
        files["drops"] = [self.path(f"drops/{name}") for name in drop_files(store)]
        files["crawl_drops"] = [_path(crawl, f"drops/{name}") for crawl in crawls for name in drop_files(crawl)]
        files["removed"] = [self.path(f"removed/{name}") for name in removed_files(store)]
        self.files = [path for paths in files.values() for path in paths]
        for one in (store, *crawls):
            if not one.is_local and not set(_protocols(one)) & set(connection.list_filesystems()):
                connection.register_filesystem(CommittedFiles(one.fs))
        for kind in self.kinds:
            self._define_gone(kind)
        try:
            for table, paths in files.items():
                self._define(table, paths)
        except duckdb.Error as error:
            if damage := damage_of(error):
                raise damage from None
            if said := storage_said(error):
                raise OSError(said) from None
            raise

    def path(self, name: str) -> str:
        return _path(self.store, name)

    def _define_gone(self, kind: str) -> None:
        """The rows of shards that no table has, where there are any."""
        gone = self.live[kind].superseded
        if gone:
            counts = [len(one.rows) for one in gone.values()]
            rows = np.concatenate([np.array(one.rows, np.int64) for one in gone.values()])
            names = pa.array(np.repeat(np.array(list(gone)), counts).tolist(), pa.string())
            found = pa.table({"shard": names, "row": rows})
            self._connection.register("gone_rows", found)
            self._connection.execute(f"CREATE TABLE {self._prefix}gone_{kind} AS SELECT * FROM gone_rows")
            self._connection.unregister("gone_rows")

    def _define(self, table: str, paths: list[str]) -> None:
        if not paths:
            self._connection.execute(f"CREATE VIEW {self._prefix}{table} AS {_no_rows(_EMPTY[table])}")
            return
        if table == "removed":
            self._connection.execute(
                f"CREATE VIEW {self._prefix}removed AS SELECT * FROM read_parquet({literals(paths)})"
            )
            return
        if table in ("drops", "crawl_drops"):
            # Datasets of before have no `page_url`. All files of one dataset have the columns of the first, or more.
            described = self._connection.execute(f"DESCRIBE SELECT * FROM read_parquet({literals(paths[:1])})")
            missing = "" if "page_url" in [row[0] for row in described.fetchall()] else ", '' AS page_url"
            several = f"{literals(paths)}, union_by_name = {str(table == 'crawl_drops').lower()}"  # of several ages
            self._connection.execute(
                f"CREATE VIEW {self._prefix}{table} AS SELECT *{missing} FROM read_parquet({several})"
            )
            return
        self._connection.execute(f"CREATE VIEW {self._prefix}{table} AS {self.select(table, paths)}")

    def select(self, kind: str, paths: list[str]) -> str:
        # Shards of several versions may differ in their columns; to compare them each file is opened. A new column
        # often comes with a new setting, and so with another hash.
        differ = len({(mark.weft_version, mark.config_hash) for mark in self.marks[kind]}) > 1
        select = (
            "SELECT * EXCLUDE (filename, file_row_number), "
            "parse_filename(filename, true) AS shard, file_row_number AS row "
            f"FROM read_parquet({literals(paths)}, filename = true, file_row_number = true, "
            f"union_by_name = {str(differ).lower()})"
        )
        return (
            f"FROM ({select}) ANTI JOIN {self._prefix}gone_{kind} USING (shard, row)"
            if self.live[kind].superseded
            else select
        )


_TRACE = "\n\nAt:\n"  # what a file system written in Python raises comes without a class, and with its trace
_NO_FILE = re.compile(r'No files found that match the pattern "(.+)"')


def damage_of(error: duckdb.Error) -> DamagedShard | None:
    """In a line, what is missing or damaged of the files that a query read; None where that was not the reason."""
    message, trace, _ = str(error).partition(_TRACE)
    if trace:  # what reads the files failed
        return None
    said = "".join(filter(str.isprintable, message.partition("\n")[0]))
    if isinstance(error, duckdb.IOException) and (missing := _NO_FILE.search(said)):
        return MissingShard(f"{missing[1]} is gone")
    if isinstance(error, duckdb.InvalidInputException) and ".parquet" in said:
        return DamagedShard(said.removeprefix("Invalid Input Error: "))
    if type(error) is duckdb.Error:  # of what reads parquet; errors of SQL have a class each
        return DamagedShard(f"a parquet file of the dataset is damaged ({said}); weft inspect --check names it")
    return None


#: Where a file that may be read is gone, DuckDB looks for a folder of its name, which may not be read.
_AS_FOLDER = "/**/*.parquet"


def storage_said(error: duckdb.Error) -> str:
    """In a line, what the storage said for which a query failed; empty where that was not the reason."""
    message, trace, _ = str(error).partition(_TRACE)
    if isinstance(error, duckdb.PermissionException) and _AS_FOLDER in message:
        return f"{message.partition(chr(34))[2].partition(_AS_FOLDER)[0]} is gone"
    return message.partition("\n")[0] if trace or isinstance(error, duckdb.IOException) else ""


def literals(values: Sequence[str]) -> str:
    """A list of texts in SQL."""
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def _no_rows(schema: pa.Schema) -> str:
    columns = ", ".join(f'NULL::{_SQL[str(field.type)]} AS "{field.name}"' for field in schema)
    return f"SELECT {columns} WHERE false"


def _path(store: Store, name: str) -> str:
    """As DuckDB opens it."""
    path = store.path(name)
    return path if store.is_local else str(store.fs.unstrip_protocol(path))


def _protocols(store: Store) -> tuple[str, ...]:
    named = store.fs.protocol
    return (named,) if isinstance(named, str) else tuple(named)
