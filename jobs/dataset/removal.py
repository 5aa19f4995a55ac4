"""What is denied is taken out of a finished dataset: samples and images, by address and by hash, and what is left of
them beside the shards. Samples that a later build replaced go with them where a shard is written anew, and alone where
that is asked for.

Tasks on an engine, each over the shards of a partition (`jobs.dataset.rewrite`). One that has looked for what is denied
says which shards it left, and by that list they are not looked through again. `dataset.json`, written last, has the
removal in its history. Killed at any moment, the same command finishes it.
"""

import functools
import hashlib
import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from crawlers.inputs import InputError
from jobs.dataset.append import is_appending
from jobs.dataset.cards.write import refresh_cards
from jobs.dataset.denied import denied_in
from jobs.dataset.onto import time_now
from jobs.dataset.rewrite import Part, Rewriting, name_anew
from jobs.dataset.traces import ARCHIVES, LOOKED, clear_work, records_denied, remove_traces
from jobs.engine.engine import EngineSettings, Failure, open_engine
from jobs.engine.held import held
from jobs.engine.progress import Progress, counted
from jobs.phases.run import BuildError
from jobs.phases.task import Run
from schemas import __version__
from schemas.commits import Commit, committed, read_commit, sweep
from schemas.dataset import DATASET, Dataset, live_totals, read_dataset, write_reader_files
from schemas.deny import DenyList, add_to_deny_list, read_deny_list
from schemas.drops import Counts
from schemas.kinds import KINDS
from schemas.removals import Gone, Removal, close_removal, is_applied, open_removal, read_gone, write_removal
from schemas.shards import read_marks
from schemas.storage import Store
from schemas.superseded import LiveShards, builds_of_lists

logger = logging.getLogger(__name__)

PHASE, _REWRITE = "remove", "rewrite"
_SHARD = re.compile(r"\d+-\d+")  # what the names of its files begin with
_FOLDERS, _FOLDERS_OF_KIND = ("", "drops", "removed", *ARCHIVES), ("shards", "commit", "keys", ".nv-meta")
_READ_AT_A_TIME = 1000
_WORTH_AN_ENGINE = 1 << 30  # bytes of shards; fewer are read before one has started


def remove(store: Store, lines: Iterable[str], engine: EngineSettings) -> Dataset:
    """Add lines to the deny list of a finished dataset, and carry it out. Raises `InputError` where there is none or
    something is being added to it, `SettingsError` for a line that is wrong, `OSError` where the storage fails, and
    `BuildError`."""
    with held(store):
        dataset = require_finished(store)
        left = remove_denied(store, dataset, add_to_deny_list(store, lines), engine)
        refresh_cards(store)
        return left


def require_finished(store: Store) -> Dataset:
    """The dataset that lies there. Raises `InputError`."""
    if not store.exists(DATASET):
        raise InputError(f"{store.url} is no finished dataset")
    if is_appending(store):
        raise InputError(f"something is being added to {store.url}: weft build --append finishes that first")
    return read_dataset(store)


def remove_denied(store: Store, dataset: Dataset, deny: DenyList, engine: EngineSettings) -> Dataset:
    """The dataset without what its list denies; itself where the list was carried out before. Raises `BuildError`."""
    builds = len(dataset.builds)
    if not deny or is_applied(store, deny.lines, builds):
        return dataset
    removal = open_removal(store, Removal(len(dataset.removals) + 1, time_now(), len(deny.lines), __version__))
    if removal.number > len(dataset.removals):  # else an earlier run was killed when all was done
        dataset = _carried_out(store, dataset, deny, msgspec.structs.replace(removal, entries=len(deny.lines)), engine)
    clear_work(store)
    # An attempt that was killed may have left what is denied.
    sweep(store, [*_FOLDERS, *(f"{kind}/{folder}" for kind in dataset.kinds for folder in _FOLDERS_OF_KIND)])
    close_removal(store, deny.lines, builds)
    return dataset


def _carried_out(store: Store, dataset: Dataset, deny: DenyList, removal: Removal, engine: EngineSettings) -> Dataset:
    phase = f"{PHASE}-{removal.number:03d}"
    of_list = "\n".join([__version__, *deny.lines]).encode()
    folder = f"{LOOKED}/{hashlib.blake2b(of_list, digest_size=8).hexdigest()}"
    _finish_deleting(store, dataset, phase)
    looked = _read_looked(store, folder)
    parts = [part for part in _parts(store, dataset) if looked.get(_name(part)) != part.shards]
    task = functools.partial(_remove_denied, Run.new(store.url), folder, parts, phase, removal.number)
    _carry_out(engine, parts, task)
    _forget_other_lists(store, folder)
    gone, commits = read_gone(store, removal.number), _commits(store, phase)
    counts = sum((commit.counts for commit in commits), Counts())
    items = {kind: KINDS[kind].item for kind in gone}
    live = {kind: counts.seen.get(item, 0) - counts.kept.get(item, 0) for kind, item in items.items()}
    replaced = {kind: len(one.samples) - live[kind] for kind, one in gone.items()}
    removal = _of_gone(removal, gone, replaced, remove_traces(store, deny, removal, gone))
    return _with_removal(store, dataset, removal, commits) if commits or removal.records else dataset


def would_remove(store: Store, dataset: Dataset, deny: DenyList) -> tuple[Removal, Counter[str]]:
    """What `remove_denied` would take, and how much of it by each entry of the list; nothing is written."""
    gone, by_entry = {kind: Gone() for kind in dataset.kinds}, Counter[str]()
    replaced = Counter[str]()
    for kind, of_kind in gone.items():
        shards = LiveShards(store, kind)
        for name in (mark.shard.name for mark in shards.whole):
            found = denied_in(store, kind, name, deny)
            live = set(shards.open(name).index(["key"])["key"].to_pylist()) if found else set()
            for key, denied in found.items():
                if denied.entry or key not in live:  # one that was replaced goes whole
                    of_kind.samples.add(key)
                    replaced[kind] += key not in live
                    by_entry[denied.entry or next(iter(denied.images.values()))] += 1
                else:
                    of_kind.images += len(denied.images)
                    by_entry.update(denied.images.values())
    removal = Removal(len(dataset.removals) + 1, time_now(), len(deny.lines), __version__)
    return _of_gone(removal, gone, replaced, records_denied(store, deny)), by_entry


def _of_gone(removal: Removal, gone: Mapping[str, Gone], replaced: Mapping[str, int], records: int) -> Removal:
    """The removal with what went; readers did not have those that were `replaced`."""
    samples = {kind: len(one.samples) - replaced.get(kind, 0) for kind, one in gone.items()}
    return msgspec.structs.replace(
        removal,
        samples={kind: count for kind, count in samples.items() if count},
        images={kind: one.images for kind, one in gone.items() if one.images},
        records=records,
        replaced={kind: count for kind, count in replaced.items() if count},
    )


def rewrite_superseded(store: Store, dataset: Dataset, engine: EngineSettings) -> Dataset:
    """The dataset with shards of which all samples count; itself where nothing was superseded. Raises `BuildError`."""
    _finish_deleting(store, dataset, _REWRITE)
    parts = [part for part in _parts(store, dataset) if part.lists]
    _carry_out(engine, parts, functools.partial(_remove_superseded, store.url, parts))
    return _recounted(store, dataset) if parts else dataset


def _finish_deleting(store: Store, dataset: Dataset, phase: str) -> None:
    """Delete what is left of shards that were written anew and have no mark any more: the deletion was cut off."""
    anew = set(store.list(f"work/{phase}"))
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
    counts, done = Counts(), 0
    with open_engine(settings) as engine, Progress(PHASE, len(parts), "partitions") as bar:
        for outcome in engine.run(PHASE, work, range(len(parts))):
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                counts, done = counts + outcome, done + 1
                bar.show(done, functools.partial(", ".join, counted(counts)))
    if failures:
        first = failures[0]
        raise BuildError(
            f"samples could not be removed from {len(failures)} of {len(parts)} partitions, first {first.partition}: "
            f"{first.error}. The same command tries them again."
        )


def _remove_denied(run: Run, folder: str, parts: Sequence[Part], phase: str, removal: int, index: int) -> Counts:
    """A task."""
    store, part = Store(run.output), parts[index]
    rewriting = Rewriting(store, part, phase, removal)
    left = rewriting.remove_denied(_deny_list(run))
    store.put(f"{folder}/{_name(part)}", msgspec.json.encode(left))
    return rewriting.counts


def _remove_superseded(output: str, parts: Sequence[Part], index: int) -> Counts:
    """A task."""
    rewriting = Rewriting(Store(output), parts[index], _REWRITE)
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
    for name in store.list(LOOKED):
        if f"{LOOKED}/{name}" != folder:
            store.remove_all([f"{LOOKED}/{name}/{one}" for one in store.list(f"{LOOKED}/{name}")])


def _with_removal(store: Store, dataset: Dataset, removal: Removal, commits: Sequence[Commit]) -> Dataset:
    """The dataset with the removal in its history."""
    counts = sum((commit.counts for commit in commits), dataset.phases.get(PHASE, Counts()))
    phases = {**dataset.phases, PHASE: counts}
    changed = msgspec.structs.replace(
        dataset, phases=phases, drops=sum(phases.values(), Counts()).drops, removals=[*dataset.removals, removal]
    )
    write_removal(store, removal)
    return _recounted(store, changed)


def _recounted(store: Store, dataset: Dataset) -> Dataset:
    """`dataset.json` and the files for other readers, as the shards are now."""
    shards = {kind: [mark.shard for mark in read_marks(store, kind)] for kind in dataset.kinds}
    changed = msgspec.structs.replace(dataset, kinds={kind: live_totals(store, kind) for kind in shards})
    for kind, of_kind in shards.items():
        write_reader_files(store, kind, of_kind)
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(changed), indent=1))
    return changed


def _commits(store: Store, phase: str) -> list[Commit]:
    """Of all shards that a removal wrote anew, in the order of their names."""
    found: dict[str, Commit] = {}

    def look(shard: str) -> None:
        if committed(store, f"{phase}/{shard}"):
            found[shard] = read_commit(store, f"{phase}/{shard}", 0)

    store.each(look, store.list(f"work/{phase}"))
    return [found[shard] for shard in sorted(found)]


def told_complete(output: str, dataset: Dataset, left: Dataset) -> None:
    """Say of a finished dataset whether something was done, by what is left of it."""
    logger.warning("%s is complete: %s", output, "nothing to do" if left == dataset else "what is denied was removed")
