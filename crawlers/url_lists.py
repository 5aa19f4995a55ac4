"""Lists of image addresses and captions, as LAION, DataComp and COYO publish them: parquet, CSV or JSON lines."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.inputs import InputError
from schemas.settings import Settings

#: Names that columns have in public lists; the first that a list has is taken, whatever its case.
URL_COLUMNS = ("url", "image_url", "img_url", "image_link", "link")
CAPTION_COLUMNS = ("caption", "text", "top_caption", "alt_text", "alt", "description", "title")
_SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")
_BATCH = 10_000
_MAX_FIELD = 1 << 20


class ListSettings(Settings, frozen=True):
    """How a list of addresses and captions is read, and what fetches its images."""

    url_column: str = ""
    """Empty: the first of the known names that the list has."""
    caption_column: str = ""
    keep_columns: tuple[str, ...] = ()
    """Columns that are handed through to each sample's JSON, under `extra`."""
    spread: Literal["domain", "url"] = "domain"
    """What a partition has in common: `domain`, so that the pace towards a host holds over the whole cluster, or `url`
    for lists of a few hosts that may be asked by all tasks at a time."""


class Row(msgspec.Struct, frozen=True):
    """One row of a list, counted from 0."""

    number: int
    url: str
    caption: str
    extra: dict[str, Any] = {}


class Columns(msgspec.Struct, frozen=True):
    """Which columns of a list are taken, by their own names."""

    url: str
    caption: str
    extra: tuple[str, ...] = ()


def find_columns(name: str, settings: ListSettings) -> Columns:
    """The columns of a list, from its head alone. Raises `InputError` that names those it has."""
    found = columns_of(name)
    url = _pick(name, found, settings.url_column, URL_COLUMNS, "address", "lists.url_column")
    caption = _pick(name, found, settings.caption_column, CAPTION_COLUMNS, "caption", "lists.caption_column")
    if missing := [column for column in settings.keep_columns if column not in found]:
        raise InputError(f"{name} has no column {missing[0]}; it has {', '.join(found)}")
    return Columns(url, caption, settings.keep_columns)


def columns_of(name: str) -> list[str]:
    """The names of a list's columns, from its head alone. Raises `InputError`."""
    if not _bare(name).endswith(_SUFFIXES):
        raise InputError(f"{name}: a list is one of {', '.join(_SUFFIXES)}, or the same with .gz")
    try:
        return _column_names(name)
    except (OSError, ValueError, csv.Error, msgspec.DecodeError, pa.ArrowException) as error:
        raise InputError(f"cannot read the list {name}: {error}") from None


def read_rows(name: str, columns: Columns) -> Iterator[Row]:
    """All rows, in order. An absent address or caption is "". Raises `InputError` where the file is damaged."""
    wanted = [columns.url, columns.caption, *columns.extra]
    try:
        for number, values in enumerate(_records(name, wanted)):
            url, caption, *extra = values
            extras = dict(zip(columns.extra, map(_plain, extra), strict=True))
            yield Row(number, _text(url).strip(), _text(caption), extras)
    except (ValueError, csv.Error, msgspec.DecodeError, pa.ArrowException, EOFError) as error:
        raise InputError(f"the list {name} is damaged: {error}") from None


def read_fields(name: str, wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of each row some fields, those that the list has. Raises `InputError`."""
    if _bare(name).endswith(".parquet"):
        found = columns_of(name)
        wanted = [column for column in wanted if column in found]
    try:
        for values in _records(name, wanted):
            yield dict(zip(wanted, values, strict=True))
    except (ValueError, csv.Error, msgspec.DecodeError, pa.ArrowException, EOFError) as error:
        raise InputError(f"the list {name} is damaged: {error}") from None


def _records(name: str, wanted: Sequence[str]) -> Iterator[Sequence[Any]]:
    with fsspec.open(name, "rb", compression="infer") as file:
        match _bare(name).rpartition(".")[2]:
            case "parquet":
                for batch in pq.ParquetFile(file).iter_batches(_BATCH, columns=list(dict.fromkeys(wanted))):
                    yield from zip(*(batch.column(column).to_pylist() for column in wanted), strict=True)
            case "csv" | "tsv" as kind:
                for record in _csv(file, kind):
                    yield [record.get(column) for column in wanted]
            case _:
                for line in file:
                    if line.strip():
                        record = msgspec.json.decode(line)
                        if not isinstance(record, dict):
                            raise ValueError(f"a line is no object: {line[:80]!r}")
                        yield [record.get(column) for column in wanted]


def _column_names(name: str) -> list[str]:
    with fsspec.open(name, "rb", compression="infer") as file:
        match _bare(name).rpartition(".")[2]:
            case "parquet":
                return list(pq.ParquetFile(file).schema_arrow.names)
            case "csv" | "tsv" as kind:
                return list(_csv(file, kind).fieldnames or ())
            case _:
                first = msgspec.json.decode(file.readline() or b"{}")
                return list(first) if isinstance(first, dict) else []


def _csv(file: Any, kind: str) -> "csv.DictReader[str]":
    csv.field_size_limit(_MAX_FIELD)
    lines = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    return csv.DictReader(lines, delimiter="\t" if kind == "tsv" else ",")


def _pick(name: str, found: Sequence[str], asked: str, known: Sequence[str], what: str, setting: str) -> str:
    if asked:
        if asked not in found:
            raise InputError(f"{name} has no column {asked}; it has {', '.join(found) or 'none'}")
        return asked
    by_name = {column.lower(): column for column in reversed(found)}
    for column in known:
        if column in by_name:
            return by_name[column]
    raise InputError(
        f"{name} has no column for the {what} ({', '.join(known)}); it has {', '.join(found) or 'none'}: "
        f"name it with --set {setting}=..."
    )


def _bare(name: str) -> str:
    return name.lower().removesuffix(".gz")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
