"""The report as HTML."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.dataset.html import templates
from jobs.dataset.summary import histogram
from jobs.report import charts

#: Of the plots of a kind: field of the summary, heading, unit.
_PLOTS = {
    "interleaved": (("words_histogram", "Words per document", "words"),),
    "pairs": (("words_histogram", "Words per caption", "words"),),
    "clips": (("seconds_histogram", "Length of clips", "seconds"), ("words_histogram", "Words per caption", "words")),
}


def render(datasets: Sequence[dict[str, Any]], version: str, made: str) -> str:
    """One HTML file of what was collected of one dataset, or of two beside each other."""
    for number, dataset in enumerate(datasets):
        dataset["plots"] = {kind: _plots(f"{number}-{kind}", kind, dataset) for kind in dataset["summary"]["kinds"]}
    _set_scale([dataset["funnel"] for dataset in datasets])
    kinds = list(dict.fromkeys(kind for dataset in datasets for kind in dataset["summary"]["kinds"]))
    return (
        templates("jobs.report")
        .get_template("report.html")
        .render(
            datasets=datasets,
            kinds=kinds,
            changed=_changed([dataset["config"] for dataset in datasets]),
            version=version,
            made=made,
        )
    )


def _set_scale(funnels: Sequence[Sequence[tuple[str, list[dict[str, Any]]]]]) -> None:
    """Bars of several funnels as wide as what they count, in percent of the largest number of their kind in any."""
    most: dict[str, int] = {}
    for kind, rows in itertools.chain(*funnels):
        most[kind] = max(most.get(kind, 0), *(row["seen"] for row in rows))
    for kind, rows in itertools.chain(*funnels):
        for row in rows:
            row["width"], row["lost"] = 100 * row["kept"] / most[kind], 100 * (row["seen"] - row["kept"]) / most[kind]


def _plots(name: str, kind: str, dataset: dict[str, Any]) -> list[tuple[str, str]]:
    """Headings and SVGs of what there is to plot."""
    of_kind = dataset["summary"]["kinds"][kind]
    plots = []
    if kind == "interleaved" and (images := of_kind["images_per_document"]):
        plots.append(("Images per document", _of_counts(f"{name}-images", images)))
    for field, heading, unit in _PLOTS[kind]:
        if bins := of_kind.get(field):
            plots.append((heading, charts.histogram(f"{name}-{field}", bins, unit)))
    heights = dataset["looked_at"][kind]["heights"] if kind in dataset["looked_at"] else []
    if heights:
        plots.append(("Height of images", charts.histogram(f"{name}-height", histogram(np.array(heights)), "pixels")))
    elif bins := of_kind.get("height_histogram"):
        plots.append(("Height", charts.histogram(f"{name}-height", bins, "pixels")))
    if len(months := of_kind["captured"]) > 1:
        plots.append(("Captured in", charts.bars(f"{name}-months", list(months), list(months.values()), "month")))
    for score, bins in of_kind.get("score_histograms", {}).items():
        plots.append((f"Score: {score}", charts.histogram(f"{name}-score-{score}", bins, score)))
    return plots


def _of_counts(name: str, images: dict[int, int]) -> str:
    """Single numbers as long as they are few."""
    if max(images) > 30:
        values = np.repeat(np.array(list(images)), np.array(list(images.values())))
        return charts.histogram(name, histogram(values), "images")
    numbers = range(min(images), max(images) + 1)
    return charts.bars(
        name, [str(number) for number in numbers], [images.get(number, 0) for number in numbers], "images"
    )


def _changed(configs: Sequence[dict[str, str]]) -> list[tuple[str, list[str]]]:
    """Settings in which two runs differ."""
    if len(configs) < 2:
        return []
    paths = sorted(set().union(*configs))
    rows = [(path, [config.get(path, "–") for config in configs]) for path in paths]
    return [(path, values) for path, values in rows if len(set(values)) > 1]
