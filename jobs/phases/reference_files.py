"""Files of evaluation sets, as they lie there: items of texts, and images."""

import csv
import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.inputs import InputError, list_files, shown
from pipeline.decontamination import DecontaminationRules
from schemas.drops import StepError

#: What reading a file raises that is damaged; another try would meet the same.
_DAMAGE = (ValueError, EOFError, zlib.error, gzip.BadGzipFile)
_IMAGES_A_TASK = 512


class References(msgspec.Struct, frozen=True):
    """Files of evaluation sets that one task reads."""

    kind: Literal["texts", "images"]
    files: list[str]


class BadReference(StepError):
    """An evaluation file cannot be read: to go on without it would be to let its items into the data."""


def list_references(rules: DecontaminationRules) -> list[References]:
    """A task for each file of texts, and for every few hundred images. Raises `InputError`, also where the head of a
    file of texts or of a tar cannot be read; what is damaged further on, the first phase tells."""
    texts, images = list_files(rules.texts), list_files(rules.images)
    for url in texts:
        _first(url, items_of(url))
    for url in images:
        if url.endswith(".tar"):
            _first(url, images_of(url))
    steps = range(0, len(images), _IMAGES_A_TASK)
    return [References("texts", [file]) for file in texts] + [
        References("images", images[start : start + _IMAGES_A_TASK]) for start in steps
    ]


def _first(url: str, found: Iterator[Any]) -> None:
    try:
        next(found, None)
    except (BadReference, OSError) as error:
        said = str(error).removeprefix(f"{url}: ")
        raise InputError(f"cannot read the evaluation file {url}: {shown(said)}") from None


def items_of(url: str) -> Iterator[str]:
    """The texts of a file of items. Raises `BadReference`."""
    try:
        with fsspec.open(url, "rb", compression="infer") as file:
            suffix = url.removesuffix(".gz").rpartition(".")[2].lower()
            match suffix:
                case "txt":
                    yield from io.TextIOWrapper(file, "utf-8")
                case "jsonl":
                    yield from (" \n ".join(_strings(msgspec.json.decode(line))) for line in file if line.strip())
                case "json":
                    whole = msgspec.json.decode(file.read())
                    items = whole if isinstance(whole, list) else [whole]
                    yield from (" \n ".join(_strings(item)) for item in items)
                case "csv" | "tsv":
                    lines = io.TextIOWrapper(file, "utf-8", newline="")
                    yield from (
                        " \n ".join(row) for row in csv.reader(lines, delimiter="\t" if suffix == "tsv" else ",")
                    )
                case "parquet":
                    for batch in pq.ParquetFile(file).iter_batches():
                        yield from (" \n ".join(_strings(row)) for row in batch.to_pylist())
                case _:
                    raise BadReference(f"{url}: not .txt, .jsonl, .json, .csv, .tsv or .parquet")
    except (*_DAMAGE, csv.Error, msgspec.DecodeError, pa.ArrowException, RecursionError) as error:
        raise BadReference(f"{url}: {shown(str(error))}") from None


def _strings(value: Any) -> Iterator[str]:
    """All strings in a value as JSON and parquet know them, keys left out."""
    match value:
        case str():
            yield value
        case dict():
            for part in value.values():
                yield from _strings(part)
        case list():
            for part in value:
                yield from _strings(part)


def images_of(url: str) -> Iterator[tuple[str, bytes]]:
    """The images of a file, by name: of a tar all, else the file itself. Raises `BadReference`."""
    try:
        with fsspec.open(url, "rb") as file:
            yield from _images(url, file)
    except (*_DAMAGE, tarfile.TarError) as error:
        raise BadReference(f"{url}: {shown(str(error))}") from None


def _images(url: str, file: Any) -> Iterator[tuple[str, bytes]]:
    if not url.endswith(".tar"):
        yield url, file.read()
        return
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            if member.isfile() and member.name.lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")):
                stored = tar.extractfile(member)
                assert stored is not None
                yield f"{url}:{member.name}", stored.read()
