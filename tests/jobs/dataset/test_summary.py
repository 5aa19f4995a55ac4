"""Figures of `weft inspect`."""

import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobs.cli import main
from jobs.commands.inspect import _print_distributions
from jobs.dataset.html import percent
from jobs.dataset.summary import distributions, histogram


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=200), st.booleans())
def test_a_histogram_counts_everything_once_between_rising_edges(numbers: list[int], as_floats: bool) -> None:
    bins = histogram(np.array(numbers, float if as_floats else int))
    assert sum(count for _, _, count in bins) == len(numbers)
    assert all(low < high for low, high, _ in bins)
    assert all(high == low for (_, high, _), (low, _, _) in itertools.pairwise(bins))
    assert len(bins) <= 16
    assert bins[-1][1] >= max(numbers)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_a_histogram_of_scores_has_edges_as_fine_as_they_lie(scores: list[float]) -> None:
    bins = histogram(np.array(scores))
    assert sum(count for _, _, count in bins) == len(scores)


def test_each_kind_has_its_figures(looked_at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(looked_at), "--json"]) == 0
    kinds = json.loads(capsys.readouterr().out)["kinds"]
    assert kinds["interleaved"]["images_per_document"] == {"1": 1, "2": 6}
    assert kinds["interleaved"]["captured"] == {"2026-03": 7}
    assert kinds["pairs"]["caption_sources"] == {"alt": 13}
    assert kinds["pairs"]["height"]["median"] == 240
    assert kinds["clips"]["seconds_per_clip"]["max"] == pytest.approx(2.4)
    assert main(["inspect", str(looked_at)]) == 0
    shown = capsys.readouterr().out
    for said in ("images per document", "caption from", "seconds per clip", "captured in", "height in pixels"):
        assert said in shown


def test_an_index_without_some_columns_is_read_as_far_as_it_goes(looked_at: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    copy = Path(shutil.copytree(looked_at, tmp_path / "copy"))
    for path in (copy / "interleaved/shards").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(["licence", "scores", "fetch_time"]), path)
    assert main(["inspect", str(copy)]) == 0
    assert main(["report", str(copy), "-o", str(tmp_path / "report.html")]) == 0


def test_percentages_are_of_all_samples_though_only_the_most_frequent_values_are_shown() -> None:
    domains = ["big.example"] * 10 + [f"{number}.example" for number in range(190)]
    index = pa.table({"domain": domains, "language": ["en"] * 50 + [""] * 150, "licence": [""] * 200})
    written = io.StringIO()
    console = Console(file=written, width=100)
    _print_distributions(console, "interleaved", {**distributions([index]), "samples": 200})
    lines = {line.split()[0]: line.split()[-1] for line in written.getvalue().splitlines() if line.strip()}
    assert (lines["big.example"], lines["0.example"], lines["en"]) == ("5%", "<1%", "25%")


@pytest.mark.parametrize(
    ("count", "total", "digits", "shown"),
    [
        (0, 0, 0, "0"),
        (0, 1935, 0, "0"),
        (1, 1935, 0, "<1"),
        (61, 1935, 0, "3"),
        (1934, 1935, 0, ">99"),
        (1935, 1935, 0, "100"),
        (1, 10**6, 1, "<0.1"),
        (999_999, 10**6, 1, ">99.9"),
        (0.00004, 1, 2, "<0.01"),
        (0.9991, 1, 1, ">99.9"),
        (0.9985, 1, 1, "99.9"),
    ],
)
def test_some_is_never_shown_as_none_nor_nearly_all_as_all(count: float, total: float, digits: int, shown: str) -> None:
    assert percent(count, total, digits) == shown
