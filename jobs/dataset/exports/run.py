"""Carries an export out: a task a shard, whose file is there whole or not at all, so that the same command goes on."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from jobs.dataset.file_tasks import carry_out
from jobs.dataset.summary import kinds_of
from jobs.engine.engine import EngineSettings
from schemas.dataset import DATASET, read_dataset
from schemas.kinds import KINDS, Kind
from schemas.shards import ShardMark
from schemas.storage import Store, new_attempt
from schemas.superseded import LiveShards

EXPORT = "export.json"

Exported = tuple[Any, Mapping[str, bytes]]


class ExportError(Exception):
    """It cannot be exported so, or the output holds something else."""


class FilesFailed(ExportError):
    """Some files could not be written; the same call tries them again."""


class Format(Protocol):
    """A form of others."""

    kinds: tuple[str, ...]  # that it can hold

    def file(self, kind: Kind, shard: str) -> str:
        """The file of the output that stands for a shard."""

    def write(self, kind: Kind, samples: Iterator[Exported], file: Any, output: Store) -> Mapping[str, bytes]:
        """The samples of a shard: each the record of its kind and its members by name, in the order of the tar.

        Small files that belong beside it are returned, by what follows its name.
        """

    def finish(self, store: Store, files: Mapping[str, Sequence[tuple[str, ShardMark]]]) -> None:
        """What stands beside the files once all are there: by kind, files and the marks of their shards."""


class Plan(msgspec.Struct, frozen=True):
    """`export.json`: what of which dataset, in which form. Written first; another in the same output is refused."""

    source: str
    to: str
    kinds: tuple[str, ...]
    config_hash: str
    builds: int
    shards: str = ""  # a hash of their names and bytes: a removal writes them anew


def export(
    source: Store, output: Store, to: str, form: Format, kinds: Sequence[str], engine: EngineSettings
) -> dict[str, int]:
    """Write the samples of a finished dataset in a form of others; samples by kind.

    Memory: a row group or a sample of one shard for each task. Raises `ExportError`, `DamagedShard` and `OSError`.
    """
    kinds_of(source)  # what is no dataset at all is told so
    if not source.exists(DATASET):
        raise ExportError(f"{source.url} is not finished: what it keeps is not known yet")
    dataset = read_dataset(source)
    chosen = tuple(kinds or (kind for kind in dataset.kinds if kind in form.kinds))
    if not chosen or any(kind not in form.kinds or kind not in dataset.kinds for kind in chosen):
        raise ExportError(f"{to} holds {' and '.join(form.kinds)}; {source.url} has {', '.join(dataset.kinds)}")
    marks = {kind: LiveShards(source, kind).marks for kind in chosen}
    builds = max(1, len(dataset.builds))
    _begin(output, Plan(source.url, to, chosen, dataset.config_hash, builds, _hash_of(marks)))
    files = {kind: [(form.file(KINDS[kind], mark.shard.name), mark) for mark in marks[kind]] for kind in chosen}
    wanted = [(kind, file, mark.shard.name) for kind, of_kind in files.items() for file, mark in of_kind]
    folders = {file.rpartition("/")[0] for _, file, _ in wanted}
    there = {f"{folder}/{name}" for folder in folders for name in output.list(folder)}
    todo = [number for number, (_, file, _) in enumerate(wanted) if file not in there]
    work = partial(_write, source.url, output.url, form, wanted)
    if failed := carry_out("export", [file for _, file, _ in wanted], todo, work, engine):
        raise FilesFailed(failed)
    form.finish(output, files)
    return {kind: sum(mark.shard.samples for _, mark in of_kind) for kind, of_kind in files.items()}


def _begin(output: Store, plan: Plan) -> None:
    if not output.exists(EXPORT) and output.list(""):
        raise ExportError(f"{output.url} is not empty: choose another output")
    if output.put_if_absent(EXPORT, msgspec.json.format(msgspec.json.encode(plan), indent=1)):
        return
    there = msgspec.json.decode(output.read(EXPORT), type=Plan)
    if there != plan:
        raise ExportError(f"{output.url} holds another export: of {there.source} to {there.to}, or what it was then")


def _hash_of(marks: Mapping[str, Sequence[ShardMark]]) -> str:
    """One that changes with the shards: files of those that are gone must not stay beside those of others."""
    lines = (f"{kind}/{one.shard.name} {one.shard.tar_sha256}" for kind in marks for one in marks[kind])
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def _write(source: str, output: str, form: Format, wanted: list[tuple[str, str, str]], number: int) -> int:
    """A task: the file of one shard."""
    kind, name, shard = wanted[number]
    store = Store(output)
    folder, _, base = name.rpartition("/")
    staged = f"{folder}/.{new_attempt()}.{base}.tmp"
    try:
        with store.create(staged) as file:
            beside = form.write(KINDS[kind], _samples(Store(source), kind, shard), file, store)
        for ending, data in beside.items():
            store.put(f"{name}{ending}", data)
        store.move(staged, name)
    except BaseException:
        store.remove(staged)
        raise
    return 1


def _samples(source: Store, kind: str, name: str) -> Iterator[Exported]:
    shard = LiveShards(source, kind).open(name)
    rows = shard.index(["key", "offset", "size", "members"]).to_pylist()
    decoder = msgspec.json.Decoder(KINDS[kind].sample)
    for row, members in zip(rows, shard.members(rows), strict=True):
        yield decoder.decode(members[f"{row['key']}.json"]), members
