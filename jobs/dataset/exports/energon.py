"""Tars that Megatron Energon opens as they lie: only samples that count, with the index of its `prepare` command.

Energon opens a dataset of weft in place. It does not know of samples that a later build replaced: of a dataset that was
added to it needs this.
"""

import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.dataset.exports.run import Exported
from schemas.dataset import write_reader_files
from schemas.kinds import CLIPS, INTERLEAVED, PAIRS, Kind
from schemas.shards import ShardMark
from schemas.storage import Store
from schemas.tar import TarWriter


class Energon:
    """`OUT/{kind}/shards/{shard}.tar`, `.tar.idx` beside each, and `OUT/{kind}/.nv-meta/`: the folder to name."""

    kinds = (INTERLEAVED.name, PAIRS.name, CLIPS.name)

    def file(self, kind: Kind, shard: str) -> str:
        return f"{kind.name}/shards/{shard}.tar"

    def write(self, kind: Kind, samples: Iterator[Exported], file: Any, output: Store) -> Mapping[str, bytes]:
        tar, starts = TarWriter(file), array.array("Q")
        for _, members in samples:
            starts.append(tar.size)
            for name, data in members.items():
                tar.add(name, data)
        starts.append(tar.size)
        tar.close()
        return {".idx": starts.tobytes()}

    def finish(self, store: Store, files: Mapping[str, Sequence[tuple[str, ShardMark]]]) -> None:
        for kind, of_kind in files.items():
            if of_kind:
                write_reader_files(store, kind, [mark.shard for _, mark in of_kind])
