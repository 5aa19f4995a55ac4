"""What is denied is taken out of a finished dataset: samples and images, by address and by hash, and what is left of
them beside the shards.

What a later build replaced goes with them where a shard is written anew, and alone where that is asked for.

A shard is replaced by one without them: written aside, committed under the next free number of its partition, then the
old one's mark and files are deleted. `dataset.json`, written last, has the removal in its history. Killed at any
moment, the same command finishes it.
"""

import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from crawlers.inputs import InputError
from jobs.dataset.append import is_appending
from jobs.dataset.denied import Denied, denied_in, edited
from jobs.dataset.traces import ARCHIVES, clear_work, records_denied, remove_traces
from schemas import __version__
from schemas.commits import Attempt, Commit, committed, publish, read_commit, sweep
from schemas.dataset import DATASET, Dataset, live_totals, read_dataset, write_reader_files
from schemas.deny import DenyList, add_to_deny_list
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow, Tally
from schemas.kinds import KINDS
from schemas.removals import (
    Gone,
    Removal,
    RemovedFile,
    close_removal,
    is_applied,
    open_removal,
    read_gone,
    write_removal,
)
from schemas.shards import Shard, ShardInfo, ShardMark, ShardSettings, ShardWriter, read_marks
from schemas.storage import Store
from schemas.superseded import NONE, latest_lists, read_superseded

PHASE = "remove"
_REWRITE = "rewrite"
_FOLDERS, _FOLDERS_OF_KIND = ("", "drops", "removed", *ARCHIVES), ("shards", "commit", "keys", ".nv-meta")
_NO_LIMIT = ShardSettings(max_bytes=1 << 62)
_NOTHING: Mapping[str, Denied] = {}


def remove(store: Store, lines: Iterable[str]) -> Dataset:
    """Add lines to the deny list of a finished dataset, and carry it out. Raises `InputError` where there is none or
    something is being added to it, `SettingsError` for a line that is wrong, `OSError` where the storage fails."""
    dataset = require_finished(store)
    return remove_denied(store, dataset, add_to_deny_list(store, lines))


def require_finished(store: Store) -> Dataset:
    """The dataset that lies there. Raises `InputError`."""
    if not store.exists(DATASET):
        raise InputError(f"{store.url} is no finished dataset")
    if is_appending(store):
        raise InputError(f"something is being added to {store.url}: weft build --append finishes that first")
    return read_dataset(store)


def remove_denied(store: Store, dataset: Dataset, deny: DenyList) -> Dataset:
    """The dataset without what the list denies; itself where the list was carried out before."""
    builds = len(dataset.builds)
    if not deny or is_applied(store, deny.lines, builds):
        return dataset
    removal = open_removal(store, Removal(len(dataset.removals) + 1, _now(), len(deny.lines), __version__))
    if removal.number > len(dataset.removals):  # else an earlier run was killed when all was done
        commits = [commit for kind in dataset.kinds for commit in _remove_of_kind(store, kind, deny, removal)]
        gone = read_gone(store, removal.number)
        removal = msgspec.structs.replace(removal, entries=len(deny.lines))
        removal = _of_gone(removal, gone, remove_traces(store, deny, removal, gone))
        if commits or removal.records:
            dataset = _with_removal(store, dataset, removal, commits)
    clear_work(store)
    sweep(store, [*_FOLDERS, *(f"{kind}/{folder}" for kind in dataset.kinds for folder in _FOLDERS_OF_KIND)])
    close_removal(store, deny.lines, builds)
    return dataset


def would_remove(store: Store, dataset: Dataset, deny: DenyList) -> tuple[Removal, Counter[str]]:
    """What `remove_denied` would take, and how much of it by each entry of the list; nothing is written."""
    gone, by_entry = {kind: Gone() for kind in dataset.kinds}, Counter[str]()
    for kind, of_kind in gone.items():
        for mark in read_marks(store, kind):
            for key, denied in denied_in(store, kind, mark.shard.name, deny).items():
                if denied.entry:
                    of_kind.samples.add(key)
                    by_entry[denied.entry] += 1
                else:
                    of_kind.images += len(denied.images)
                    by_entry.update(denied.images.values())
    removal = Removal(len(dataset.removals) + 1, _now(), len(deny.lines), __version__)
    return _of_gone(removal, gone, records_denied(store, deny)), by_entry


def _of_gone(removal: Removal, gone: Mapping[str, Gone], records: int) -> Removal:
    samples = {kind: len(one.samples) for kind, one in gone.items() if one.samples}
    images = {kind: one.images for kind, one in gone.items() if one.images}
    return msgspec.structs.replace(removal, samples=samples, images=images, records=records)


def rewrite_superseded(store: Store, dataset: Dataset) -> Dataset:
    """The dataset with shards of which all samples count; itself where nothing was superseded."""
    lists = {kind: latest_lists(store, kind) for kind in dataset.kinds}
    if not any(lists.values()):
        return dataset
    for kind, of_kind in lists.items():
        marks = {mark.shard.name: mark for mark in read_marks(store, kind)}
        for name in of_kind:
            if name in marks:
                _replace(store, kind, marks[name], _REWRITE, _NOTHING)
                _delete(store, kind, name)
    return _recounted(store, dataset)


def _remove_of_kind(store: Store, kind: str, deny: DenyList, removal: Removal) -> list[Commit]:
    """The commits by which this removal has replaced shards, those of runs that were killed too."""
    folder = f"{PHASE}-{removal.number:03d}"
    commits = []
    for name in store.list(f"work/{folder}"):
        of_kind, _, shard = name.partition("-")
        if of_kind == kind and committed(store, f"{folder}/{name}"):  # by an earlier run, killed before it was done
            commits.append(read_commit(store, f"{folder}/{name}", 0))
            publish(store, commits[-1])
            _delete(store, kind, shard)
    left = read_marks(store, kind)
    while left:
        mark = left.pop()
        if denied := denied_in(store, kind, mark.shard.name, deny):
            commits.append(_replace(store, kind, mark, folder, denied, removal.number))
            _delete(store, kind, mark.shard.name)
            left += _marks_of(store, kind, commits[-1])  # of another driver, who had a shorter list
    return commits


def _replace(
    store: Store, kind: str, mark: ShardMark, folder: str, denied: Mapping[str, Denied], removal: int = 0
) -> Commit:
    """Commit a shard of what may stay; none if nothing may."""
    name, columns = mark.shard.name, KINDS[kind].columns
    phase = f"{folder}/{kind}-{name}"
    with Attempt(store, phase, 0) as attempt:
        finished: list[ShardInfo] = []
        first = _next_number(store, kind, mark.partition)
        writer = ShardWriter(
            attempt, f"{kind}/shards", mark.partition, columns, _NO_LIMIT, finished.append, first_number=first
        )
        superseded = set(
            read_superseded(store, kind).get(name, NONE).rows
        )  # the list is of this shard, not of the next
        with DropFile(attempt, f"drops/{phase.replace('/', '-')}.parquet") as drops:
            taken = _Taken(kind, name, Tally(drops.add), RemovedFile(attempt, removal, kind, name))
            for number, (row, members) in enumerate(_samples(store, kind, name)):
                of_it = denied.get(row["key"])
                if number in superseded:
                    taken.note_superseded(row["key"], of_it)
                elif kept := taken.without(of_it, row, members):
                    writer.add(row["key"], kept[1], {column: kept[0][column] for column in columns})
        writer.close()
        taken.file.close()
        for shard in finished:
            replaced = ShardMark(shard, mark.partition, mark.drops, mark.config_hash, __version__)
            attempt.put(_mark_name(kind, shard.name), msgspec.json.encode(replaced))
        return attempt.commit(taken.tally.counts(), finished)


class _Taken:
    """Takes what is denied out of the samples of a shard, counts it, and notes it."""

    def __init__(self, kind: str, shard: str, tally: Tally, file: RemovedFile) -> None:
        self._kind, self._shard, self.tally, self.file = kind, shard, tally, file

    def without(
        self, denied: Denied | None, row: Mapping[str, Any], members: list[tuple[str, bytes]]
    ) -> tuple[Mapping[str, Any], list[tuple[str, bytes]]] | None:
        """The row and members of a sample without what is denied; None where nothing is to stay."""
        item, page = KINDS[self._kind].item, row[KINDS[self._kind].page_column]
        self.tally.saw(item)
        if denied is None:
            self.tally.kept(item)
            return row, members
        after = None
        if denied.images:
            new_row, new_members, before = edited(denied, row, members)
            after = new_row, new_members
            self.tally.saw("image", len(denied.images))
            for number, entry in denied.images.items():
                self._drop(before.image_urls[number], "image", entry, page)
                if not denied.entry:
                    self.file.add(row["key"], entry, number, before.image_original_sha256[number])
        if not denied.entry:
            self.tally.kept(item)
            return after
        if denied.images:
            self.tally.drop(DropRow(row["url"], item, "no_image_left", f"of {len(denied.images)}", page))
        else:
            self._drop(row["url"], item, denied.entry, page)
        self.file.add(row["key"], denied.entry, sha256=denied.sha256)
        return None

    def note_superseded(self, key: str, denied: Denied | None) -> None:
        """A sample that a later build replaced goes in any case, and was counted then."""
        if denied is not None:
            self.file.add(key, denied.entry or next(iter(denied.images.values())), sha256=denied.sha256)

    def _drop(self, url: str, item: str, entry: str, page: str) -> None:
        self.tally.drop(DropRow(url, item, "denied", f"removed from {self._shard}, by {entry}", page))


def _samples(store: Store, kind: str, name: str) -> Iterator[tuple[Mapping[str, Any], list[tuple[str, bytes]]]]:
    """All of them, in order."""
    shard = Shard(store, kind, name)
    rows = shard.index().to_pylist()
    for row, members in zip(rows, shard.members(rows), strict=True):
        yield row, list(members.items())


def _next_number(store: Store, kind: str, partition: int) -> int:
    names = [name.partition(".")[0] for name in store.list(f"{kind}/shards") if name.startswith(f"{partition:06d}-")]
    return max((int(name.partition("-")[2]) for name in names), default=-1) + 1


def _marks_of(store: Store, kind: str, commit: Commit) -> list[ShardMark]:
    """The mark of the shard that a commit made; none if no sample was left for one."""
    return [msgspec.json.decode(store.read(_mark_name(kind, shard.name)), type=ShardMark) for shard in commit.shards]


def _mark_name(kind: str, shard: str) -> str:
    return f"{kind}/commit/{shard}.json"


def _delete(store: Store, kind: str, shard: str) -> None:
    """The mark first: without it the other files are no data."""
    store.remove(_mark_name(kind, shard))
    for suffix in (".tar", ".tar.idx", ".parquet"):
        store.remove(posixpath.join(kind, "shards", shard + suffix))
    for name in store.list(f"{kind}/superseded"):  # a later shard may get the number
        if name.rpartition("-")[0] == shard:
            store.remove(f"{kind}/superseded/{name}")


def _with_removal(store: Store, dataset: Dataset, removal: Removal, commits: Sequence[Commit]) -> Dataset:
    """The dataset with the removal in its history."""
    counts = sum((commit.counts for commit in commits), dataset.phases.get(PHASE, Counts()))
    phases = {**dataset.phases, PHASE: counts}
    removals = [*dataset.removals, removal]
    changed = msgspec.structs.replace(
        dataset, phases=phases, drops=sum(phases.values(), Counts()).drops, removals=removals
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


def _now() -> str:
    """As reproducible builds have it, SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch)."""
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    time = datetime.fromtimestamp(int(stated), UTC) if stated.isdigit() else datetime.now(UTC)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
