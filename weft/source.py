"""Samples of a dataset by their number in the order of its shards, and by conditions on its index.

All that is kept in memory: one number a shard, the places of the samples of a few shards, and what a view holds, which
is one number a sample or, where they follow one another, a range.
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.dataset.index import Index, QueryError
from schemas.shards import DamagedShard, Shard, ShardMark
from schemas.storage import Store

Numbers = range | NDArray[np.int64]

#: The columns by which the bytes of a sample are found.
PLACES = ("key", "offset", "size", "members")
_SHARDS_IN_MEMORY = 8
_BLOCK = 1024  # numbers that are looked up at a time


class Source:
    """One dataset, open. Safe for several threads; what was committed when it was opened is what it has."""

    def __init__(self, store: Store) -> None:
        """Raises `NotADataset`, and `OSError` where the storage fails."""
        self.store, self.index = store, Index(store)
        self._places: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._lock = threading.Lock()
        self._columns: dict[str, list[str]] = {}
        self._starts = {
            kind: np.cumsum([0, *(mark.shard.samples for mark in marks)], dtype=np.int64)
            for kind, marks in self.index.marks.items()
        }

    def marks(self, kind: str) -> list[ShardMark]:
        """Of the shards of a kind, in order."""
        return self.index.marks.get(kind, [])

    def total(self, kind: str) -> int:
        return sum(mark.shard.samples for mark in self.marks(kind))

    def columns(self, kind: str) -> list[str]:
        """Names of the columns of the index, and `shard` and `row`; none where the kind has no sample."""
        if kind not in self._columns:
            self._columns[kind] = self.index.columns(kind) if kind in self.index.kinds else []
        return self._columns[kind]

    def samples(self, kind: str, numbers: Numbers) -> Iterator[dict[str, bytes]]:
        """The members of samples, in the order given: one positioned read each. Raises `DamagedShard`, `OSError`."""
        for first in range(0, len(numbers), _BLOCK):
            for place, rows in self._by_shard(kind, np.asarray(numbers[first : first + _BLOCK], np.int64)):
                shard = self._shard(kind, place)
                for row in _taken(self._places_in(kind, place), rows, shard).to_pylist():
                    yield shard.sample(row)

    def matching(self, kind: str, where: str, values: Sequence[object], among: Numbers) -> NDArray[np.int64]:
        """Those of `among`, in their order, for which a condition in SQL holds. Raises `QueryError`."""
        if not str(where).strip():
            raise QueryError("the condition is empty")
        if not len(among):
            return np.zeros(0, np.int64)
        self.index.require_condition(kind, where, values)
        found = self._matching(kind, where, values, self._touched(kind, among))
        if isinstance(among, range) and among == range(self.total(kind)):
            return found
        wanted = np.asarray(among, np.int64)
        return wanted[np.isin(wanted, found)]

    def with_key(self, kind: str, wanted: str, among: Numbers) -> NDArray[np.int64]:
        """Those of `among` with this key, or address of the page or of the image or video."""
        columns = [name for name in ("key", "url", "page_url") if name in self.columns(kind)]
        if not columns or not _is_text(wanted):
            return np.zeros(0, np.int64)
        where = " OR ".join(f"{name} = ?" for name in columns)
        # The first digits of a key tell its partition, and so do those of a shard's name: no others are opened.
        names = [mark.shard.name for mark in self.marks(kind)]
        shards = [place for place, name in enumerate(names) if name[:7] == f"{wanted[:6]}-"]
        if not shards:
            return self.matching(kind, where, [wanted] * len(columns), among)
        found = self._matching(kind, where, [wanted] * len(columns), shards)
        return np.array([number for number in found.tolist() if number in among], np.int64)

    def tables(self, kind: str, numbers: Numbers, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows of the index, a table a shard, in the order of the shards. Raises `DamagedShard`."""
        pieces = self._pieces(kind, numbers)
        with ThreadPoolExecutor(2 if self.store.is_local else 16) as pool:
            yield from pool.map(lambda piece: self._rows(kind, piece[0], piece[1], columns), pieces)

    def table(self, kind: str, numbers: Numbers, columns: Sequence[str]) -> pa.Table:
        """Rows of the index in the order given. Raises `DamagedShard`, `QueryError` for a column that is not there."""
        if unknown := [name for name in columns if name not in self.columns(kind)]:
            raise QueryError(f"{kind} has no column {', '.join(unknown)}; it has {', '.join(self.columns(kind))}")
        tables = list(self.tables(kind, numbers, columns))
        if not tables:
            return self.index.table(f"SELECT {', '.join(columns)} FROM {kind} LIMIT 0")
        rows = pa.concat_tables(tables, promote_options="default").select(columns)
        if isinstance(numbers, range) and numbers.step > 0:
            return rows
        order = np.argsort(np.asarray(numbers, np.int64), kind="stable")
        return rows.take(_as_arrow(np.argsort(order, kind="stable")))

    def close(self) -> None:
        self.index.close()

    def _shard(self, kind: str, place: int) -> Shard:
        return self.index.shard(kind, self.marks(kind)[place].shard.name)

    def _matching(self, kind: str, where: str, values: Sequence[object], shards: Sequence[int]) -> NDArray[np.int64]:
        marks = self.marks(kind)
        names = [marks[place].shard.name for place in shards]
        table = f"{self.index.of_shards(kind, names)} AS {kind}" if len(names) < len(marks) else kind
        sql = f"SELECT shard, row FROM {table} WHERE (\n{where}\n)"
        first_of = {mark.shard.name: int(start) for mark, start in zip(marks, self._starts[kind], strict=False)}
        found = [np.zeros(0, np.int64)]
        for batch in self.index.batches(sql, values):
            shard = batch.column("shard").dictionary_encode()
            names = shard.dictionary.to_pylist()
            firsts = np.array([first_of[name] for name in names], np.int64)
            # By DLPack, since `to_numpy` imports pandas where that is installed: half a second.
            places, rows = np.from_dlpack(shard.indices), np.array(np.from_dlpack(batch.column("row")))
            for number, name in enumerate(names):
                if (live := self.index.rows(kind, name)) is not None:
                    own = places == number
                    rows[own] = np.searchsorted(live, rows[own])
            found.append(firsts[places] + rows)
        return np.sort(np.concatenate(found))

    def _by_shard(self, kind: str, numbers: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Shard after shard as they come: its place, and the rows in it."""
        starts = self._starts[kind]
        places = np.searchsorted(starts, numbers, side="right") - 1
        bounds = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), len(numbers)]
        for first, end in itertools.pairwise(bounds):
            if first < end:
                place = int(places[first])
                yield place, numbers[first:end] - starts[place]

    def _touched(self, kind: str, numbers: Numbers) -> list[int]:
        """The places of the shards in which these samples lie."""
        starts = self._starts[kind]
        if isinstance(numbers, range) and abs(numbers.step) == 1 and len(numbers):
            low, high = sorted((numbers[0], numbers[-1]))
            first, last = np.searchsorted(starts, [low, high], side="right") - 1
            return list(range(int(first), int(last) + 1))
        found = np.unique(np.searchsorted(starts, np.asarray(numbers, np.int64), side="right") - 1)
        return [int(place) for place in found]

    def _pieces(self, kind: str, numbers: Numbers) -> list[tuple[int, NDArray[np.int64] | None]]:
        """The shards of these samples, each once, with the rows in it; None for all of them."""
        if isinstance(numbers, range) and numbers == range(self.total(kind)):
            return [(place, None) for place in range(len(self.marks(kind)))]
        return list(self._by_shard(kind, np.sort(np.asarray(numbers, np.int64))))

    def _rows(self, kind: str, place: int, rows: NDArray[np.int64] | None, columns: Sequence[str]) -> pa.Table:
        shard = self._shard(kind, place)
        table = shard.index(columns)
        if "shard" in columns:
            table = table.append_column("shard", pa.repeat(shard.name, len(table)))
        if "row" in columns:
            live = self.index.rows(kind, shard.name)
            table = table.append_column("row", _as_arrow(np.arange(len(table)) if live is None else live))
        return table if rows is None else _taken(table, rows, shard)

    def _places_in(self, kind: str, place: int) -> pa.Table:
        with self._lock:
            if (kind, place) in self._places:
                self._places.move_to_end((kind, place))
                return self._places[kind, place]
        table = self._shard(kind, place).index(PLACES)
        with self._lock:
            self._places[kind, place] = table
            while len(self._places) > _SHARDS_IN_MEMORY:
                self._places.popitem(last=False)
        return table


def _taken(table: pa.Table, rows: NDArray[np.int64], shard: Shard) -> pa.Table:
    try:
        return table.take(_as_arrow(rows))
    except pa.ArrowIndexError:
        raise DamagedShard(f"{shard.parquet_name} has {len(table)} rows, fewer than its mark says") from None


def _is_text(wanted: str) -> bool:
    """Whether a file could hold it: half of a surrogate pair is in none."""
    try:
        wanted.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_arrow(numbers: NDArray[np.int64]) -> pa.Array:
    """Without `pa.array`, which imports pandas as well."""
    return pa.Array.from_buffers(
        pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers, np.int64))]
    )
