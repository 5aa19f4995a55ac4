"""Samples taken out of a finished dataset, because their page or one of their images is denied.

What a later build replaced goes with them where a shard is written anew, and alone where that is asked for.

A shard is replaced by one without them: written aside, committed under the next free number of its partition, then the
old one's mark and files are deleted. Killed at any moment, the same command finishes it.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from schemas import __version__
from schemas.commits import Attempt, Commit, committed, publish, read_commit
from schemas.dataset import DATASET, Dataset, live_totals, write_reader_files
from schemas.deny import DenyList
from schemas.documents import Sample
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow, Tally
from schemas.kinds import INTERLEAVED, KINDS
from schemas.shards import Shard, ShardInfo, ShardMark, ShardSettings, ShardWriter, read_marks
from schemas.storage import Store
from schemas.superseded import NONE, latest_lists, read_superseded

PHASE = "remove"
_NO_LIMIT = ShardSettings(max_bytes=1 << 62)


def remove_denied(store: Store, dataset: Dataset, deny: DenyList) -> Dataset:
    """The dataset without what the list denies; itself where nothing of it is denied."""
    if not deny:
        return dataset
    for kind in dataset.kinds:
        _remove_of_kind(store, kind, deny)
    return _recounted(store, dataset)


def rewrite_superseded(store: Store, dataset: Dataset) -> Dataset:
    """The dataset with shards of which all samples count; itself where nothing was superseded."""
    for kind in dataset.kinds:
        marks = {mark.shard.name: mark for mark in read_marks(store, kind)}
        for name in latest_lists(store, kind):
            if name in marks:
                _replace(store, kind, marks[name], set())
                _delete(store, kind, name)
    return _recounted(store, dataset)


def _remove_of_kind(store: Store, kind: str, deny: DenyList) -> None:
    for mark in read_marks(store, kind):
        phase = _phase(kind, mark.shard.name)
        if committed(store, phase):  # an earlier run was killed before it deleted the old shard
            commit = read_commit(store, phase, 0)
            publish(store, commit)
            _delete(store, kind, mark.shard.name)
            mark = _mark_of(store, kind, commit) or mark
        while (denied := _denied_rows(store, kind, mark, deny)) and store.exists(_mark_name(kind, mark.shard.name)):
            commit = _replace(store, kind, mark, denied)
            _delete(store, kind, mark.shard.name)
            mark = _mark_of(store, kind, commit) or mark


def _phase(kind: str, shard: str) -> str:
    return f"{PHASE}/{shard}" if kind == INTERLEAVED.name else f"{PHASE}/{kind}-{shard}"


def _denied_rows(store: Store, kind: str, mark: ShardMark, deny: DenyList) -> set[str]:
    """Keys of the samples that are denied, by the address of the page or of one of the images."""
    if not store.exists(_mark_name(kind, mark.shard.name)):
        return set()
    shard, denied = Shard(store, kind, mark.shard.name), set()
    if kind != INTERLEAVED.name:
        rows = shard.index(["key", "url", "page_url"]).to_pylist()
        return {row["key"] for row in rows if deny.denies(row["url"]) or deny.denies(row["page_url"])}
    with store.open(shard.tar_name) as tar:
        for row in shard.index(["key", "members"]).to_pylist():
            place = row["members"][0]
            tar.seek(place["offset"])
            sample = msgspec.json.decode(tar.read(place["size"]), type=Sample)
            if any(deny.denies(url) for url in (sample.url, *sample.image_urls)):
                denied.add(sample.key)
    return denied


def _replace(store: Store, kind: str, mark: ShardMark, denied: set[str]) -> Commit:
    """Commit a shard of the samples that may stay; none if none may."""
    name, columns, item = mark.shard.name, KINDS[kind].columns, KINDS[kind].item
    phase = _phase(kind, name)
    with Attempt(store, phase, 0) as attempt:
        finished: list[ShardInfo] = []
        number = _next_number(store, kind, mark.partition)
        writer = ShardWriter(
            attempt, f"{kind}/shards", mark.partition, columns, _NO_LIMIT, finished.append, first_number=number
        )
        gone = read_superseded(store, kind).get(name, NONE).rows  # its list is of this shard, not of the next
        with DropFile(attempt, f"drops/{phase.replace('/', '-')}.parquet") as drops:
            tally = Tally(drops.add)
            for row, members in _samples(store, kind, name, gone):
                tally.saw(item)
                if row["key"] in denied:
                    tally.drop(DropRow(row["url"], item, "denied", f"removed from {name}"))
                else:
                    tally.kept(item)
                    writer.add(row["key"], members, {column: row[column] for column in columns})
        writer.close()
        for shard in finished:
            replaced = ShardMark(shard, mark.partition, mark.drops, mark.config_hash, __version__)
            attempt.put(_mark_name(kind, shard.name), msgspec.json.encode(replaced))
        return attempt.commit(tally.counts(), finished)


def _samples(
    store: Store, kind: str, name: str, gone: Sequence[int]
) -> Iterator[tuple[Mapping[str, Any], list[tuple[str, bytes]]]]:
    shard = Shard(store, kind, name, gone)
    rows = shard.index().to_pylist()
    for row, members in zip(rows, shard.members(rows), strict=True):
        yield row, list(members.items())


def _next_number(store: Store, kind: str, partition: int) -> int:
    names = [name.partition(".")[0] for name in store.list(f"{kind}/shards") if name.startswith(f"{partition:06d}-")]
    return max((int(name.partition("-")[2]) for name in names), default=-1) + 1


def _mark_of(store: Store, kind: str, commit: Commit) -> ShardMark | None:
    """The mark of the shard that a commit made; None if no sample was left for one."""
    names = [_mark_name(kind, shard.name) for shard in commit.shards]
    return msgspec.json.decode(store.read(names[0]), type=ShardMark) if names else None


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


def _recounted(store: Store, dataset: Dataset) -> Dataset:
    """`dataset.json` and the files for other readers, as the shards are now."""
    folders = store.list(f"work/{PHASE}")
    done = [read_commit(store, f"{PHASE}/{name}", 0) for name in folders if committed(store, f"{PHASE}/{name}")]
    removed = sum((commit.counts for commit in done), Counts())
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
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(changed), indent=1))
    return changed
