"""Samples of one kind into shards, and what each shard's commit mark says."""

from collections.abc import Sequence

import msgspec

from schemas import __version__
from schemas.commits import Attempt
from schemas.drops import Counts, Tally
from schemas.kinds import Kind
from schemas.shards import ShardInfo, ShardMark, ShardSettings, ShardWriter


class Shards:
    """Writes the shards of one partition of a kind."""

    def __init__(
        self, attempt: Attempt, kind: Kind, partition: int, settings: ShardSettings, config_hash: str, tally: Tally
    ) -> None:
        self._attempt, self._kind, self.partition = attempt, kind, partition
        self._config_hash, self._tally = config_hash, tally
        folder = f"{kind.name}/shards"
        self._writer = ShardWriter(attempt, folder, partition, kind.columns, settings, self._finished)
        self._counted = Counts()
        self._num_samples = 0
        self._marks: list[ShardMark] = []

    @property
    def next_key(self) -> str:
        """The key of the next sample, where samples are simply numbered: 6 digits of the partition, 6 of the sample."""
        return f"{self.partition:06d}{self._num_samples:06d}"

    def add(self, key: str, sample: msgspec.Struct, members: Sequence[tuple[str, bytes]]) -> None:
        """Add a sample: its record, and its members by name in the order of the tar."""
        self._writer.add(key, members, self._kind.row(sample))
        self._num_samples += 1

    def finish(self) -> list[ShardInfo]:
        """Close the last shard and write the marks, the last of all files; returns the shards."""
        self._writer.close()
        for mark in self._marks:
            self._attempt.put(f"{self._kind.name}/commit/{mark.shard.name}.json", msgspec.json.encode(mark))
        return [mark.shard for mark in self._marks]

    def _finished(self, shard: ShardInfo) -> None:
        counts = self._tally.counts()
        span, self._counted = counts - self._counted, counts
        self._marks.append(ShardMark(shard, self.partition, span.drops, self._config_hash, __version__))
