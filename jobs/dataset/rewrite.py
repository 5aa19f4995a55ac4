"""Published shards written anew without some of their samples: those that are denied, and those that a later build
replaced.

A shard is replaced by one without them: written aside, committed under the next free number of its partition, then the
old one's mark and files are deleted. A task has the shards of a partition, because their numbers follow each other.
Killed at any moment, the same task finishes it.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from schemas import __version__
from schemas.commits import Attempt, Commit, committed, publish, read_commit
from schemas.deny import DenyList
from schemas.documents import Sample
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow, Tally
from schemas.kinds import INTERLEAVED, KINDS
from schemas.shards import Shard, ShardInfo, ShardMark, ShardSettings, ShardWriter, promised
from schemas.storage import Store
from schemas.superseded import list_name, read_lists

PHASE = "remove"
_NO_LIMIT = ShardSettings(max_bytes=1 << 62)
_SAMPLES_AT_A_TIME = 256


class Part(msgspec.Struct, frozen=True):
    """The shards of a partition of a kind, in order: what one task looks at."""

    kind: str
    partition: int
    shards: dict[str, str]  # by name, in order, the sha256 of the tar
    bytes: int  # of the tars
    lists: dict[str, list[int]]  # of those that hold what was replaced: the builds that did, in order
    free: int  # from here on no shard has the number


class Rewriting:
    """Replaces shards of one part."""

    def __init__(self, store: Store, part: Part) -> None:
        self._store, self._part, self._free = store, part, part.free
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
                self._replace(mark, set())

    def _found(self, name: str) -> ShardMark | None:
        """The mark of a shard, or of the one that an earlier attempt has put in its place; None where none is left."""
        while committed(self._store, phase_of(self._part.kind, name)):
            commit = read_commit(self._store, phase_of(self._part.kind, name), 0)
            if self._store.exists(self._mark_name(name)):  # else it was deleted, after all was published
                publish(self._store, commit)
            following = self._put_in_place(name, commit)
            if following is None:
                return None
            name = following
        return self._mark(name)

    def _replace(self, mark: ShardMark, denied: set[str]) -> ShardMark | None:
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

    def _denied(self, name: str, deny: DenyList) -> set[str]:
        """Keys of the samples that are denied, by the address of the page or of one of the images."""
        kind = self._part.kind
        shard = Shard(self._store, kind, name)
        if kind != INTERLEAVED.name:
            rows = shard.index(["key", "url", "page_url"]).to_pylist()
            return {row["key"] for row in rows if deny.denies(row["url"]) or deny.denies(row["page_url"])}
        denied = set()
        for batch in shard.index(["members"]).to_batches(max_chunksize=_SAMPLES_AT_A_TIME):
            places = [members[0] for members in batch.column("members").to_pylist()]
            ranges = [(shard.tar_name, place["offset"], place["size"]) for place in places]
            for data in self._store.read_ranges(ranges):
                sample = msgspec.json.decode(data, type=Sample)
                if any(deny.denies(url) for url in (sample.url, *sample.image_urls)):
                    denied.add(sample.key)
        return denied

    def _write_anew(self, mark: ShardMark, denied: set[str]) -> Commit:
        """Commit a shard of the samples that may stay; none if none may."""
        kind, name = KINDS[self._part.kind], mark.shard.name
        phase = phase_of(kind.name, name)
        with Attempt(self._store, phase, 0) as attempt:
            finished: list[ShardInfo] = []
            writer = ShardWriter(
                attempt, f"{kind.name}/shards", mark.partition, kind.columns, _NO_LIMIT, finished.append, self._free
            )
            with DropFile(attempt, f"drops/{phase.replace('/', '-')}.parquet") as drops:
                tally = Tally(drops.add)
                for row, members in self._samples(name):
                    tally.saw(kind.item)
                    if row["key"] in denied:
                        tally.drop(DropRow(row["url"], kind.item, "denied", f"removed from {name}"))
                    else:
                        tally.kept(kind.item)
                        writer.add(row["key"], members, {column: row[column] for column in kind.columns})
            writer.close()
            for shard in finished:
                replaced = ShardMark(shard, mark.partition, mark.drops, mark.config_hash, __version__)
                attempt.put(self._mark_name(shard.name), msgspec.json.encode(replaced))
            return attempt.commit(tally.counts(), finished)

    def _samples(self, name: str) -> Iterator[tuple[Mapping[str, Any], list[tuple[str, bytes]]]]:
        """Those that nothing has replaced."""
        gone: Sequence[int] = ()
        if name in self._part.lists:  # it is of this shard, not of the one in its place
            (found,) = read_lists(self._store, [list_name(self._part.kind, name, self._part.lists[name][-1])])
            gone = found.rows
        shard = Shard(self._store, self._part.kind, name, gone)
        rows = shard.index().to_pylist()
        for row, members in zip(rows, shard.members(rows), strict=True):
            yield row, list(members.items())

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
    """What a shard is called as one that is written anew: `work/remove/{name}` has the commit, `drops/` its rows."""
    return shard if kind == INTERLEAVED.name else f"{kind}-{shard}"


def phase_of(kind: str, shard: str) -> str:
    """Under which that is committed."""
    return f"{PHASE}/{name_anew(kind, shard)}"
