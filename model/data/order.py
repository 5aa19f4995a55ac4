"""In which order samples are read: a pure function of seed, epoch, lane and position.

An epoch is one long line of all samples, shard after shard, the shards shuffled by (seed, epoch). The line is cut into
`lanes` pieces that differ by one sample at most, so that neither shards nor samples need divide by anything. Within a
lane, each block of `shuffle_block` samples is shuffled by (seed, epoch, lane, block). A rank reads the lanes whose
number leaves its rank when divided by the world; when a lane ends, it goes on with its piece of the next epoch.

Whoever reads a lane, and beside whom, changes nothing of it: so a position in every lane is a position in the epoch,
good for any number of ranks and workers.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.settings import SettingsError

Longs = npt.NDArray[np.int64]


class Position(NamedTuple):
    """A position in a lane: sample `number` of the lane's piece of `epoch`."""

    epoch: int
    number: int


class Order:
    """The order of one dataset: `counts` are the samples of its shards."""

    def __init__(self, counts: list[int], seed: int, lanes: int, shuffle_block: int, shuffle: bool = True) -> None:
        self.counts_S = np.array(counts, np.int64)
        self.seed, self.lanes, self.block, self.shuffle = seed, lanes, max(1, shuffle_block), shuffle
        self.samples = int(self.counts_S.sum())
        check_lanes(self.samples, lanes)
        self._line: tuple[int, Longs, Longs] | None = None
        self._permutation: tuple[tuple[int, int, int], Longs] | None = None

    def length(self, lane: int) -> int:
        """Samples of a lane in an epoch: the same in every epoch."""
        return self._start(lane + 1) - self._start(lane)

    def sample(self, lane: int, position: Position) -> tuple[int, int]:
        """Shard and number of the sample in it. The same arguments give the same sample, at any time, anywhere."""
        in_line = self._start(lane) + self._shuffled(lane, position)
        shards_S, ends_S = self._shards(position.epoch)
        nth = int(np.searchsorted(ends_S, in_line, "right"))
        shard = int(shards_S[nth])
        return shard, in_line - int(ends_S[nth]) + int(self.counts_S[shard])

    def after(self, lane: int, position: Position) -> Position:
        """The position that follows, in the next epoch where the lane ends."""
        if position.number + 1 < self.length(lane):
            return Position(position.epoch, position.number + 1)
        return Position(position.epoch + 1, 0)

    def block_of(self, position: Position) -> Position:
        """Where the block begins that is shuffled together with a position."""
        return Position(position.epoch, position.number // self.block * self.block)

    def shards_ahead(self, lane: int, position: Position) -> list[int]:
        """The shards of the block of a position, then those of the block after it."""
        first = self.block_of(position)
        found = self._shards_of_block(lane, first)
        end = first.number + self.block
        after = Position(first.epoch, end) if end < self.length(lane) else Position(first.epoch + 1, 0)
        return found + [shard for shard in self._shards_of_block(lane, after) if shard not in found]

    def _shards_of_block(self, lane: int, first: Position) -> list[int]:
        shards_S, ends_S = self._shards(first.epoch)
        last = min(first.number + self.block, self.length(lane)) - 1
        start, stop = np.searchsorted(ends_S, [self._start(lane) + number for number in (first.number, last)], "right")
        found: list[int] = [shard for shard in shards_S[start : stop + 1].tolist() if self.counts_S[shard]]
        return found

    def _start(self, lane: int) -> int:
        return self.samples * lane // self.lanes

    def _shuffled(self, lane: int, position: Position) -> int:
        if not self.shuffle:
            return position.number
        block, within = divmod(position.number, self.block)
        identity = (position.epoch, lane, block)
        if self._permutation is None or self._permutation[0] != identity:
            size = min(self.block, self.length(lane) - block * self.block)
            rng = np.random.default_rng([self.seed, *identity, 1])
            self._permutation = identity, rng.permutation(size)
        return block * self.block + int(self._permutation[1][within])

    def _shards(self, epoch: int) -> tuple[Longs, Longs]:
        """The shards in their order of the epoch, and where each ends in the line."""
        if self._line is None or self._line[0] != epoch:
            shards_S = np.arange(len(self.counts_S))
            if self.shuffle:
                shards_S = np.random.default_rng([self.seed, epoch, 0]).permutation(shards_S)
            self._line = epoch, shards_S, np.cumsum(self.counts_S[shards_S])
        return self._line[1], self._line[2]


def check_lanes(samples: int, lanes: int) -> None:
    """Raises `SettingsError` where a lane would have no sample."""
    if samples < lanes:
        raise SettingsError(f"{samples} samples are too few for {lanes} lanes: set lanes lower")


def lanes_of(rank: int, world: int, lanes: int) -> list[int]:
    """The lanes that a rank reads. Raises `SettingsError` where there are fewer lanes than ranks."""
    if not 0 <= rank < world:
        raise SettingsError(f"rank {rank} is not one of {world}")
    if lanes < world:
        raise SettingsError(f"{lanes} lanes are too few for {world} ranks: set lanes to a multiple of the ranks")
    return list(range(rank, lanes, world))
