"""The samples for which a condition holds, as a dataset of their own: shards written anew, samples unchanged.

Keys, documents and images stay as they are, so that a sample can be matched with the dataset it comes from. Each
partition of the source is read once and commits alone; the same command goes on where it was interrupted.
"""

import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.dataset.cards.write import refresh_cards
from jobs.dataset.index import Index, QueryError
from jobs.dataset.summary import kinds_of
from schemas import __version__
from schemas.builds import drop_files
from schemas.commits import Attempt, committed, read_commit, sweep
from schemas.dataset import DATASET, Dataset, read_dataset, totals, write_reader_files
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow, Tally
from schemas.kinds import KINDS
from schemas.shards import DamagedShard, Shard, ShardInfo, ShardMark, ShardSettings, ShardWriter, read_marks
from schemas.storage import Store, new_attempt

SUBSET = "subset.json"
_MOST_SAID = 200


class SubsetError(Exception):
    """There is nothing to take a subset of, or the output holds something else."""


class SubsetPlan(msgspec.Struct, frozen=True):
    """`subset.json`: what of which dataset. Written first; another subset in the same output is refused."""

    source: str
    where: str
    kinds: tuple[str, ...]
    source_config_hash: str
    phase: str  # under which dataset.json counts what was left out
    builds: int = 0  # of the source, and what was removed of it: it may have grown or shrunk since
    removals: int = 0
    shard_bytes: int = 0  # 0: of a subset begun before this was written down


def condition(where: str, keys: Iterable[str]) -> str:
    """The condition that a sample has one of the keys, and meets `where` if that says anything."""
    named = ", ".join(f"""'{key.strip().replace("'", "''")}'""" for key in keys if key.strip())
    of_keys = f"key IN ({named or 'NULL'})"
    return f"{of_keys} AND ({where})" if where else of_keys


def absent(output: Store, keys: Iterable[str], dataset: Dataset) -> list[str]:
    """Those of the keys that no sample of a subset has, in their order: its index is smaller than that of the whole.

    Raises what `Index` raises.
    """
    named = list(dict.fromkeys(key.strip() for key in keys if key.strip()))
    kinds = [kind for kind, totals in dataset.kinds.items() if totals.samples]
    if not (named and kinds):
        return named
    with Index(output) as index:
        asked = " UNION ".join(f"SELECT key FROM {kind}" for kind in kinds)
        there = {key for (key,) in index.ask(asked, limit=len(named), timeout_s=None).rows}
    return [key for key in named if key not in there]


def subset(
    source: Store,
    output: Store,
    where: str,
    kinds: Sequence[str],
    settings: ShardSettings,
    keys: Sequence[str] | None = None,
) -> Dataset:
    """Write the samples of `source` for which the SQL condition holds, and which have one of the keys where these are
    given. Memory: the index rows of one shard.

    Raises `SubsetError`, `QueryError` for a condition that is wrong, `NotADataset`, and `OSError`.
    """
    kinds_of(source)  # what is no dataset at all is told so
    if not source.exists(DATASET):
        raise SubsetError(f"{source.url} is not finished: what it keeps is not known yet")
    dataset, whole = read_dataset(source), where if keys is None else condition(where, keys)
    with Index(source) as index:
        plan = _plan(source, output, whole, tuple(kinds or index.kinds), dataset, settings)
        for kind in plan.kinds:
            if kind not in index.kinds:
                raise SubsetError(f"{source.url} has no {kind}; it has {', '.join(index.kinds) or 'no samples'}")
        for asked in filter(None, dict.fromkeys((where, whole))):  # the condition by itself, too
            _require_columns(index, plan.kinds, asked)
        if not output.put_if_absent(SUBSET, msgspec.json.format(msgspec.json.encode(plan), indent=1)):
            _require_same(output, plan)
        if output.exists(DATASET):
            refresh_cards(output)
            return read_dataset(output)
        for kind in plan.kinds:
            _subset_of_kind(index, output, plan, kind, settings)
    return _finish(source, output, plan, dataset)


def _plan(
    source: Store, output: Store, where: str, kinds: tuple[str, ...], dataset: Dataset, settings: ShardSettings
) -> SubsetPlan:
    taken = sum(name.partition("-")[0] == "subset" for name in dataset.phases)
    phase = f"subset-{taken + 1}" if taken else "subset"
    changes = len(dataset.builds), len(dataset.removals)
    plan = SubsetPlan(source.url, where, kinds, dataset.config_hash, phase, *changes, settings.max_bytes)
    if output.exists(SUBSET):
        _require_same(output, plan)
    elif output.list(""):
        raise SubsetError(f"{output.url} is not empty: choose another output")
    return plan


def _require_same(output: Store, plan: SubsetPlan) -> None:
    there = msgspec.json.decode(output.read(SUBSET), type=SubsetPlan)
    if not there.shard_bytes:
        there = msgspec.structs.replace(there, shard_bytes=plan.shard_bytes)
    if there == plan:
        return
    asked = {"source": "of {}", "where": "where {}", "kinds": "of the kinds {}", "shard_bytes": "in shards of {} bytes"}
    for name, said in asked.items():
        has, wanted = getattr(there, name), getattr(plan, name)
        if has != wanted:
            has = ", ".join(has) if isinstance(has, tuple) else str(has)
            raise SubsetError(f"{output.url} holds another subset: {said.format(_cut(has))}; choose another output")
    raise SubsetError(
        f"{output.url} holds a subset of {plan.source} as that was before it grew or shrunk; choose another output"
    )


def _cut(text: str) -> str:
    """A condition may name thousands of keys."""
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}…"


def _require_columns(index: Index, kinds: Sequence[str], where: str) -> None:
    """Raises `QueryError` for a condition that is wrong, and names the kinds that it can be asked of."""
    wrong = {kind: said for kind in kinds if (said := _what_is_wrong(index, kind, where))}
    if wrong:
        able = [kind for kind in kinds if kind not in wrong]
        kind, said = next(iter(wrong.items()))
        hint = f": of {' and '.join(able)} it can be asked, --kind {able[0]}" if able else f"\n{said}"
        raise QueryError(f"{kind} cannot be asked for {where}{hint}")


def _what_is_wrong(index: Index, kind: str, where: str) -> str:
    try:
        index.require_condition(kind, where)
        index.ask(f"SELECT 1 FROM {kind} WHERE (\n{where}\n) LIMIT 0")
    except QueryError as error:
        return str(error)
    return ""


def _subset_of_kind(index: Index, output: Store, plan: SubsetPlan, kind: str, settings: ShardSettings) -> None:
    """Chosen rows come in the order of the shards, so that each shard is opened once."""
    phase = f"{plan.phase}/{kind}"
    done = set(committed(output, phase))
    chosen = _Chosen(index, kind, plan.where)
    for partition, marks in itertools.groupby(index.marks[kind], key=lambda mark: mark.partition):
        shards = [(mark, chosen.of_shard(mark.shard.name, index.rows(kind, mark.shard.name))) for mark in marks]
        if partition not in done:
            _write(index, output, plan, kind, partition, shards, settings)


class _Chosen:
    """The chosen rows of shard after shard; the shards must be asked for in their order."""

    def __init__(self, index: Index, kind: str, where: str) -> None:
        batches = index.batches(f"SELECT shard, row FROM {kind} WHERE (\n{where}\n) ORDER BY shard, row")
        pairs = ((row["shard"], row["row"]) for batch in batches for row in batch.to_pylist())
        self._groups = itertools.groupby(pairs, key=lambda pair: pair[0])
        self._next = next(self._groups, None)

    def of_shard(self, name: str, live: NDArray[np.int64] | None) -> list[int]:
        """Their places among the rows of the shard's index that are `live`; None: all are."""
        if self._next is None or self._next[0] != name:
            return []
        rows = [row for _, row in self._next[1]]
        self._next = next(self._groups, None)
        return rows if live is None else [int(place) for place in np.searchsorted(live, rows)]


def _write(
    index: Index,
    output: Store,
    plan: SubsetPlan,
    kind: str,
    partition: int,
    shards: list[tuple[ShardMark, list[int]]],
    settings: ShardSettings,
) -> None:
    phase, item = f"{plan.phase}/{kind}", KINDS[kind].item
    finished: list[ShardInfo] = []
    with Attempt(output, phase, partition) as attempt:
        with DropFile(attempt, f"drops/{plan.phase}-{kind}-{partition:06d}.parquet") as drops:
            tally = Tally(drops.add)
            writer: ShardWriter | None = None
            for mark, chosen in shards:
                shard = index.shard(kind, mark.shard.name)
                table = shard.index()
                if writer is None:
                    columns = {field.name: field.type for field in table.schema if field.name not in _BASE}
                    writer = ShardWriter(attempt, f"{kind}/shards", partition, columns, settings, finished.append)
                _count(table, set(chosen), item, plan.where, tally)
                for row, members in _samples(shard, table.take(pa.array(chosen, pa.int64()))):
                    writer.add(row["key"], members, {name: row.get(name) for name in columns})
            if writer is not None:
                writer.close()
        of_source = shards[0][0]
        for info in finished:
            made = ShardMark(info, partition, {}, of_source.config_hash, __version__)
            attempt.put(f"{kind}/commit/{info.name}.json", msgspec.json.encode(made))
        attempt.commit(tally.counts(), finished)


_BASE = ("key", "offset", "size", "members")


def _count(table: Any, chosen: set[int], item: str, where: str, tally: Tally) -> None:
    for number, url in enumerate(table.column("url").to_pylist()):
        tally.saw(item)
        if number in chosen:
            tally.kept(item)
        else:
            tally.drop(DropRow(url, item, "not_selected", where[:200]))


def _samples(shard: Shard, table: Any) -> Iterator[tuple[dict[str, Any], list[tuple[str, bytes]]]]:
    rows = table.to_pylist()
    for row, members in zip(rows, shard.members(rows), strict=True):
        yield row, list(members.items())


def _finish(source: Store, output: Store, plan: SubsetPlan, dataset: Dataset) -> Dataset:
    """What the source had dropped before is copied, so that the subset alone shows what became of every item."""
    counts = Counts()
    kinds = {}
    for kind in plan.kinds:
        phase = f"{plan.phase}/{kind}"
        counts = sum((read_commit(output, phase, number).counts for number in committed(output, phase)), counts)
        infos = [mark.shard for mark in read_marks(output, kind)]
        kinds[kind] = totals(infos)
        if infos:
            write_reader_files(output, kind, infos)
    copied = _copy_drops(source, output)
    phases = {**(dataset.phases if copied else {}), plan.phase: counts}
    made = msgspec.structs.replace(
        dataset, kinds=kinds, phases=phases, drops=sum(phases.values(), Counts()).drops, weft_version=__version__
    )
    if source.exists("deny.txt"):
        output.put("deny.txt", source.read("deny.txt"))
    sweep(output, ["drops", *(f"{kind}/{folder}" for kind in plan.kinds for folder in ("shards", "commit"))])
    output.put(DATASET, msgspec.json.format(msgspec.json.encode(made), indent=1))
    refresh_cards(output)
    return made


def _copy_drops(source: Store, output: Store) -> bool:
    """False where the source has lost its own; then only the subset's are there."""
    names = drop_files(source)
    for name in names:
        staged = f"drops/.{new_attempt()}.{name}.tmp"
        with source.open(f"drops/{name}") as data, output.create(staged) as copy:
            _require_parquet(f"drops/{name}", data)
            shutil.copyfileobj(data, copy, 1 << 20)
        output.move(staged, f"drops/{name}")
    return bool(names) or not read_dataset(source).drops


def _require_parquet(name: str, file: IO[bytes]) -> None:
    """Raises `DamagedShard` where the end of a file does not say what it holds."""
    try:
        pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise DamagedShard(f"{name} is damaged: {error}") from None
    file.seek(0)
