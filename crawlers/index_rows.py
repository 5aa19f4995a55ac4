"""Rows of an index over web archives, Common Crawl's or that of a CDX server: which records there are, and where.

DuckDB selects them on disk, whatever their number. They are sorted by archive and place, each record once, and cut into
partitions by archive.
"""

import re
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from crawlers.inputs import InputError, list_files, shown
from crawlers.special_addresses import literal_address
from schemas.settings import Settings
from schemas.urls import host_named

#: Our names of columns, and those that indexes have for them: of several the first that is not null counts.
_NAMES = {
    "url": ("url", "original"),
    "filename": ("warc_filename", "filename"),
    "offset": ("warc_record_offset", "offset"),
    "length": ("warc_record_length", "length"),
    "status": ("fetch_status", "status", "statuscode"),
    "mime": ("content_mime_detected", "mime-detected", "content_mime_type", "mime", "mimetype"),
    "languages": ("content_languages", "languages"),
    "digest": ("content_digest", "digest"),
    "timestamp": ("fetch_time", "timestamp"),
    "urlkey": ("url_surtkey", "urlkey"),
}
_NEEDED = ("url", "filename", "offset", "length")
_HOST = r"regexp_extract(lower(url), '^[a-z]+://(?:[^/?#@]*@)?([^/:?#]+)', 1)"
# A name of an archive leads nowhere but below the folder of archives.
_SAFE = r"regexp_full_match(filename, '[^/\\][^\x00-\x1f\\]*') AND NOT regexp_matches(filename, '(^|/)\.\.?(/|$)|://')"
_BATCH = 10_000
_READ_BYTES = 64 << 10  # what follows a gzip member is copied: of many small ones the rest of this, each time


class Selection(Settings, frozen=True):
    """Which rows of an index are wanted. What is empty asks for nothing."""

    domains: tuple[str, ...] = ()
    """Hosts, each with all below it."""
    languages: tuple[str, ...] = ()
    """By the index's codes, of three letters; one of them must be among those of the row."""
    types: tuple[str, ...] = ()
    """Media types, as detected where the index knows it; `image/*` is all images."""
    statuses: tuple[int, ...] = (200,)
    where: str = ""
    """A condition in SQL over the columns of the index."""


class Row(msgspec.Struct, frozen=True):
    """A record that is wanted, counted from 0 in its partition."""

    number: int
    url: str
    archive: str  # relative to where the archives lie
    offset: int  # bytes
    length: int  # bytes, compressed
    digest: str = ""


class Selected(msgspec.Struct, frozen=True):
    """What a selection found."""

    rows: int  # in the index
    fitting: int
    records: int  # of these, each once and sound
    bad: int  # rows without address or place, or with a name that leads elsewhere


def select_rows(
    patterns: Sequence[str], selection: Selection, archives_at: str, folder: Path, partitions: int
) -> Selected:
    """Write the rows of an index that are wanted to `folder/{partition:03d}.parquet`.

    The index is parquet, CSV, or lines of JSON (with or without the key and time before them), gzipped or not: paths,
    globs or URLs. Raises `InputError` where it cannot be read or lacks a column, or the condition is wrong.
    """
    files = list_files(patterns)
    if odd := [file for file in files if _form(file) != _form(files[0])]:
        raise InputError(f"{shown(odd[0])} is of another form than {shown(files[0])}: give one of them at a time")
    if cut := [file for file in files if "://" not in file and file.endswith(".gz") and _is_cut(file)]:
        raise InputError(
            f"{shown(cut[0])} is cut: its last gzip member has no end, and rows are lost behind it; get the file anew"
        )
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "selection.duckdb"
    for left in (base, Path(f"{base}.wal")):  # of a run that was killed
        left.unlink(missing_ok=True)
    config: dict[str, Any] = {"memory_limit": "1GB", "temp_directory": f"{base}.tmp", "preserve_insertion_order": False}
    try:
        with duckdb.connect(str(base), config=config) as connection:
            for fs in {id(fs): fs for fs in (url_to_fs(file)[0] for file in files if "://" in file)}.values():
                connection.register_filesystem(fs)
            found = _select(connection, files, selection, archives_at, partitions)
            for number in range(partitions):
                target = str(folder / f"{number:03d}.parquet").replace("'", "''")
                connection.execute(
                    f'COPY (SELECT url, filename, "offset", "length", digest FROM wanted WHERE part = {number} '
                    f"""ORDER BY filename, "offset") TO '{target}' (FORMAT parquet, COMPRESSION zstd)"""
                )
            return found
    except duckdb.Error as error:
        form = _form(files[0]).replace("lines", "lines of JSON")
        of_file = f" as {form}" if isinstance(error, duckdb.InvalidInputException | duckdb.IOException) else ""
        raise InputError(f"the index cannot be read{of_file}: {shown(str(error).splitlines()[0])}") from None
    finally:
        base.unlink(missing_ok=True)


def read_selected(path: Path) -> Iterator[Row]:
    """The rows of a partition, in the order of archive and place."""
    number = 0
    for batch in pq.ParquetFile(path).iter_batches(_BATCH):
        for url, archive, offset, length, digest in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield Row(number, url, archive, offset, length, digest)
            number += 1


def _select(
    connection: duckdb.DuckDBPyConnection, files: list[str], selection: Selection, archives_at: str, partitions: int
) -> Selected:
    """Make the table `wanted`. Raises `InputError`, `duckdb.Error`."""
    of_lines = _form(files[0]) == "lines"
    connection.execute(f"CREATE VIEW source AS {_lines(files) if of_lines else _table(files)}")
    known = [str(row[0]) for row in connection.execute("DESCRIBE source").fetchall()]
    taken = {ours: found for ours, names in _NAMES.items() if (found := [name for name in names if name in known])}
    if missing := [name for name in _NEEDED if name not in taken]:
        raise InputError(f"{shown(files[0])} has no column {_NAMES[missing[0]][0]}; it has {shown(', '.join(known))}")
    columns = [f"{_column(name, taken.get(name, ()))} AS {_quoted(name)}" for name in _NAMES]
    given = f"WHERE ({selection.where})" if selection.where else ""
    conditions, values = _conditions(selection, taken, [] if of_lines else known, shown(files[0]))
    at = archives_at.rstrip("/") + "/"
    connection.execute(f"CREATE VIEW rows AS SELECT {', '.join(columns)} FROM source {given}")
    connection.execute(
        f"""CREATE TABLE fitting AS SELECT url, digest,
        CASE WHEN starts_with(filename, ?) THEN substr(filename, ?) ELSE filename END AS filename,
        TRY_CAST("offset" AS BIGINT) AS "offset", TRY_CAST("length" AS BIGINT) AS "length"
        FROM rows WHERE {" AND ".join(["true", *conditions])}""",
        [at, len(at) + 1, *values],
    )
    connection.execute(
        f"""CREATE TABLE wanted AS SELECT DISTINCT ON (filename, "offset") *,
        CAST(hash(filename) % {partitions} AS INTEGER) AS part FROM fitting
        WHERE url <> '' AND {_SAFE} AND "offset" >= 0 AND "length" > 0 ORDER BY "length" DESC, url"""
    )
    places = (
        f"""count(*) FILTER (WHERE NOT coalesce(url <> '' AND {_SAFE} AND "offset" >= 0 AND "length" > 0, false))"""
    )
    total, fitting, records, bad = (
        connection.execute(f"SELECT {what}").fetchall()[0][0]
        for what in ("count(*) FROM source", "count(*) FROM fitting", "count(*) FROM wanted", f"{places} FROM fitting")
    )
    return Selected(total, fitting, records, bad)


def _is_cut(file: str) -> bool:
    """DuckDB takes the end of a file for that of its data. What is no gzip, or damaged, it refuses itself."""
    member, is_whole = zlib.decompressobj(wbits=31), True
    with open(file, "rb") as data, suppress(zlib.error):
        while chunk := data.read(_READ_BYTES):
            while chunk:
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                member.decompress(chunk, _READ_BYTES)
                chunk, is_whole = member.unconsumed_tail or member.unused_data, member.eof
        return not is_whole
    return False


def _form(file: str) -> str:
    return next((form for form in ("parquet", "csv") if file.removesuffix(".gz").endswith(f".{form}")), "lines")


def _column(name: str, found: Sequence[str]) -> str:
    """Of a row the first that is there, as text; a key as it is, so that parts of a file can be passed over."""
    if name == "urlkey" and found:
        return _quoted(found[0])
    return f"coalesce({', '.join([*(f'CAST({_quoted(column)} AS VARCHAR)' for column in found), chr(39) * 2])})"


def _table(files: list[str]) -> str:
    if _form(files[0]) == "parquet":
        return f"SELECT * FROM read_parquet({_literals(files)}, union_by_name = true)"
    return f"SELECT * FROM read_csv({_literals(files)}, all_varchar = true, header = true, union_by_name = true)"


def _lines(files: list[str]) -> str:
    """Lines of JSON, each for itself: one that is none costs no other."""
    names = dict.fromkeys(name for names in _NAMES.values() for name in names)
    fields = [f"""json_extract_string(line, '$."{name}"') AS {_quoted(name)}""" for name in names]
    return (
        f"SELECT {', '.join(fields)} FROM (SELECT CASE WHEN json_valid(line) THEN line ELSE '{{}}' END AS line FROM "
        "(SELECT regexp_extract(line, '\\{.*') AS line FROM read_csv("
        f"{_literals(files)}, columns = {{'line': 'VARCHAR'}}, header = false, delim = '\x01', quote = '', escape = '',"
        " auto_detect = false, null_padding = true, ignore_errors = true) WHERE line IS NOT NULL))"
    )


def _conditions(
    selection: Selection, taken: Container[str], known: Container[str], name: str
) -> tuple[list[str], list[Any]]:
    """Conditions in SQL, and the values of their parameters. Raises `InputError`."""
    wanted = {"languages": selection.languages, "mime": selection.types, "status": selection.statuses}
    if missing := [column for column in ("languages", "mime") if wanted[column] and column not in taken]:
        raise InputError(f"{name} has no column {_NAMES[missing[0]][0]}: its rows cannot be chosen by it")
    if odd := [code for code in selection.languages if not re.fullmatch("[a-z]{3}", code)]:
        raise InputError(f"{odd[0]} is no language of an index: they have three letters, such as eng, deu, zho")
    conditions, values = list[str](), list[Any]()
    if selection.statuses and "status" in taken:
        conditions.append("TRY_CAST(status AS INTEGER) IN (SELECT unnest(?))")
        values.append(list(selection.statuses))
    if selection.languages:
        conditions.append("list_has_any(string_split(languages, ','), ?)")
        values.append(list(selection.languages))
    if selection.types:
        conditions.append(f"({' OR '.join(['lower(mime) = ? OR starts_with(lower(mime), ?)'] * len(selection.types))})")
        for kind in selection.types:
            values += [kind.lower(), kind.lower().removesuffix("*") if kind.endswith("/*") else f"{kind.lower()};"]
    if selection.domains:
        of_domains = [f"({_of_domain(domain, 'url_surtkey' in known, values)})" for domain in selection.domains]
        conditions.append(f"({' OR '.join(of_domains)})")
    return conditions, values


def _of_domain(domain: str, has_keys: bool, values: list[Any]) -> str:
    """An index sorted by key is read only where a domain can be: a key is `org,example,sub:8080)/path`."""
    host = host_named(domain)
    values += [host, f".{host}"]
    condition = f"({_HOST} = ? OR ends_with({_HOST}, ?))"
    if not has_keys:
        return condition
    labels = [host] if literal_address(host) else reversed(re.sub(r"^www\d*\.", "", host).split("."))
    key = ",".join(labels)
    values += [key, f"{key};"]  # the sign behind the colon of a port, and so behind the comma and the bracket
    return f"{condition} AND urlkey >= ? AND urlkey < ?"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literals(values: Sequence[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"
