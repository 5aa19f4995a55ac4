"""Samples of the dataset that a build adds to: they take part where new ones are compared, and may be replaced.

A build leaves, beside the shards of each partition, the keys by which its samples are compared (`keys/`). A sample
that is there stands in the rows of a phase under its own key as a number, which is less than that of any new item.
Where it loses, it is not dropped but told to the task that reads its shards, which writes the lists of
`schemas.superseded`. What an earlier build dropped takes no part.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.phases.plan import FIRST_UID, KnownShard
from jobs.phases.task import Phase, Task
from schemas.drops import DropRow
from schemas.kinds import KINDS
from schemas.shards import Shard, promised
from schemas.shuffle import BucketWriter
from schemas.superseded import NONE, Superseded, list_name, live_rows

SUPERSEDED = {"sample": pa.string(), "reason": pa.string(), "detail": pa.string()}
_ROWS_AT_A_TIME = 10_000


def is_known(task: Task, uids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these are of the dataset that is added to."""
    return uids < FIRST_UID if task.plan.onto is not None else np.zeros(len(uids), np.bool_)


def key_of_known(uid: int) -> str:
    """The key of the sample that a uid stands for."""
    return f"{uid:012d}"


def bucket_of_known(task: Task, group: int) -> int:
    """The bucket of what concerns the samples of a group of shards: those below are of partitions."""
    return task.plan.partitions + group


def superseded_writer(task: Task) -> BucketWriter | None:
    """Where a phase says which samples are replaced; None in a build that adds to nothing."""
    return task.writer("superseded", SUPERSEDED) if task.plan.onto is not None else None


def known_rows(task: Task, kind: str, columns: Sequence[str]) -> Iterator[tuple[list[KnownShard], pa.Table]]:
    """Of each partition of the task's group its shards, and the rows of their index that count."""
    for shards, tables in _partitions(task, kind, columns):
        if tables := [table for table in tables if len(table)]:
            yield shards, pa.concat_tables(tables)


def _partitions(task: Task, kind: str, columns: Sequence[str]) -> Iterator[tuple[list[KnownShard], list[pa.Table]]]:
    group = task.plan.known(kind)[task.index]
    for _, shards in itertools.groupby(group, key=lambda shard: shard.partition):
        own = list(shards)
        yield own, [open_known(task, kind, shard).index(columns) for shard in own]


def open_known(task: Task, kind: str, shard: KnownShard) -> Shard:
    """A shard as readers have it."""
    return Shard(task.memory.onto, kind, shard.name, _gone(task, kind, shard).rows)


def _gone(task: Task, kind: str, shard: KnownShard) -> Superseded:
    if not shard.list:
        return NONE
    name = list_name(kind, shard.name, shard.list)
    return promised(name, task.memory.onto.read(name), Superseded)


def keys_name(kind: str, partition: int) -> str:
    """The file of the keys of a partition's samples."""
    return f"{kind}/keys/{partition:06d}.parquet"


class KeysWriter:
    """Writes the keys of the samples of a partition, where the settings have them kept; ends with the task."""

    def __init__(self, task: Task, kind: str, schema: pa.Schema) -> None:
        self._schema, self._rows = schema, list[dict[str, Any]]()
        self._writer: pq.ParquetWriter | None = None
        self._task, self._name = task, keys_name(kind, task.plan.partition_of(kind, task.index))
        self.is_wanted = not task.config.without_keys
        task.at_end(self._finish)

    def add(self, **row: Any) -> None:
        if self.is_wanted:
            self._rows.append(row)
            if len(self._rows) >= _ROWS_AT_A_TIME:
                self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._task.attempt.create(self._name), self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []

    def _finish(self) -> None:
        if self._rows:
            self._flush()
        if self._writer is not None:
            self._writer.close()


def keys_of(
    task: Task, kind: str, shards: Sequence[KnownShard], columns: Sequence[str], derive: Callable[[Any], dict[str, Any]]
) -> pa.Table:
    """The keys of the samples of a partition, with a column `sample`. What no build has left is derived of the samples.

    `derive` is given the record of a sample.
    """
    try:
        with task.memory.onto.open(keys_name(kind, shards[0].partition)) as file:
            return pq.ParquetFile(file).read(columns=["sample", *columns])
    except FileNotFoundError:
        pass
    rows = [
        {"sample": row["key"], **derive(record)}
        for shard in shards
        for row, record in _records(open_known(task, kind, shard), KINDS[kind].sample)
    ]
    return pa.Table.from_pylist(rows).select(["sample", *columns])


def _records(shard: Shard, sample: type[msgspec.Struct]) -> Iterator[tuple[dict[str, Any], Any]]:
    """The JSON of each sample."""
    rows = shard.index(["key", "members"]).to_pylist()
    for row in rows:
        place = next(one for one in row["members"] if one["name"].endswith(".json"))
        yield row, msgspec.json.decode(shard.member(place), type=sample)


def joined(rows: pa.Table, keys: pa.Table) -> pa.Table:
    """The rows of an index with the keys of their samples; those whose keys are not there are left out."""
    places = pc.index_in(rows.column("key"), keys.column("sample").combine_chunks())
    found = pc.is_valid(places)
    rows, places = rows.filter(found), places.filter(found)
    for name in keys.column_names[1:]:
        rows = rows.append_column(name, keys.column(name).take(places))
    return rows


def supersede(task: Task, kind: str, phases: Sequence[Phase], sparing: Sequence[Phase] = ()) -> None:
    """For one group of shards: list the samples that these phases replaced and the others did not spare, and count them
    as dropped."""
    lost: dict[str, tuple[str, str]] = {}
    for table in task.groups(phases, "superseded", bucket_of_known(task, task.index)):
        for row in table.to_pylist():
            lost.setdefault(row["sample"], (row["reason"], row["detail"]))
    for table in task.groups(sparing, "spared", bucket_of_known(task, task.index)):
        for uid in table.column("uid").to_pylist():
            lost.pop(key_of_known(uid), None)
    item = KINDS[kind].item
    for shard in task.plan.known(kind)[task.index] if lost else ():
        columns = [
            name for name in ("key", "url", KINDS[kind].page_column, "num_images") if name in KINDS[kind].columns
        ]
        rows = Shard(task.memory.onto, kind, shard.name).index(list(dict.fromkeys(["key", *columns]))).to_pylist()
        before = _gone(task, kind, shard)
        new = [int(place) for place in live_rows(len(rows), before.rows) if rows[place]["key"] in lost]
        if not new:
            continue
        images = sum(rows[place].get("num_images") or 0 for place in new)
        after = Superseded(sorted([*before.rows, *new]), before.images + images)
        assert task.plan.onto is not None
        name = list_name(kind, shard.name, task.plan.onto.number)
        task.attempt.put(name, msgspec.json.encode(after))
        for place in new:
            row = rows[place]
            reason, detail = lost[row["key"]]
            task.tally.saw(item)
            task.tally.drop(DropRow(row["url"], item, reason, detail, row[KINDS[kind].page_column]))


SUPERSEDE = Phase("supersede", "known_pages", supersede, counts_again=True)
SUPERSEDE_PAIRS = Phase("pair-supersede", "known_pairs", supersede, counts_again=True)
SUPERSEDE_CLIPS = Phase("clip-supersede", "known_clips", supersede, counts_again=True)
