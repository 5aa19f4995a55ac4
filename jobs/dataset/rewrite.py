"""Published shards written anew without what is denied, and without the samples that a later build replaced.

A shard is replaced by one without them: written aside, committed under the next free number of its partition, then the
old one's mark and files are deleted. A task has the shards of a partition, because their numbers follow each other.
Killed at any moment, the same task finishes it.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from jobs.dataset.denied import Denied, denied_in, edited
from schemas import __version__
from schemas.commits import Attempt, Commit, committed, publish, read_commit
from schemas.deny import DenyList
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow, Tally
from schemas.kinds import KINDS
from schemas.removals import RemovedFile
from schemas.shards import Shard, ShardInfo, ShardMark, ShardSettings, ShardWriter, promised
from schemas.storage import Store
from schemas.superseded import list_name, read_lists

_NO_LIMIT = ShardSettings(max_bytes=1 << 62)
_NOTHING: Mapping[str, Denied] = {}


class Part(msgspec.Struct, frozen=True):
    """The shards of a partition of a kind, in order: what one task looks at."""

    kind: str
    partition: int
    shards: dict[str, str]  # by name, in order, the sha256 of the tar
    bytes: int  # of the tars
    lists: dict[str, list[int]]  # of those that hold what was replaced: the builds that did, in order
    free: int  # from here on no shard has the number


class Rewriting:
    """Replaces shards of one part. `phase` is where its commits lie in `work/`, `removal` the number of the removal."""

    def __init__(self, store: Store, part: Part, phase: str, removal: int = 0) -> None:
        self._store, self._part, self._phase, self._removal = store, part, phase, removal
        self._free = part.free
        self.counts = Counts()

    def remove_denied(self, deny: DenyList) -> dict[str, str]:
        """Leave out what is denied; returns the shards that are left, which hold nothing of it, with their sha256."""
        left: dict[str, str] = {}
        for name in self._part.shards:
            mark = self._found(name)
            while mark is not None and mark.shard.name not in left:
                denied = self._denied(mark.shard.name, deny)
                if not denied:
                    left[mark.shard.name] = mark.shard.tar_sha256
                    break
                mark = self._replace(mark, denied)
        return left

    def remove_superseded(self) -> None:
        """Leave out what was replaced."""
        for name in self._part.lists:
            mark = self._found(name)
            if mark is not None and mark.shard.name == name:
                self._replace(mark, _NOTHING)

    def _denied(self, name: str, deny: DenyList) -> Mapping[str, Denied]:
        return denied_in(self._store, self._part.kind, name, deny)

    def _found(self, name: str) -> ShardMark | None:
        """The mark of a shard, or of the one that an earlier attempt has put in its place; None where none is left."""
        while committed(self._store, self._phase_of(name)):
            commit = read_commit(self._store, self._phase_of(name), 0)
            if self._store.exists(self._mark_name(name)):  # else it was deleted, after all was published
                publish(self._store, commit)
            following = self._put_in_place(name, commit)
            if following is None:
                return None
            name = following
        return self._mark(name)

    def _replace(self, mark: ShardMark, denied: Mapping[str, Denied]) -> ShardMark | None:
        """The mark of the new shard; None where no sample may stay."""
        commit = self._write_anew(mark, denied)
        following = self._put_in_place(mark.shard.name, commit)
        return None if following is None else self._mark(following)

    def _put_in_place(self, name: str, commit: Commit) -> str | None:
        """Delete a shard that was written anew; returns the name of the new one, None where no sample was left."""
        self._delete(name)
        self.counts += commit.counts
        names = [shard.name for shard in commit.shards]
        self._free = max([self._free, *(int(one.rpartition("-")[2]) + 1 for one in names)])
        return names[0] if names else None

    def _write_anew(self, mark: ShardMark, denied: Mapping[str, Denied]) -> Commit:
        """Commit a shard of what may stay; none if nothing may."""
        kind, name = KINDS[self._part.kind], mark.shard.name
        phase, superseded = self._phase_of(name), self._superseded(name)
        with Attempt(self._store, phase, 0) as attempt:
            finished: list[ShardInfo] = []
            writer = ShardWriter(
                attempt, f"{kind.name}/shards", mark.partition, kind.columns, _NO_LIMIT, finished.append, self._free
            )
            with DropFile(attempt, f"drops/{phase.replace('/', '-')}.parquet") as drops:
                removed = RemovedFile(attempt, self._removal, kind.name, name)
                taken = _Taken(kind.name, name, Tally(drops.add), removed)
                for number, (row, members) in enumerate(self._samples(name)):
                    of_it = denied.get(row["key"])
                    if number in superseded:
                        taken.note_superseded(row["key"], of_it)
                    elif kept := taken.without(of_it, row, members):
                        writer.add(row["key"], kept[1], {column: kept[0][column] for column in kind.columns})
            writer.close()
            removed.close()
            for shard in finished:
                replaced = ShardMark(shard, mark.partition, mark.drops, mark.config_hash, __version__)
                attempt.put(self._mark_name(shard.name), msgspec.json.encode(replaced))
            return attempt.commit(taken.tally.counts(), finished)

    def _superseded(self, name: str) -> frozenset[int]:
        """The rows that a later build replaced: the list is of this shard, not of the one in its place."""
        if name not in self._part.lists:
            return frozenset()
        (found,) = read_lists(self._store, [list_name(self._part.kind, name, self._part.lists[name][-1])])
        return frozenset(found.rows)

    def _samples(self, name: str) -> Iterator[tuple[Mapping[str, Any], list[tuple[str, bytes]]]]:
        """All of them, in order."""
        shard = Shard(self._store, self._part.kind, name)
        rows = shard.index().to_pylist()
        for row, members in zip(rows, shard.members(rows), strict=True):
            yield row, list(members.items())

    def _phase_of(self, name: str) -> str:
        return f"{self._phase}/{name_anew(self._part.kind, name)}"

    def _mark_name(self, name: str) -> str:
        return f"{self._part.kind}/commit/{name}.json"

    def _mark(self, name: str) -> ShardMark:
        return promised(self._mark_name(name), self._store.read(self._mark_name(name)), ShardMark)

    def _delete(self, name: str) -> None:
        """The mark first: without it the other files are no data."""
        kind = self._part.kind
        self._store.remove(self._mark_name(name))
        names = [posixpath.join(kind, "shards", name + suffix) for suffix in (".tar", ".tar.idx", ".parquet")]
        names += [list_name(kind, name, build) for build in self._part.lists.get(name, ())]  # numbers are given again
        self._store.remove_all(names)


def name_anew(kind: str, shard: str) -> str:
    """What a shard is called as one that is written anew, in `work/` and in `drops/`."""
    return f"{kind}-{shard}"


class _Taken:
    """Takes what is denied out of the samples of a shard, counts it, and notes it."""

    def __init__(self, kind: str, shard: str, tally: Tally, file: RemovedFile) -> None:
        self._kind, self._shard, self.tally, self._file = kind, shard, tally, file

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
                    self._file.add(row["key"], entry, number, before.image_original_sha256[number])
        if not denied.entry:
            self.tally.kept(item)
            return after
        if denied.images:
            self.tally.drop(DropRow(row["url"], item, "no_image_left", f"of {len(denied.images)}", page))
        else:
            self._drop(row["url"], item, denied.entry, page)
        self._file.add(row["key"], denied.entry, sha256=denied.sha256)
        return None

    def note_superseded(self, key: str, denied: Denied | None) -> None:
        """A sample that a later build replaced goes in any case, and was counted then."""
        if denied is not None:
            self._file.add(key, denied.entry or next(iter(denied.images.values())), sha256=denied.sha256)

    def _drop(self, url: str, item: str, entry: str, page: str) -> None:
        self.tally.drop(DropRow(url, item, "denied", f"removed from {self._shard}, by {entry}", page))
