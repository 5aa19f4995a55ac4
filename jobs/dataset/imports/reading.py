"""The rows of a file of another dataset: of parquet and Arrow tables, JSON lines, and tars of samples."""

import gzip
import zipfile
import zlib
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

#: What decoders raise for a line or a cell that is none.
_BAD_LINE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BAD_CELL = (ValueError, OverflowError)
#: For packed bytes that are damaged, encrypted (RuntimeError) or packed in a way that Python does not know.
_BAD_PACKING = (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


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


def _of_table(file: IO[bytes], name: str) -> Iterator[Read | Drop]:
    try:
        for batch in pq.ParquetFile(file).iter_batches(_ROWS):
            yield from _of_batch(batch, name)
    except pa.ArrowException as error:
        raise Drop("broken_sample", f"{name}: {error}") from None
    except OSError as error:
        if type(error) is OSError and error.errno is None:  # Arrow's own, of pages that do not unpack; no storage's
            raise Drop("broken_sample", f"{name}: {error}") from None
        raise


def _of_batch(batch: pa.RecordBatch, name: str) -> Iterator[Read | Drop]:
    try:
        rows = batch.to_pylist()
    except _BAD_CELL as error:
        if len(batch) == 1:
            yield Drop("broken_sample", f"{name}: {error}")
            return
        for number in range(len(batch)):
            yield from _of_batch(batch.slice(number, 1), name)
        return
    yield from ((row, NOTHING) for row in rows)


def _of_lines(file: IO[bytes], name: str) -> Iterator[Read | Drop]:
    try:
        for line in _lines(file, name):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except _BAD_LINE as error:
                yield Drop("broken_sample", f"{name}: {error}")
                continue
            yield (row, NOTHING) if isinstance(row, dict) else Drop("broken_sample", f"{name}: a line is no object")
    except _BAD_PACKING as error:
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
            except _BAD_LINE as error:
                yield Drop("broken_sample", f"{name}#{number}: {error}")
                continue
            yield (row if isinstance(row, dict) else {}), _by_field(key, members)


def _by_field(key: str, members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Members by field, and by the whole name that the JSON of weft's samples has."""
    named = {f"{key.rpartition('/')[2]}.{field}": data for field, data in members.items()}
    return {**named, **members}
