"""Samples taken out of a finished dataset, because their page or one of their images is denied.

A shard is replaced by one without them: written aside, committed under the next free number of its partition, then the
old one's mark and files are deleted. Killed at any moment, the same command finishes it.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from jobs.publish import COLUMNS, KIND
from schemas import __version__
from schemas.commits import Attempt, Commit, committed, publish, read_commit
from schemas.dataset import DATASET, Dataset, totals, write_reader_files
from schemas.deny import DenyList
from schemas.documents import Sample
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow, Tally
from schemas.shards import Shard, ShardInfo, ShardMark, ShardSettings, ShardWriter, read_marks
from schemas.storage import Store

PHASE = "remove"
_NO_LIMIT = ShardSettings(max_bytes=1 << 62)


def remove_denied(store: Store, dataset: Dataset, deny: DenyList) -> Dataset:
    """The dataset without what the list denies; itself where nothing of it is denied."""
    if not deny:
        return dataset
    for mark in read_marks(store, KIND):
        phase = f"{PHASE}/{mark.shard.name}"
        if committed(store, phase):  # an earlier run was killed before it deleted the old shard
            commit = read_commit(store, phase, 0)
            publish(store, commit)
            _delete(store, mark.shard.name)
            mark = _mark_of(store, commit) or mark
        while (denied := _denied_rows(store, mark, deny)) and store.exists(_mark_name(mark.shard.name)):
            commit = _replace(store, mark, denied)
            _delete(store, mark.shard.name)
            mark = _mark_of(store, commit) or mark
    return _recounted(store, dataset)


def _denied_rows(store: Store, mark: ShardMark, deny: DenyList) -> set[str]:
    """Keys of the samples that are denied, by the address of the page or of one of the images."""
    if not store.exists(_mark_name(mark.shard.name)):
        return set()
    shard, denied = Shard(store, KIND, mark.shard.name), set()
    with store.open(shard.tar_name) as tar:
        for row in shard.index(["key", "members"]).to_pylist():
            place = row["members"][0]
            tar.seek(place["offset"])
            sample = msgspec.json.decode(tar.read(place["size"]), type=Sample)
            if any(deny.denies(url) for url in (sample.url, *sample.image_urls)):
                denied.add(sample.key)
    return denied


def _replace(store: Store, mark: ShardMark, denied: set[str]) -> Commit:
    """Commit a shard of the samples that may stay; none if none may."""
    name = mark.shard.name
    with Attempt(store, f"{PHASE}/{name}", 0) as attempt:
        finished: list[ShardInfo] = []
        number = _next_number(store, mark.partition)
        writer = ShardWriter(
            attempt, f"{KIND}/shards", mark.partition, COLUMNS, _NO_LIMIT, finished.append, first_number=number
        )
        with DropFile(attempt, f"drops/{PHASE}-{name}.parquet") as drops:
            tally = Tally(drops.add)
            for row, members in _samples(store, name):
                tally.saw("page")
                if row["key"] in denied:
                    tally.drop(DropRow(row["url"], "page", "denied", f"removed from {name}"))
                else:
                    tally.kept("page")
                    writer.add(row["key"], members, {column: row[column] for column in COLUMNS})
        writer.close()
        for shard in finished:
            replaced = ShardMark(shard, mark.partition, mark.drops, mark.config_hash, __version__)
            attempt.put(_mark_name(shard.name), msgspec.json.encode(replaced))
        return attempt.commit(tally.counts(), finished)


def _samples(store: Store, name: str) -> Iterator[tuple[Mapping[str, Any], list[tuple[str, bytes]]]]:
    shard = Shard(store, KIND, name)
    rows = shard.index().to_pylist()
    for row, members in zip(rows, shard.members(rows), strict=True):
        yield row, list(members.items())


def _next_number(store: Store, partition: int) -> int:
    names = [name.partition(".")[0] for name in store.list(f"{KIND}/shards") if name.startswith(f"{partition:06d}-")]
    return max((int(name.partition("-")[2]) for name in names), default=-1) + 1


def _mark_of(store: Store, commit: Commit) -> ShardMark | None:
    """The mark of the shard that a commit made; None if no sample was left for one."""
    names = [_mark_name(shard.name) for shard in commit.shards]
    return msgspec.json.decode(store.read(names[0]), type=ShardMark) if names else None


def _mark_name(shard: str) -> str:
    return f"{KIND}/commit/{shard}.json"


def _delete(store: Store, shard: str) -> None:
    """The mark first: without it the other files are no data."""
    store.remove(_mark_name(shard))
    for suffix in (".tar", ".tar.idx", ".parquet"):
        store.remove(posixpath.join(KIND, "shards", shard + suffix))


def _recounted(store: Store, dataset: Dataset) -> Dataset:
    """`dataset.json` and the files for other readers, as the shards are now."""
    folders = store.list(f"work/{PHASE}")
    done = [read_commit(store, f"{PHASE}/{name}", 0) for name in folders if committed(store, f"{PHASE}/{name}")]
    removed = sum((commit.counts for commit in done), Counts())
    before = dataset.phases.get(PHASE, Counts())
    shards = [mark.shard for mark in read_marks(store, KIND)]
    if removed == before and dataset.kinds.get(KIND) == totals(shards):
        return dataset
    others = {name: counts for name, counts in dataset.phases.items() if name != PHASE}
    phases = {**others, PHASE: removed}
    changed = msgspec.structs.replace(
        dataset,
        kinds={**dataset.kinds, KIND: totals(shards)},
        phases=phases,
        drops=sum(phases.values(), Counts()).drops,
    )
    write_reader_files(store, KIND, shards)
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(changed), indent=1))
    return changed
