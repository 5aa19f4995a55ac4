"""`weft.open`: a dataset as a sequence of samples, with SQL for what it holds and what was dropped."""

import operator
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Generic, Literal, TypeVar, cast, overload

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.dataset.summary import LOOKED_AT, NotADataset, distributions
from schemas.dataset import DATASET, totals
from schemas.storage import Store
from weft.samples import Clip, InterleavedSample, PairSample, Sample, read_sample
from weft.source import PLACES, Numbers, Source

S = TypeVar("S", bound=Sample, covariant=True)
Kind = Literal["interleaved", "pairs", "clips"]
AnyPath = str | os.PathLike[str]
#: A pandas DataFrame; a pyarrow Table where pandas is not installed.
Frame = Any


@overload
def open_dataset(path: AnyPath, kind: Literal["interleaved"]) -> "Dataset[InterleavedSample]": ...
@overload
def open_dataset(path: AnyPath, kind: Literal["pairs"]) -> "Dataset[PairSample]": ...
@overload
def open_dataset(path: AnyPath, kind: Literal["clips"]) -> "Dataset[Clip]": ...
@overload
def open_dataset(path: AnyPath, kind: str | None = None) -> "Dataset[Any]": ...
def open_dataset(path: AnyPath, kind: str | None = None) -> "Dataset[Any]":
    """The dataset in a folder or at an fsspec URL, as samples of one kind; by default the first that it has of
    interleaved, pairs and clips. `Dataset.of` gives the others.

    What is read: commit marks now, the rest when it is asked for. A build that is not finished has what was committed
    when it was opened. Raises `NotADataset` where nothing that weft wrote lies there, or nothing of this kind,
    `SettingsError` for an address of no storage that is known, and `OSError` where the storage fails.
    """
    source = Source(Store(os.fspath(path)))
    try:
        return Dataset(source, _kind_of(source, kind))
    except NotADataset:
        source.close()
        raise


class Dataset(Generic[S]):
    """Samples of one kind in the order of the shards, or a view of some of them: `len`, `[0]`, `[-1]`, `[10:20]`,
    `["key or address"]`, iteration, `where`, `random`. Views are of the same type and open nothing anew.

    A sample is read by one positioned read when it is asked for; no tar is unpacked, whatever the size of the dataset.
    A view holds 8 bytes a sample, a slice of the whole nothing. Safe for several threads; a context manager.
    Pickled, it is its path and what the view holds: whoever unpickles it, such as a worker, opens it anew.
    """

    def __init__(self, source: Source, kind: str, numbers: Numbers | None = None) -> None:
        """Not to be called: `weft.open` does."""
        self._source, self._kind = source, kind
        self._numbers: Numbers = range(source.total(kind)) if numbers is None else numbers

    @property
    def path(self) -> str:
        """Where it lies, as it was named."""
        return self._source.store.url

    @property
    def kind(self) -> str:
        """interleaved, pairs or clips."""
        return self._kind

    @property
    def kinds(self) -> list[str]:
        """The kinds that the dataset has samples of."""
        return list(self._source.index.kinds)

    @property
    def total(self) -> int:
        """The samples of this kind in the whole dataset."""
        return self._source.total(self._kind)

    @property
    def columns(self) -> list[str]:
        """What `where` and `to_arrow` know of each sample: the columns of the index, and `shard` and `row` in it."""
        return list(self._source.columns(self._kind))

    @property
    def is_finished(self) -> bool:
        """Whether its build is complete."""
        return self._source.store.exists(DATASET)

    @overload
    def of(self, kind: Literal["interleaved"]) -> "Dataset[InterleavedSample]": ...
    @overload
    def of(self, kind: Literal["pairs"]) -> "Dataset[PairSample]": ...
    @overload
    def of(self, kind: Literal["clips"]) -> "Dataset[Clip]": ...
    @overload
    def of(self, kind: str) -> "Dataset[Any]": ...
    def of(self, kind: str) -> "Dataset[Any]":
        """All samples of a kind. Raises `NotADataset` where there are none."""
        return Dataset(self._source, _kind_of(self._source, kind))

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, wanted: int | str) -> S: ...
    @overload
    def __getitem__(self, wanted: slice) -> "Dataset[S]": ...
    def __getitem__(self, wanted: int | str | slice) -> "S | Dataset[S]":
        """The sample at a place (from 0, negative from the end), or with a key or an address; a view of a slice.

        An address is that of a page, or of a pair's image or a clip's video; of several samples the first is given.
        Raises `IndexError`, `KeyError`, `DamagedShard`, `OSError`.
        """
        if isinstance(wanted, slice):
            return self._view(self._numbers[wanted])
        if isinstance(wanted, str):
            found = self._source.with_key(self._kind, wanted, self._numbers)
            if not len(found):
                raise KeyError(f"no sample of {self._kind} here has the key or address {wanted}")
            return next(self._read(found[:1]))
        place = operator.index(wanted)
        if not -len(self) <= place < len(self):
            raise IndexError(f"there is no sample {place}: here are {len(self):,}")
        return next(self._read(np.array([self._numbers[place]], np.int64)))

    def __contains__(self, wanted: object) -> bool:
        """Whether a sample has this key or address."""
        return isinstance(wanted, str) and bool(len(self._source.with_key(self._kind, wanted, self._numbers)))

    def __iter__(self) -> Iterator[S]:
        """One sample after another; none is remembered. Raises `DamagedShard`, `OSError`."""
        return self._read(self._numbers)

    def where(self, condition: str, *values: object) -> "Dataset[S]":
        """The samples for which a condition in DuckDB's SQL on `columns` holds, in their order; `?` stands for values.

        `where("num_images >= 3 AND language = ?", "en")`. Raises `QueryError`, whose message says what is wrong.
        """
        return self._view(self._source.matching(self._kind, condition, values, self._numbers))

    def random(self, n: int = 1, seed: int = 0) -> "Dataset[S]":
        """`n` samples drawn evenly, none twice, in random order, the same for the same seed; all if there are fewer."""
        places = random.Random(seed).sample(range(len(self)), min(n, len(self)))
        return self._view(np.array([self._numbers[place] for place in places], np.int64))

    def stats(self) -> Frame:
        """What `weft inspect` says of these samples, a row a number, as a DataFrame (without pandas a pyarrow Table).

        Columns: `figure` (samples, images, bytes, languages, words_per_document, ...), `value` (the language, the
        quantile, the bin, ... or ""), `number`. Raises `DamagedShard`, `OSError`.
        """
        counted = Counter[str]()
        of_rows = distributions(
            _added_up(self._source.tables(self._kind, self._numbers, (*LOOKED_AT, "size")), counted)
        )
        figures = {**self._totals(counted), **of_rows}
        rows = [{"figure": figure, **row} for figure, value in figures.items() for row in _flat(value)]
        schema = pa.schema([("figure", pa.string()), ("value", pa.string()), ("number", pa.float64())])
        return _frame(pa.Table.from_pylist(rows, schema))

    def drops(self, condition: str = "", *values: object) -> Frame:
        """What the build dropped, of the whole dataset, as a DataFrame (without pandas a pyarrow Table): url, kind,
        reason, detail and page_url, which older datasets lack.

        All of it is held in memory: of a large build ask for a part, `drops("kind = 'image'")`, or count by `query`.
        Raises `QueryError`.
        """
        if not condition:
            return self.query("SELECT * FROM drops", *values)
        self._source.index.require_condition("drops", condition, values)
        return self.query(f"SELECT * FROM drops WHERE (\n{condition}\n)", *values)

    def query(self, sql: str, *values: object) -> Frame:
        """The answer to one SELECT over the whole dataset, as a DataFrame (without pandas a pyarrow Table).

        Tables: `interleaved`, `pairs`, `clips` (those that are there), `samples` (what they have in common), `drops`.
        Nothing else can be read, nothing written. Raises `QueryError`.
        """
        return _frame(self._source.index.table(sql, values))

    def to_arrow(self, columns: str | Sequence[str] | None = None) -> pa.Table:
        """The index of these samples, in their order, as a pyarrow Table; by default all columns but those that say
        where bytes lie. Raises `QueryError` for a column that is not there, `DamagedShard`, `OSError`.
        """
        if isinstance(columns, str):
            columns = [columns]
        if columns is None:
            columns = [name for name in self.columns if name not in PLACES or name == "key"]
        return self._source.table(self._kind, self._numbers, columns) if columns else pa.table({})

    def to_pandas(self, columns: str | Sequence[str] | None = None) -> Frame:
        """The same as a DataFrame. Raises `ModuleNotFoundError` without pandas, else as `to_arrow`."""
        return self.to_arrow(columns).to_pandas()

    def close(self) -> None:
        """Ends the database behind the dataset and all its views."""
        self._source.close()

    def __enter__(self) -> "Dataset[S]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self.path, self._kind, self._numbers, self.total)

    def __repr__(self) -> str:
        count = f"{len(self):,}" if len(self) == self.total else f"{len(self):,} of {self.total:,}"
        others = [f"{kind} {self._source.total(kind):,}" for kind in self.kinds if kind != self._kind]
        beside = f"; beside them {', '.join(others)}" if others else ""
        return f"<weft.Dataset {self.path}: {self._kind}, {count} samples{beside}>"

    def _repr_html_(self) -> str:
        from weft.html import dataset_html

        return dataset_html(self)

    def _view(self, numbers: Numbers) -> "Dataset[S]":
        return Dataset(self._source, self._kind, numbers)

    def _read(self, numbers: Numbers) -> Iterator[S]:
        for members in self._source.samples(self._kind, numbers):
            yield cast(S, read_sample(self._kind, members))

    def _totals(self, counted: Counter[str]) -> dict[str, int]:
        """Of all samples as their commit marks have it; of a view what its rows add up to."""
        if len(self) == self.total:
            return dict(msgspec.to_builtins(totals([mark.shard for mark in self._source.marks(self._kind)])))
        return {"samples": len(self), "images": counted["num_images"], "bytes": counted["size"]}


def _open_again(path: str, kind: str, numbers: Numbers, total: int) -> "Dataset[Any]":
    """What was pickled. Raises what `open_dataset` raises, and `ValueError` where the dataset has changed since."""
    whole = open_dataset(path, kind)
    if whole.total != total:  # places are no longer those that were meant
        whole.close()
        raise ValueError(f"{path} had {total:,} {kind} when it was pickled, and has {whole.total:,}: open it anew")
    return whole._view(numbers)


def _kind_of(source: Source, wanted: str | None) -> str:
    kinds = source.index.kinds
    if wanted is None:
        return (kinds or list(source.index.marks) or ["interleaved"])[0]
    if wanted not in source.index.marks:
        raise NotADataset(f"{source.store.url} has no {wanted}; it has {', '.join(kinds) or 'no samples'}")
    return wanted


def _added_up(tables: Iterator[pa.Table], counted: Counter[str]) -> Iterator[pa.Table]:
    """The tables as they pass, their images and bytes counted on the way: they are never all in memory."""
    for table in tables:
        for name in ("num_images", "size"):
            if name in table.column_names:
                counted[name] += pc.sum(table.column(name)).as_py() or 0
        yield table


def _flat(value: Any) -> Iterator[dict[str, Any]]:
    """The rows of one figure: a number, counts by name, numbers by name and quantile, or the bins of a histogram."""
    match value:
        case dict():
            for name, inner in value.items():
                label = "" if name is None else str(name)
                for row in _flat(inner):
                    yield {"value": f"{label} {row['value']}".rstrip(), "number": row["number"]}
        case list():
            for low, high, count in value:
                yield {"value": f"{low:,g} – {high:,g}", "number": count}
        case _:
            yield {"value": "", "number": value}


def _frame(table: pa.Table) -> Frame:
    return table.to_pandas() if find_spec("pandas") else table
