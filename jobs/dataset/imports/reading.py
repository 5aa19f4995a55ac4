"""The rows of a file of another dataset: of parquet and Arrow tables, JSON lines, and tars of samples."""

import gzip
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.dataset.imports.layouts import NOTHING, Row
from model.data.offsets import offsets_of
from model.data.reading import Reader, TarFile
from schemas.drops import Drop
from schemas.storage import Store

TABLES, LINES = (".parquet",), (".jsonl", ".jsonl.gz", ".jsonl.zip", ".json.gz", ".ndjson")
ENDINGS = (*TABLES, *LINES, ".tar")
_ROWS = 64  # of a table at a time: rows hold pictures

Read = tuple[Row, Mapping[str, bytes]]


def read_file(store: Store, name: str) -> Iterator[Read | Drop]:
    """Rows with the members beside them; a row that is damaged is a drop, and the rest goes on.

    Raises `Drop("broken_sample")` for a file that cannot be read at all, and `OSError`.
    """
    if name.endswith(".tar"):
        yield from _of_tar(store, name)
        return
    with store.open(name) as file:
        if name.endswith(TABLES):
            yield from _of_table(file, name)
        else:
            yield from _of_lines(file, name)


def _of_table(file: IO[bytes], name: str) -> Iterator[Read]:
    try:
        for batch in pq.ParquetFile(file).iter_batches(_ROWS):
            for row in batch.to_pylist():
                yield row, NOTHING
    except pa.ArrowException as error:
        raise Drop("broken_sample", f"{name}: {error}") from None


def _of_lines(file: IO[bytes], name: str) -> Iterator[Read | Drop]:
    try:
        for line in _lines(file, name):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except msgspec.DecodeError as error:
                yield Drop("broken_sample", f"{name}: {error}")
                continue
            yield (row, NOTHING) if isinstance(row, dict) else Drop("broken_sample", f"{name}: a line is no object")
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError) as error:
        raise Drop("broken_sample", f"{name}: {error}") from None


def _lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    if name.endswith(".gz"):
        yield from gzip.GzipFile(fileobj=file)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(file) as packed:
            for member in packed.namelist():
                with packed.open(member) as lines:
                    yield from lines
    else:
        yield from file


def _of_tar(store: Store, name: str) -> Iterator[Read | Drop]:
    samples = len(offsets_of(store, name, None)) - 1
    with closing(Reader([TarFile(store, name, samples)])) as reader:
        for number in range(samples):
            try:
                key, members = reader.members(0, number)
                row: Any = msgspec.json.decode(members["json"]) if "json" in members else {}
            except Drop as drop:
                yield drop
                continue
            except msgspec.DecodeError as error:
                yield Drop("broken_sample", f"{name}#{number}: {error}")
                continue
            yield (row if isinstance(row, dict) else {}), _by_field(key, members)


def _by_field(key: str, members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Members by field, and by the whole name that the JSON of weft's samples has."""
    named = {f"{key.rpartition('/')[2]}.{field}": data for field, data in members.items()}
    return {**named, **members}
