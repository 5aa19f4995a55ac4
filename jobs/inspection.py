"""What a dataset holds, told from its commit marks and parquet indexes; no tar is opened."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq

from schemas.dataset import DATASET, read_dataset, totals
from schemas.shards import Shard, ShardMark, read_marks
from schemas.storage import Store

KINDS = ("interleaved", "pairs", "clips")
_TOP = 10
_COLUMNS = ("num_images", "num_words", "language", "domain")
_CLIP_COLUMNS = ("duration_s", "num_words", "language", "domain")


class NotADataset(Exception):
    """Nothing that weft wrote lies there."""


def kinds_of(store: Store) -> list[str]:
    """The kinds of sample in a dataset. Raises `NotADataset`."""
    kinds = [kind for kind in KINDS if store.exists(f"{kind}/commit")]
    if not kinds and not store.exists(DATASET):
        reason = "a build has started but committed no shard yet" if store.exists("work") else "no dataset of weft"
        raise NotADataset(f"{store.url}: {reason}")
    return kinds


def shards_of(store: Store, kind: str) -> Iterator[tuple[ShardMark, Shard]]:
    """The committed shards of a kind, in order."""
    for mark in read_marks(store, kind):
        yield mark, Shard(store, kind, mark.shard.name)


def summary(store: Store) -> dict[str, Any]:
    """Totals, distributions and drop reasons, as `weft inspect --json` prints them.

    Memory grows with the number of domains and of samples' word counts, not with their texts.
    """
    finished = store.exists(DATASET)
    kinds = {kind: _kind_summary(store, kind) for kind in kinds_of(store)}
    for kind in kinds.keys() - {"interleaved"}:
        kinds[kind]["caption_sources"] = _caption_sources(store, kind)
    report: dict[str, Any] = {"path": store.url, "finished": finished, "kinds": kinds}
    if finished:
        dataset = read_dataset(store)
        report["drops"] = dataset.drops
        report["phases"] = msgspec.to_builtins(dataset.phases)
        report |= {"inputs": dataset.inputs, "input_bytes": dataset.input_bytes}
        report |= {"config_hash": dataset.config_hash, "weft_version": dataset.weft_version}
    else:
        report["drops"] = _unfinished_drops(store)
    return report


def _kind_summary(store: Store, kind: str) -> dict[str, Any]:
    counts: dict[str, Counter[Any]] = {name: Counter() for name in ("num_images", "language", "domain")}
    words, seconds = [], []
    infos = []
    for mark, shard in shards_of(store, kind):
        infos.append(mark.shard)
        index = shard.index(_CLIP_COLUMNS if kind == "clips" else _COLUMNS)
        words.append(index.column("num_words").to_numpy())
        if kind == "clips":
            seconds.append(index.column("duration_s").to_numpy())
        for name, counter in counts.items():
            if name not in index.column_names:
                continue
            for entry in index.column(name).value_counts().to_pylist():
                counter[entry["values"]] += entry["counts"]
    return {
        **msgspec.to_builtins(totals(infos)),
        "images_per_document": dict(sorted(counts["num_images"].items())),
        "words_per_document": _quantiles(np.concatenate(words)) if words else {},
        **({"seconds_per_clip": _quantiles(np.concatenate(seconds))} if seconds else {}),
        "languages": dict(counts["language"].most_common(_TOP)),
        "domains": len(counts["domain"]),
        "top_domains": dict(counts["domain"].most_common(_TOP)),
    }


def _caption_sources(store: Store, kind: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for _, shard in shards_of(store, kind):
        for entry in shard.index(["caption_source"]).column(0).value_counts().to_pylist():
            counts[entry["values"]] += entry["counts"]
    return dict(counts.most_common())


def _quantiles(values: Any) -> dict[str, float]:
    if not len(values):
        return {}
    points = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    return {"mean": round(float(values.mean()), 1)} | dict(
        zip(("min", "p25", "median", "p75", "max"), (float(point) for point in points), strict=True)
    )


def _unfinished_drops(store: Store) -> dict[str, dict[str, int]]:
    """Counted from the drop files: there is no `dataset.json` yet."""
    counts: dict[str, Counter[str]] = {}
    for name in store.list("drops"):
        if name.endswith(".parquet") and not name.startswith("."):
            with store.open(f"drops/{name}") as file:
                table = pq.read_table(file, columns=["kind", "reason"])
            for entry in table.group_by(["kind", "reason"]).aggregate([([], "count_all")]).to_pylist():
                counts.setdefault(entry["kind"], Counter())[entry["reason"]] += entry["count_all"]
    return {kind: dict(reasons.most_common()) for kind, reasons in sorted(counts.items())}
