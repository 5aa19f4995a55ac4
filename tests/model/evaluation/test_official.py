"""Scores beside those of the official evaluations, which make_official.py ran."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.evaluation.choice_metrics import mwap, ndcg, roc_auc
from model.evaluation.formats.table import read_format
from model.evaluation.items import Item
from model.evaluation.metrics import vqa
from model.evaluation.wups import wups
from schemas.drops import Tally


@pytest.fixture(scope="module")
def official() -> dict[str, Any]:
    return dict(json.loads(Path(__file__).with_name("official.json").read_text("utf-8")))


@pytest.mark.parametrize("name", ["vqa", "vqa_normal"])
def test_vqa_accuracy(official: dict[str, Any], name: str) -> None:
    cases = official[name]
    found = vqa([case["said"] for case in cases], [case["answers"] for case in cases])
    wrong = [case for case, score in zip(cases, found, strict=True) if abs(score - case["score"]) > 1e-6]
    assert wrong == []
    assert 0.2 < np.mean([case["score"] > 0 for case in cases]) < 0.9


def test_ndcg_of_visdial(official: dict[str, Any]) -> None:
    cases = official["visdial"]
    items = [Item("k", (), (), relevance=tuple(case["relevance"])) for case in cases]
    found = ndcg([np.array(case["likelihoods"]) for case in cases], items, [])
    assert found.scores == pytest.approx([case["score"] for case in cases], abs=1e-6)


def test_area_under_the_roc_curve(official: dict[str, Any]) -> None:
    for case in official["roc_auc"]:
        items = [Item("k", (), ("yes" if positive else "no",)) for positive in case["positive"]]
        found = roc_auc([np.array([margin, 0.0]) for margin in case["margins"]], items, [("yes", "no")] * len(items))
        assert found.score == pytest.approx(case["score"])
        assert 0 < found.error < 0.3


def test_wups_of_nextqa(official: dict[str, Any]) -> None:
    near, cases = official["nextqa"]["near"], official["nextqa"]["cases"]

    class Table:
        def lemmas(self, text: str) -> list[str]:
            return text.split()

        def similarity(self, word: str, other: str) -> float:
            return float(near[f"{word} {other}"])

    said, good = [" ".join(case["said"]) for case in cases], [[" ".join(case["good"])] for case in cases]
    assert wups(said, good, ["CW"] * len(cases), Table()) == pytest.approx([case["score"] for case in cases])
    assert wups(["the two", "two dog"], [["three", "two"], ["two", "dog two"]], ["DC", "DB"], Table()) == [1.0, 0.0]


def test_mwap_of_rareact(official: dict[str, Any], tmp_path: Path) -> None:
    lines, predictions = official["rareact"]["csv"], np.array(official["rareact"]["predictions"])
    (tmp_path / "rareact.csv").write_text("\n".join(lines))
    for number in range(25):
        (tmp_path / f"video{number}.mp4").write_bytes(b"")
    items = read_format("rareact", str(tmp_path), "all", 0, Tally())
    assert len(items) == 160
    rows = {row["id"]: (number, row) for number, row in enumerate(csv.DictReader(lines))}
    # Columns of the official table are classes by number; ours are actions as they first come in the file.
    first = {(row["verb"], row["noun"]): int(row["class_id"]) for _, row in rows.values()}
    columns = list(first.values())
    found = mwap([predictions[rows[item.key][0]][columns] for item in items], items, [])
    assert found.score == pytest.approx(official["rareact"]["score"])
