"""Lists of image addresses and captions, as LAION, DataComp and COYO publish them: parquet, CSV or JSON lines."""

import codecs
import csv
import gzip
import io
import itertools
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.csv_quotes import ClosedQuotes
from crawlers.inputs import InputError, shown
from crawlers.tsv_quotes import sound_quotes
from schemas.settings import Settings

#: Names that columns have in public lists; the first that a list has is taken, whatever its case.
URL_COLUMNS = ("url", "image_url", "img_url", "image_link", "link")
CAPTION_COLUMNS = ("caption", "text", "top_caption", "alt_text", "alt", "description", "title")
_SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")
_BEYOND = "\n"  # what a row of CSV has beyond its columns; no column is called so
_BATCH = 10_000
_MAX_FIELD = 1 << 20
_MAX_LINE = 16 << 20  # characters or bytes; of a longer one the rest is passed over
_HEAD = 100  # lines of JSON that tell which columns there are: one may lack a field, or be damaged


class ListSettings(Settings, frozen=True):
    """How a list of addresses and captions is read, and what fetches its images."""

    url_column: str = ""
    """Empty: the first of the known names that the list has."""
    caption_column: str = ""
    keep_columns: tuple[str, ...] = ()
    """Columns that are handed through to each sample's JSON, under `extra`; nested ones as text, in JSON."""
    spread: Literal["domain", "url"] = "domain"
    """What a partition has in common: `domain`, so that the pace towards a host holds over the whole cluster, or `url`
    for lists of a few hosts that may be asked by all tasks at a time."""


class Row(msgspec.Struct, frozen=True):
    """One row of a list, counted from 0."""

    number: int
    url: str
    caption: str
    extra: dict[str, Any] = {}
    fault: str = ""  # why the row cannot be read; the other fields are empty then


class BadRow(msgspec.Struct, frozen=True):
    """A row that cannot be read, and why: whoever wrote the list is not whoever reads it."""

    fault: str


class Columns(msgspec.Struct, frozen=True):
    """Which columns of a list are taken, by their own names."""

    url: str
    caption: str
    extra: tuple[str, ...] = ()


def find_columns(name: str, settings: ListSettings) -> Columns:
    """The columns of a list, from its head alone. Raises `InputError` that names those it has."""
    found = columns_of(name)
    url = _pick(name, found, settings.url_column, URL_COLUMNS, "address", "lists.read.url_column")
    caption = _pick(name, found, settings.caption_column, CAPTION_COLUMNS, "caption", "lists.read.caption_column")
    if missing := [column for column in settings.keep_columns if column not in found]:
        raise InputError(f"{name} has no column {missing[0]}; it has {shown(', '.join(found))}")
    require_single(name, found, [url, caption, *settings.keep_columns])
    return Columns(url, caption, settings.keep_columns)


def require_single(name: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises `InputError` where a list has a wanted column several times: nothing says which is meant."""
    if several := [column for column in wanted if found.count(column) > 1]:
        raise InputError(f"{name} has {found.count(several[0])} columns {several[0]}: rename all but one")


def is_list(name: str) -> bool:
    """Whether a file has the name of a list."""
    return _bare(name).endswith(_SUFFIXES)


def columns_of(name: str) -> list[str]:
    """The names of a list's columns, from its head alone. Raises `InputError`."""
    if not is_list(name):
        raise InputError(f"{name}: a list is one of {', '.join(_SUFFIXES)}, or the same with .gz")
    try:
        return _column_names(name)
    except (OSError, EOFError, ValueError, RecursionError, csv.Error, pa.ArrowException, zlib.error) as error:
        raise InputError(f"cannot read the list {name}: {shown(str(error))}") from None


def read_rows(name: str, columns: Columns) -> Iterator[Row]:
    """All rows, in order. An absent address or caption is "". Raises `InputError` where the file is damaged."""
    for number, values in enumerate(_sound(name, [columns.url, columns.caption, *columns.extra])):
        if isinstance(values, BadRow):
            yield Row(number, "", "", fault=values.fault)
            continue
        try:
            url, caption, *extra = values
            extras = dict(zip(columns.extra, map(_plain, extra), strict=True))
            yield Row(number, text_of(url).strip(), text_of(caption), extras)
        except ValueError as error:
            yield Row(number, "", "", fault=str(error)[:200])


def read_fields(name: str, wanted: Sequence[str]) -> Iterator[dict[str, Any] | BadRow]:
    """Of each row some fields, those that the list has. Raises `InputError` where the file is damaged."""
    if _bare(name).endswith(".parquet"):
        found = columns_of(name)
        wanted = [column for column in wanted if column in found]
    for values in _sound(name, wanted):
        yield values if isinstance(values, BadRow) else dict(zip(wanted, values, strict=True))


def text_of(value: Any) -> str:
    """A field as text; "" if it is absent. Raises `ValueError` for what is neither text nor a number."""
    match value:
        case None:
            return ""
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:  # half a surrogate pair can be written nowhere, nor what was no UTF-8
                raise ValueError("text that is no UTF-8") from None
            return value
        case float() if math.isnan(value):  # what tables have in place of nothing
            return ""
        case bytes():
            return value.decode()
        case int() | float():
            return str(value)
    raise ValueError(f"{type(value).__name__} in place of text")


def _sound(name: str, wanted: Sequence[str]) -> Iterator[Sequence[Any] | BadRow]:
    """Raises `InputError` where a list breaks off or is packed wrongly: another try would meet the same."""
    try:
        yield from _records(name, wanted)
    except (ValueError, csv.Error, pa.ArrowException, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"the list {name} is damaged: {shown(str(error))}") from None


def _records(name: str, wanted: Sequence[str]) -> Iterator[Sequence[Any] | BadRow]:
    with fsspec.open(name, "rb", compression="infer") as file:
        match _bare(name).rpartition(".")[2]:
            case "parquet":
                yield from _parquet_records(file, wanted)
            case "csv" | "tsv" as kind:
                yield from _csv_records(_csv(file, kind), wanted)
            case _:
                for record in map(_json_object, _json_lines(file)):
                    yield record if isinstance(record, BadRow) else [record.get(column) for column in wanted]


class _Storage:
    """A file that remembers whether reading it failed: pyarrow raises `OSError` for damaged pages as well."""

    def __init__(self, file: Any) -> None:
        self._file, self.failed = file, False

    def read(self, *size: int) -> Any:
        try:
            return self._file.read(*size)
        except Exception:
            self.failed = True
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _parquet_records(file: Any, wanted: Sequence[str]) -> Iterator[Sequence[Any] | BadRow]:
    storage = _Storage(file)
    try:
        for batch in pq.ParquetFile(storage).iter_batches(_BATCH, columns=list(dict.fromkeys(wanted))):
            yield from map(_whole, zip(*(_values(batch.column(column)) for column in wanted), strict=True))
    except OSError as error:
        if storage.failed:
            raise
        raise ValueError(str(error)) from None


def _values(column: pa.Array) -> list[Any]:
    try:
        return list(column.to_pylist())
    except ValueError:  # one of them is no UTF-8, or a time beyond those of Python
        return list(map(_value, column))


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except ValueError as error:
        return BadRow(str(error)[:200])


def _whole(values: Sequence[Any]) -> Sequence[Any] | BadRow:
    return next((value for value in values if isinstance(value, BadRow)), values)


def _csv_records(reader: "csv.DictReader[str]", wanted: Sequence[str]) -> Iterator[Sequence[Any] | BadRow]:
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:  # a field over the limit, say; the next line begins anew
            yield BadRow(str(error))
            continue
        if record is None:
            return
        if any(record.get(_BEYOND, ())):  # a comma that was not quoted: nobody knows to which field the rest belongs
            yield BadRow(f"more fields than the {len(reader.fieldnames or ())} columns")
            continue
        yield [record.get(column) for column in wanted]


def _json_lines(file: Any) -> Iterator[bytes]:
    """Those in which something stands, without a mark of UTF-8 before the first."""
    for number, line in enumerate(_lines(file)):
        line = line if number else line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            yield line


def _json_object(line: bytes) -> dict[str, Any] | BadRow:
    try:
        try:
            record = msgspec.json.decode(line)
        except ValueError:
            if b"NaN" not in line and b"Infinity" not in line:
                raise
            record = json.loads(line)  # Python writes them, though they are no JSON
    except (ValueError, RecursionError) as error:  # msgspec's own among them
        return BadRow(str(error)[:200])
    if not isinstance(record, dict):
        return BadRow(f"a line is no object: {line[:80]!r}")
    return record


def _json_names(file: Any) -> list[str]:
    """Raises `ValueError` where none of the first lines can be read."""
    records = [_json_object(line) for line in itertools.islice(_json_lines(file), _HEAD)]
    good = [record for record in records if not isinstance(record, BadRow)]
    if not good and (fault := next((record.fault for record in records if isinstance(record, BadRow)), "")):
        raise ValueError(fault)
    return list(dict.fromkeys(name for record in good for name in record))


def _lines(file: Any) -> Iterator[Any]:
    """The lines of a file of bytes or text, none longer than the limit."""
    while line := file.readline(_MAX_LINE):
        yield line
        end = "\n" if isinstance(line, str) else b"\n"
        while not line.endswith(end) and len(line) == _MAX_LINE:
            line = file.readline(_MAX_LINE)


def _column_names(name: str) -> list[str]:
    with fsspec.open(name, "rb", compression="infer") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise ValueError("it is UTF-16, and a list is UTF-8")
        file.seek(0)
        match _bare(name).rpartition(".")[2]:
            case "parquet":
                return list(pq.ParquetFile(file).schema_arrow.names)
            case "csv" | "tsv" as kind:
                return list(_csv(file, kind).fieldnames or ())
            case _:
                return _json_names(file)


def _csv(file: Any, kind: str) -> "csv.DictReader[str]":
    csv.field_size_limit(_MAX_FIELD)
    lines = _lines(io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=""))
    written = itertools.dropwhile(lambda line: not line.strip(), lines)  # names stand in the first that is not empty
    if kind == "tsv":
        return csv.DictReader(sound_quotes(written), restkey=_BEYOND, delimiter="\t")
    return csv.DictReader(ClosedQuotes(written), restkey=_BEYOND)


def _pick(name: str, found: Sequence[str], asked: str, known: Sequence[str], what: str, setting: str) -> str:
    if asked:
        if asked not in found:
            raise InputError(f"{name} has no column {asked}; it has {shown(', '.join(found)) if found else 'none'}")
        return asked
    by_name = {column.strip().lower(): column for column in reversed(found)}
    for column in known:
        if column in by_name:
            return by_name[column]
    raise InputError(
        f"{name} has no column for the {what} ({', '.join(known)}); "
        f"it has {shown(', '.join(found)) if found else 'none'}: name it with --set {setting}=..."
    )


def _bare(name: str) -> str:
    return name.lower().removesuffix(".gz")


def _plain(value: Any) -> Any:
    """A field that is handed through: a number, text, or what is nested as text in JSON. Raises `ValueError`."""
    if isinstance(value, str | bytes):
        return text_of(value)
    if isinstance(value, list | dict):
        return msgspec.json.encode(value, enc_hook=str).decode()
    is_plain = isinstance(value, float | bool | None) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 64)
    return value if is_plain else str(value)
