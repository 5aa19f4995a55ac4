"""Evaluation sets: read once, kept as hashes, and looked up by the tasks that extract pages and decode images."""

import csv
import io
import itertools
import tarfile
from collections.abc import Iterator
from typing import Any

import fsspec
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.config import BuildConfig
from jobs.phases.plan import References
from jobs.phases.task import Memory, Phase, Task, file_of
from pipeline.decontamination import ImageIndex, TextIndex, item_ngrams
from pipeline.image.codec import decode_image
from pipeline.image.rules import ImageRules
from schemas.documents import StoredImage
from schemas.drops import Drop

_COLUMNS = pa.schema([("n", pa.int16()), ("hash", pa.int64()), ("item", pa.int64())])
_ITEMS_A_BATCH = 10_000
_ANY_IMAGE = ImageRules(min_side_px=1, max_aspect_ratio=float("inf"), min_color_range=0)


class BadReference(Exception):
    """An evaluation file cannot be read: to go on without it would be to let its items into the data."""


def read_references(task: Task) -> None:
    """Hash the items of some evaluation files. Raises `BadReference`."""
    references = task.plan.references[task.index]
    read = _image_hashes if references.kind == "images" else _text_hashes
    names: list[str] = []
    with pq.ParquetWriter(task.create("hashes.parquet"), _COLUMNS, compression="zstd") as writer:
        items = read(references, task.config)
        while batch := list(itertools.islice(items, _ITEMS_A_BATCH)):
            sizes = [len(hashes) for _, _, hashes in batch]
            columns = [
                np.repeat(np.array([n for _, n, _ in batch], np.int16), sizes),
                np.concatenate([hashes for _, _, hashes in batch]).view(np.int64),
                np.repeat(np.arange(len(names), len(names) + len(batch)), sizes),
            ]
            writer.write_table(pa.table(columns, schema=_COLUMNS))
            names += [name for name, _, _ in batch]
    task.put("names.json", msgspec.json.encode(names))


REFERENCES = Phase("references", "references", read_references)


def text_index(memory: Memory) -> TextIndex | None:
    """The index over all evaluation texts; None where there are none. For `Memory.once`."""
    rows, names = _load(memory, "texts")
    if rows is None:
        return None
    grams = {}
    lengths = rows.column("n").to_numpy()
    for n in np.unique(lengths).tolist():
        part = rows.filter(pa.array(lengths == n))
        hashes, positions = np.unique(part.column("hash").to_numpy().view(np.uint64), return_index=True)
        grams[int(n)] = (hashes, part.column("item").to_numpy()[positions])
    return TextIndex(grams, names)


def image_index(memory: Memory) -> ImageIndex | None:
    """The same for evaluation images."""
    rows, names = _load(memory, "images")
    if rows is None:
        return None
    return ImageIndex(rows.column("hash").to_numpy().view(np.uint64), names, memory.plan.config.decontamination)


def _load(memory: Memory, kind: str) -> tuple[pa.Table | None, list[str]]:
    tables: list[pa.Table] = []
    names: list[str] = []
    for index, references in enumerate(memory.plan.references):
        if references.kind == kind:
            with memory.store.open(file_of(REFERENCES.name, index, "hashes.parquet")) as file:
                table = pq.read_table(file)
            item = pa.array(table.column("item").to_numpy() + len(names))
            tables.append(table.set_column(2, "item", item))
            names += reference_names(memory, index)
    return (pa.concat_tables(tables).combine_chunks() if tables else None), names


def reference_names(memory: Memory, index: int) -> list[str]:
    """The names of the items that one task hashed."""
    return msgspec.json.decode(memory.store.read(file_of(REFERENCES.name, index, "names.json")), type=list[str])


def _text_hashes(references: References, config: BuildConfig) -> Iterator[tuple[str, int, Any]]:
    for url in references.files:
        for number, text in enumerate(_items(url), 1):
            n, hashes = item_ngrams(text, config.decontamination)
            if n:
                yield f"{url}:{number}", n, hashes


def _items(url: str) -> Iterator[str]:
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
    except (ValueError, csv.Error, msgspec.DecodeError, pa.ArrowException) as error:
        raise BadReference(f"{url}: {error}") from None


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


def _image_hashes(references: References, config: BuildConfig) -> Iterator[tuple[str, int, Any]]:
    for name, image in read_images(references, config):
        yield name, 0, np.array([int(image.phash, 16)], np.uint64)


def read_images(references: References, config: BuildConfig) -> Iterator[tuple[str, StoredImage]]:
    """Evaluation images by name, decoded as those of pages are. Raises `BadReference`."""
    for url in references.files:
        with fsspec.open(url, "rb") as file:
            for name, data in _images(url, file):
                try:
                    yield name, decode_image(data, _ANY_IMAGE, config.encoding)
                except Drop as drop:
                    raise BadReference(f"{name}: {drop.reason} {drop.detail}") from None


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
