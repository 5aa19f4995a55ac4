"""Samples of published shards that a later build replaced: their shards stay as they are, readers pass over them."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.builds import read_builds
from schemas.shards import Shard, ShardMark, promised, read_marks
from schemas.storage import Store


class Superseded(msgspec.Struct, frozen=True):
    """`superseded/{shard}-{build:03d}.json`: what of a shard no longer counts since this build, or one before."""

    rows: list[int]  # in the order of the shard, from 0, ascending
    images: int  # of these samples


NONE = Superseded([], 0)


def list_name(kind: str, shard: str, build: int) -> str:
    return f"{kind}/superseded/{shard}-{build:03d}.json"


def read_superseded(store: Store, kind: str) -> dict[str, Superseded]:
    """By shard, what published builds replaced; shards of which all samples count are not named.

    Raises `DamagedShard`.
    """
    builds = builds_of_lists(store, kind)
    names = [list_name(kind, shard, of_shard[-1]) for shard, of_shard in builds.items()]
    return dict(zip(builds, read_lists(store, names), strict=True))


def builds_of_lists(store: Store, kind: str) -> dict[str, list[int]]:
    """By shard, the published builds that replaced any of its samples, in order: the list of the last one counts."""
    published = len(read_builds(store))
    builds: dict[str, list[int]] = {}
    for name in store.list(f"{kind}/superseded") if published else ():
        shard, _, build = name.removesuffix(".json").rpartition("-")
        if name.endswith(".json") and not name.startswith(".") and int(build) < published:
            builds.setdefault(shard, []).append(int(build))
    return {shard: sorted(of_shard) for shard, of_shard in builds.items()}


def read_lists(store: Store, names: Sequence[str]) -> list[Superseded]:
    """Raises `DamagedShard`."""
    found = zip(names, store.read_all(names), strict=True)
    return [promised(name, data, Superseded) for name, data in found]


class LiveShards:
    """The shards of a kind as readers have them: `marks` count only samples that no later build replaced, and leave out
    shards without any; `whole` are the marks as they were written."""

    def __init__(self, store: Store, kind: str) -> None:
        """Raises `DamagedShard`."""
        self._store, self._kind = store, kind
        self.whole = read_marks(store, kind)
        self.superseded = read_superseded(store, kind)
        self._samples = {mark.shard.name: mark.shard.samples for mark in self.whole}
        left = (_without(mark, self.superseded.get(mark.shard.name, NONE)) for mark in self.whole)
        self.marks = [mark for mark in left if mark.shard.samples]

    def open(self, name: str) -> Shard:
        """A shard whose index leaves out what was replaced."""
        return Shard(self._store, self._kind, name, self.superseded.get(name, NONE).rows)

    def rows(self, name: str) -> NDArray[np.int64] | None:
        """Of a shard the rows that count, in order; None for all of them."""
        gone = self.superseded.get(name)
        return None if gone is None else live_rows(self._samples[name], gone.rows)


def live_rows(samples: int, gone: Sequence[int]) -> NDArray[np.int64]:
    """The rows of a shard that are left."""
    return np.delete(np.arange(samples, dtype=np.int64), np.asarray(gone, np.int64))


def _without(mark: ShardMark, gone: Superseded) -> ShardMark:
    if gone is NONE:
        return mark
    shard = mark.shard
    left = msgspec.structs.replace(shard, samples=shard.samples - len(gone.rows), images=shard.images - gone.images)
    return msgspec.structs.replace(mark, shard=left)
