"""What a dataset holds, by its commit marks and parquet indexes; no tar is opened."""

import array
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.builds import drop_files
from schemas.dataset import DATASET, Dataset, live_totals, read_dataset
from schemas.kinds import KINDS
from schemas.shards import Shard, ShardMark
from schemas.storage import Store
from schemas.superseded import LiveShards

_TOP = 10
#: Columns whose values are counted, and those whose distribution is shown.
_COUNTED = ("num_images", "language", "domain", "licence", "fetch_time", "caption_source")
_NUMBERS = ("num_words", "duration_s", "height")
_SCORES = "scores"
#: The columns of an index that `distributions` looks at.
LOOKED_AT = (*_COUNTED, *_NUMBERS, _SCORES)


class NotADataset(Exception):
    """Nothing that weft wrote lies there."""


def kinds_of(store: Store) -> list[str]:
    """The kinds of sample in a dataset. Raises `NotADataset`."""
    kinds = [kind for kind in KINDS if store.exists(f"{kind}/commit")]
    if not kinds and not store.exists(DATASET):
        raise NotADataset(f"{store.url}: {_what_else(store)}")
    return kinds


def _what_else(store: Store) -> str:
    """What lies where no dataset is, as far as weft wrote it."""
    if store.exists("warc"):
        return f"a crawl: weft build --input '{store.url}/warc/*.warc.gz' makes a dataset of it"
    return "a build has started but committed no shard yet" if store.exists("work") else "no dataset of weft"


def shards_of(store: Store, kind: str) -> Iterator[tuple[ShardMark, Shard]]:
    """The committed shards of a kind, in order, with the samples that no later build replaced."""
    live = LiveShards(store, kind)
    for mark in live.marks:
        yield mark, live.open(mark.shard.name)


def summary(store: Store) -> dict[str, Any]:
    """Totals, distributions and drop reasons, as `weft inspect --json` prints them.

    Memory grows with the number of domains and with a few numbers a sample, not with texts.
    """
    finished = store.exists(DATASET)
    kinds = {kind: _kind_summary(store, kind) for kind in kinds_of(store)}
    report: dict[str, Any] = {"path": store.url, "finished": finished, "kinds": kinds}
    if finished:
        dataset = read_dataset(store)
        report["drops"] = dataset.drops
        report["phases"] = msgspec.to_builtins(dataset.phases)
        report |= {"inputs": dataset.inputs, "input_bytes": dataset.input_bytes}
        report |= {"config_hash": dataset.config_hash, "weft_version": dataset.weft_version}
        report["builds"] = msgspec.to_builtins(dataset.builds)
    else:
        report["drops"] = _unfinished_drops(store)
    return report


def _kind_summary(store: Store, kind: str) -> dict[str, Any]:
    return {**msgspec.to_builtins(live_totals(store, kind)), **distributions(_indexes(store, kind))}


def distributions(indexes: Iterable[pa.Table]) -> dict[str, Any]:
    """What the rows of some shards' indexes add up to; of each only the columns `LOOKED_AT` are wanted.

    Columns that a dataset does not have, being of another kind or older, leave their part empty.
    """
    counts: dict[str, Counter[Any]] = {name: Counter() for name in _COUNTED}
    numbers: dict[str, list[Any]] = {name: [] for name in _NUMBERS}
    scores: dict[str, Any] = {}
    for index in indexes:
        for name, counter in counts.items():
            if name in index.column_names:
                column = index.column(name)
                if name == "fetch_time":
                    column = pc.utf8_slice_codeunits(column, 0, 7)  # year and month
                for entry in column.value_counts().to_pylist():
                    counter[entry["values"]] += entry["counts"]
        for name, values in numbers.items():
            if name in index.column_names:
                values.append(index.column(name).to_numpy())
        if _SCORES in index.column_names:
            _add_scores(index.column(_SCORES), scores)
    words, seconds, heights = (np.concatenate(values) if values else np.zeros(0) for values in numbers.values())
    return {
        "images_per_document": dict(sorted(counts["num_images"].items())),
        "words_per_document": quantiles(words),
        "words_histogram": histogram(words),
        **({"seconds_per_clip": quantiles(seconds), "seconds_histogram": histogram(seconds)} if len(seconds) else {}),
        **({"height": quantiles(heights), "height_histogram": histogram(heights)} if len(heights) else {}),
        **({"caption_sources": dict(counts["caption_source"].most_common())} if counts["caption_source"] else {}),
        "languages": dict(counts["language"].most_common(_TOP)),
        "domains": len(counts["domain"]),
        "top_domains": dict(counts["domain"].most_common(_TOP)),
        "licences": dict(counts["licence"].most_common(_TOP)),
        "captured": dict(sorted(counts["fetch_time"].items())),
        "scores": {name: quantiles(np.array(scores[name]), 4) for name in sorted(scores)},
        "score_histograms": {name: histogram(np.array(scores[name])) for name in sorted(scores)},
    }


def _indexes(store: Store, kind: str) -> Iterator[pa.Table]:
    """The columns that are looked at, shard by shard; on an object store several are fetched at a time."""
    shards = [shard for _, shard in shards_of(store, kind)]
    with ThreadPoolExecutor(2 if store.is_local else 16) as pool:
        yield from pool.map(lambda shard: shard.index(LOOKED_AT), shards)


def _add_scores(column: Any, values: dict[str, Any]) -> None:
    """The values of each score, from the JSON of all rows of a shard, decoded in one go."""
    written = ",".join(scores or "{}" for scores in column.to_pylist())
    for scores in msgspec.json.decode(f"[{written}]", type=list[dict[str, float]]):
        for name, value in scores.items():
            values.setdefault(name, array.array("d")).append(value)


def quantiles(values: Any, digits: int = 1) -> dict[str, float]:
    if not len(values):
        return {}
    points = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    return {"mean": round(float(values.mean()), digits)} | dict(
        zip(("min", "p25", "median", "p75", "max"), (round(float(point), digits) for point in points), strict=True)
    )


def histogram(values: Any, bins: int = 12) -> list[tuple[float, float, int]]:
    """Lower edge, upper edge and count of each bin; edges are round, at equal ratios where values spread far."""
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    if high > 20 * max(low, 1.0):
        edges = _round_edges(max(low, 1.0), high, bins)
    else:
        step = _round_up((high - low) / bins or 1.0)
        step = max(step, 1.0) if np.issubdtype(values.dtype, np.integer) else step
        edges = [step * number for number in range(int(low // step), int(high // step) + 2)]
    counts, _ = np.histogram(np.maximum(values, edges[0]), edges)
    return [(round(a, 6), round(b, 6), int(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False)]


def _round_edges(low: float, high: float, bins: int) -> list[float]:
    """1, 2, 5, 10, 20, ... from below `low` to above `high`; every other one where these are too many."""
    edges = [digit * 10.0**power for power in range(12) for digit in (1, 2, 5)]
    first = max(number for number, edge in enumerate(edges) if edge <= low)
    last = next((number for number, edge in enumerate(edges) if edge > high), len(edges) - 1)
    step = -(-(last - first) // bins)
    chosen = edges[first : last + 1 : step]
    return chosen if chosen[-1] > high else [*chosen, edges[last]]


def _round_up(step: float) -> float:
    """The next of 1, 2, 5, 10, ... at any power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * 0.999)


def funnel(dataset: Dataset) -> list[dict[str, Any]]:
    """What each phase saw, kept and dropped, by kind of item; `width` and `lost` are percent of the kind's largest."""
    widest: Counter[str] = Counter()
    for counts in dataset.phases.values():
        for kind, seen in counts.seen.items():
            widest[kind] = max(widest[kind], seen)
    return [
        {
            "phase": phase,
            "kind": kind,
            "seen": seen,
            "kept": counts.kept.get(kind, 0),
            "drops": sorted(counts.drops.get(kind, {}).items(), key=lambda one: -one[1]),
            "width": 100 * counts.kept.get(kind, 0) / widest[kind],
            "lost": 100 * (seen - counts.kept.get(kind, 0)) / widest[kind],
        }
        for phase, counts in dataset.phases.items()
        for kind, seen in counts.seen.items()
        if seen
    ]


def _unfinished_drops(store: Store) -> dict[str, dict[str, int]]:
    """Counted from the drop files: there is no `dataset.json` yet."""
    counts: dict[str, Counter[str]] = {}
    for name in drop_files(store):
        with store.open(f"drops/{name}") as file:
            table = pq.read_table(file, columns=["kind", "reason"])
        for entry in table.group_by(["kind", "reason"]).aggregate([([], "count_all")]).to_pylist():
            counts.setdefault(entry["kind"], Counter())[entry["reason"]] += entry["count_all"]
    return {kind: dict(reasons.most_common()) for kind, reasons in sorted(counts.items())}
