"""Carries an import out: a task a file, whose archives are there whole or not at all."""

import posixpath
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from crawlers.warc_writer import WarcWriter
from jobs.dataset.file_tasks import carry_out
from jobs.dataset.imports.documents import write
from jobs.dataset.imports.layouts import document_of
from jobs.dataset.imports.reading import ENDINGS, TABLES, read_file
from jobs.engine.engine import EngineSettings
from schemas.drops import Counts, Drop, DropRow, Tally
from schemas.storage import Store

DONE = "imported"
_WARC_BYTES = 1 << 30
_MOST_LOOKED_AT, _MOST_NAMED = 1000, 3  # folders in an error


class ImportFailed(Exception):
    """There is nothing to import, or some files could not be."""


class FilesFailed(ImportFailed):
    """Some files could not be written; the same call tries them again."""


class _Done(msgspec.Struct, frozen=True):
    """`imported/{number}.json`: the archives of a file are there. Written last."""

    source: str
    archives: list[str]
    counts: Counts


def import_files(folder: str, names: Sequence[str], output: Store, engine: EngineSettings) -> Counts:
    """Write the samples of files as archives under `output/warc/`: what they hold, and what was dropped of it.

    Memory: some rows of one file for each task. Raises `ImportFailed`, and `OSError`.
    """
    files = _of_samples(names)
    if not files:
        raise ImportFailed(_nothing(folder))
    done = {name for name in output.list(DONE) if name.endswith(".json")}
    todo = [number for number in range(len(files)) if f"{number:06d}.json" not in done]
    if failed := carry_out("import", files, todo, partial(_import, folder, files, output.url), engine):
        raise FilesFailed(failed)
    records = output.read_all([f"{DONE}/{number:06d}.json" for number in range(len(files))])
    marks = [msgspec.json.decode(record, type=_Done) for record in records]
    if changed := [mark.source for mark, name in zip(marks, files, strict=True) if mark.source != name]:
        raise ImportFailed(f"{output.url} holds an import of other files, such as {changed[0]}")
    return sum((mark.counts for mark in marks), Counts())


def _of_samples(names: Sequence[str]) -> list[str]:
    """The files with samples. A table called as a tar beside it is that tar's index, as weft and img2dataset write it;
    of img2dataset it has the rows, too, whose images could not be had."""
    tars = {name.removesuffix(".tar") for name in names if name.endswith(".tar")}
    found = (name for name in names if name.endswith(ENDINGS))
    return sorted(name for name in found if not (name.endswith(TABLES) and posixpath.splitext(name)[0] in tars))


def _nothing(folder: str) -> str:
    """That nothing can be imported from a folder, and which folders in it have something."""
    said = f"{folder}: no {', '.join(ENDINGS)} lies there"
    names = Store(folder).list("")[:_MOST_LOOKED_AT]
    inside = list(islice((name for name in names if _has_samples(folder, name)), _MOST_NAMED))
    named = ", ".join(f"{folder.rstrip('/')}/{name}" for name in inside)
    return f"{said}; there are such files in {named}" if inside else said


def _has_samples(folder: str, name: str) -> bool:
    """Whether a folder in a folder has files that can be imported, as it is or in `shards`."""
    store = Store(folder)
    return any(one.endswith(ENDINGS) for inside in (name, f"{name}/shards") for one in store.list(inside))


def _import(folder: str, files: Sequence[str], output: str, number: int) -> int:
    """A task: one file."""
    source, store = Store(folder), Store(output)
    tally = Tally(None)
    with tempfile.TemporaryDirectory(prefix="weft-import-") as scratch:
        writer = WarcWriter(Path(scratch), f"imported-{number:06d}", _WARC_BYTES, [("description", files[number])])
        try:
            for row, read in enumerate(read_file(source, files[number])):
                tally.saw("sample")
                try:
                    if isinstance(read, Drop):
                        raise read
                    write(document_of(*read), f"{number}/{row}", writer)
                except Drop as drop:
                    tally.drop(DropRow(f"{files[number]}#{row}", "sample", drop.reason, drop.detail))
                else:
                    tally.kept("sample")
        except Drop as drop:  # the file itself; what was read of it stays
            tally.saw("sample")
            tally.drop(DropRow(files[number], "sample", drop.reason, drop.detail))
        writer.finish()
        made = sorted(path for path in Path(scratch).iterdir() if path.suffix == ".gz")
        for path in made:
            store.put(f"warc/{path.name}", path.read_bytes())
    done = _Done(files[number], [path.name for path in made], tally.counts())
    store.put(f"{DONE}/{number:06d}.json", msgspec.json.encode(done))
    return number
