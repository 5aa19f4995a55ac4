"""Samples taken out of a finished dataset: those that are denied by their page or one of their images, and those that a
later build replaced. The latter go with the former where a shard is written anew, and alone where that is asked for.

Tasks on an engine, each over the shards of a partition (`jobs.dataset.rewrite`). One that has looked for what is denied
says which shards it left, and by that list they are not looked through again.
"""

import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from jobs.dataset.rewrite import PHASE, Part, Rewriting, name_anew
from jobs.engine.engine import EngineSettings, Failure, open_engine
from jobs.engine.progress import progress
from jobs.phases.run import BuildError
from jobs.phases.task import Run
from schemas import __version__
from schemas.commits import Commit, committed, read_commit, sweep
from schemas.dataset import DATASET, Dataset, live_totals, write_reader_files
from schemas.deny import DenyList, read_deny_list
from schemas.drops import Counts
from schemas.shards import read_marks
from schemas.storage import Store
from schemas.superseded import builds_of_lists

_SHARD = re.compile(r"\d+-\d+")  # what the names of its files begin with
_LOOKED = "work/looked"  # a folder for each list: what its tasks have left
_READ_AT_A_TIME = 1000
_WORTH_AN_ENGINE = 1 << 30  # bytes of shards; fewer are read before one has started


def remove_denied(store: Store, dataset: Dataset, deny: DenyList, engine: EngineSettings) -> Dataset:
    """The dataset without what its list denies; itself where nothing of it is denied. Raises `BuildError`."""
    if not deny:
        return dataset
    of_list = "\n".join([__version__, *deny.lines]).encode()
    folder = f"{_LOOKED}/{hashlib.blake2b(of_list, digest_size=8).hexdigest()}"
    _finish_deleting(store, dataset)
    looked = _read_looked(store, folder)
    parts = [part for part in _parts(store, dataset) if looked.get(_name(part)) != part.shards]
    _carry_out(engine, parts, functools.partial(_remove_denied, Run.new(store.url), folder, parts))
    _forget_other_lists(store, folder)
    return _recounted(store, dataset)


def rewrite_superseded(store: Store, dataset: Dataset, engine: EngineSettings) -> Dataset:
    """The dataset with shards of which all samples count; itself where nothing was superseded. Raises `BuildError`."""
    _finish_deleting(store, dataset)
    parts = [part for part in _parts(store, dataset) if part.lists]
    _carry_out(engine, parts, functools.partial(_remove_superseded, store.url, parts))
    return _recounted(store, dataset)


def _finish_deleting(store: Store, dataset: Dataset) -> None:
    """Delete what is left of shards that were written anew and have no mark any more: the deletion was cut off."""
    anew = set(store.list(f"work/{PHASE}"))
    for kind in dataset.kinds if anew else ():
        marked = {name.removesuffix(".json") for name in store.list(f"{kind}/commit")}
        for folder in (f"{kind}/shards", f"{kind}/superseded"):
            shards = {name: found[0] for name in store.list(folder) if (found := _SHARD.match(name))}
            spent = {shard for shard in shards.values() if shard not in marked and name_anew(kind, shard) in anew}
            store.remove_all([f"{folder}/{name}" for name, shard in shards.items() if shard in spent])


def _parts(store: Store, dataset: Dataset) -> Iterator[Part]:
    """The shards as they are now."""
    for kind in dataset.kinds:
        lists, free = builds_of_lists(store, kind), dict[int, int]()
        for name in store.list(f"{kind}/shards"):
            if found := _SHARD.match(name):
                partition, number = map(int, found[0].split("-"))
                free[partition] = max(number + 1, free.get(partition, 0))
        for partition, marks in itertools.groupby(read_marks(store, kind), lambda mark: mark.partition):
            shards = [mark.shard for mark in marks]
            yield Part(
                kind,
                partition,
                shards={shard.name: shard.tar_sha256 for shard in shards},
                bytes=sum(shard.tar_bytes for shard in shards),
                lists={shard.name: lists[shard.name] for shard in shards if shard.name in lists},
                free=free.get(partition, 0),
            )


def _carry_out(settings: EngineSettings, parts: Sequence[Part], work: Callable[[int], Counts]) -> None:
    """Do all tasks. Raises `BuildError`, when those are done that can be."""
    if not parts:
        return
    if sum(part.bytes for part in parts) < _WORTH_AN_ENGINE:
        settings = msgspec.structs.replace(settings, engine="inline")
    failures: list[Failure] = []
    with open_engine(settings) as engine, progress(PHASE, len(parts), 0) as bar:
        for outcome in engine.run(PHASE, work, range(len(parts))):
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                bar.advance(outcome)
    if failures:
        first = failures[0]
        raise BuildError(
            f"samples could not be removed from {len(failures)} of {len(parts)} partitions, first {first.partition}: "
            f"{first.error}. The same command tries them again."
        )


def _remove_denied(run: Run, folder: str, parts: Sequence[Part], index: int) -> Counts:
    """A task."""
    store, part = Store(run.output), parts[index]
    rewriting = Rewriting(store, part)
    left = rewriting.remove_denied(_deny_list(run))
    store.put(f"{folder}/{_name(part)}", msgspec.json.encode(left))
    return rewriting.counts


def _remove_superseded(output: str, parts: Sequence[Part], index: int) -> Counts:
    """A task."""
    rewriting = Rewriting(Store(output), parts[index])
    rewriting.remove_superseded()
    return rewriting.counts


@functools.lru_cache(maxsize=1)
def _deny_list(run: Run) -> DenyList:
    return read_deny_list(Store(run.output))


def _name(part: Part) -> str:
    return f"{part.kind}-{part.partition:06d}.json"


def _read_looked(store: Store, folder: str) -> dict[str, dict[str, str]]:
    """By the name of its part, the shards that a task has left."""
    names, looked = store.list(folder), dict[str, dict[str, str]]()
    for start in range(0, len(names), _READ_AT_A_TIME):
        some = names[start : start + _READ_AT_A_TIME]
        read = store.read_all([f"{folder}/{name}" for name in some])
        looked |= {name: msgspec.json.decode(left) for name, left in zip(some, read, strict=True)}
    return looked


def _forget_other_lists(store: Store, folder: str) -> None:
    for name in store.list(_LOOKED):
        if f"{_LOOKED}/{name}" != folder:
            store.remove_all([f"{_LOOKED}/{name}/{one}" for one in store.list(f"{_LOOKED}/{name}")])


def _recounted(store: Store, dataset: Dataset) -> Dataset:
    """`dataset.json` and the files for other readers, as the shards are now."""
    removed = sum((commit.counts for commit in _commits(store)), Counts())
    before = dataset.phases.get(PHASE, Counts())
    shards = {kind: [mark.shard for mark in read_marks(store, kind)] for kind in dataset.kinds}
    kinds = {kind: live_totals(store, kind) for kind in shards}
    if removed == before and dataset.kinds == kinds:
        return dataset
    others = {name: counts for name, counts in dataset.phases.items() if name != PHASE}
    phases = {**others, PHASE: removed}
    changed = msgspec.structs.replace(dataset, kinds=kinds, phases=phases, drops=sum(phases.values(), Counts()).drops)
    for kind, of_kind in shards.items():
        write_reader_files(store, kind, of_kind)
    # An attempt that was killed may have left what is denied.
    sweep(store, ["", "drops", *(f"{kind}/{folder}" for kind in shards for folder in ("shards", "commit", ".nv-meta"))])
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(changed), indent=1))
    return changed


def _commits(store: Store) -> list[Commit]:
    """Of all shards that were ever written anew, in the order of their names."""
    found: dict[str, Commit] = {}

    def look(shard: str) -> None:
        if committed(store, f"{PHASE}/{shard}"):
            found[shard] = read_commit(store, f"{PHASE}/{shard}", 0)

    store.each(look, store.list(f"work/{PHASE}"))
    return [found[shard] for shard in sorted(found)]
