"""Evaluation sets: read once, kept as hashes, and looked up by the tasks that extract pages and decode images."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.config import BuildConfig
from jobs.phases.reference_files import BadReference, References, images_of, items_of
from jobs.phases.task import Memory, Phase, Task, file_of
from pipeline.decontamination import ImageIndex, TextIndex, item_ngrams
from pipeline.image.codec import decode_image
from pipeline.image.rules import ImageRules
from schemas.documents import StoredImage
from schemas.drops import Drop

_COLUMNS = pa.schema([("n", pa.int16()), ("hash", pa.int64()), ("item", pa.int64())])
_ITEMS_A_BATCH = 10_000
_ANY_IMAGE = ImageRules(min_side_px=1, max_aspect_ratio=float("inf"), min_color_range=0)


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
        for number, text in enumerate(items_of(url), 1):
            n, hashes = item_ngrams(text, config.decontamination)
            if n:
                yield f"{url}:{number}", n, hashes


def _image_hashes(references: References, config: BuildConfig) -> Iterator[tuple[str, int, Any]]:
    for name, image in read_images(references, config):
        yield name, 0, np.array([int(image.phash, 16)], np.uint64)


def read_images(references: References, config: BuildConfig) -> Iterator[tuple[str, StoredImage]]:
    """Evaluation images by name, decoded as those of pages are. Raises `BadReference`."""
    for url in references.files:
        for name, data in images_of(url):
            try:
                yield name, decode_image(data, _ANY_IMAGE, config.encoding)
            except Drop as drop:
                raise BadReference(f"{name}: {drop.reason} {drop.detail}") from None
