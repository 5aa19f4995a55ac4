import json
from pathlib import Path

import pytest

from model.training.config import LogSettings
from model.training.records import Records, read_metrics


def test_lines_are_json_and_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    records = Records(str(tmp_path), LogSettings(tensorboard=False), 0, {})
    records.write(1, {"loss/pages": 1.5, "grad_norm": float("nan")})
    records.close()
    assert read_metrics(str(tmp_path)) == [{"step": 1, "loss/pages": 1.5, "grad_norm": None}]


def test_a_run_that_goes_on_cuts_what_it_will_write_again(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    (tmp_path / "guard.jsonl").write_text('{"step": 2, "reason": "a"}\n{"step": 3, "reason": "b"}\n')
    Records(str(tmp_path), LogSettings(tensorboard=False), 2, {}).close()
    assert [row["step"] for row in read_metrics(str(tmp_path))] == [1, 2]
    assert (tmp_path / "guard.jsonl").read_text() == '{"step": 2, "reason": "a"}\n'


@pytest.mark.parametrize("left", [b"\0\0\xff", b"null\n", b'{"a": 1}\n'])
def test_what_a_power_cut_left_at_the_end_goes(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + left)
    Records(str(tmp_path), LogSettings(tensorboard=False), 2, {}).close()
    assert read_metrics(str(tmp_path)) == [{"step": 1}]


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    records = Records(str(tmp_path), LogSettings(), 0, {})
    records.write(3, {"loss/pages": 1.5})
    records.close()
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/pages")] == [(3, 1.5)]


def test_packages_that_are_missing_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    records = Records(str(tmp_path), LogSettings(tensorboard=False, wandb_project="mine"), 0, {"seed": 1})
    records.guard(4, "the gradient's norm is nan", {"pages": ["000001"]})
    records.close()
    assert records.notes == ["wandb is not installed: its log is left out"]
    row = json.loads((tmp_path / "guard.jsonl").read_text())
    assert row == {"step": 4, "reason": "the gradient's norm is nan", "samples": {"pages": ["000001"]}}
