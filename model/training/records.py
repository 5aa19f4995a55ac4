"""What a run writes about itself: JSON lines always, TensorBoard and Weights & Biases if they are wanted and there."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.training.config import LogSettings

METRICS = "metrics.jsonl"
GUARD = "guard.jsonl"


class Records:
    """Writers of one process; the others have none. `resumed_at` cuts off what a killed run wrote after its checkpoint.

    Raises `OSError` at the start; later a full disk is reported once by `warn`, and training goes on.
    """

    def __init__(self, output: str, settings: LogSettings, resumed_at: int, run_config: Mapping[str, Any]) -> None:
        self._folder = Path(output)
        self._folder.mkdir(parents=True, exist_ok=True)
        _cut(self._folder / METRICS, resumed_at)
        self._file = (self._folder / METRICS).open("a", encoding="utf-8")
        self._board = _tensorboard(self._folder, resumed_at) if settings.tensorboard else None
        self._wandb = _wandb(self._folder, settings.wandb_project, run_config) if settings.wandb_project else None
        self.notes = [
            f"{name} is not installed: its log is left out"
            for name, wanted, made in (
                ("tensorboard", settings.tensorboard, self._board),
                ("wandb", settings.wandb_project, self._wandb),
            )
            if wanted and made is None
        ]

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One line. Numbers that are not finite become null: JSON has none."""
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)

    def guard(self, step: int, reason: str, keys: Mapping[str, list[str]]) -> None:
        """What was wrong with a step, and the keys of its samples by dataset."""
        with (self._folder / GUARD).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "reason": reason, "samples": keys}) + "\n")

    def close(self) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def read_metrics(output: str) -> list[dict[str, Any]]:
    """The lines of a run. Raises `FileNotFoundError`."""
    return [json.loads(line) for line in (Path(output) / METRICS).read_text("utf-8").splitlines()]


def _cut(path: Path, resumed_at: int) -> None:
    """Leave the lines up to a step: those after it will be written again. A half line of a kill goes too."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= resumed_at:
                kept.append(line + "\n")
        except ValueError:
            break
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text("".join(kept), "utf-8")
    os.replace(aside, path)


def _tensorboard(folder: Path, resumed_at: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at + 1 if resumed_at else None)


def _wandb(folder: Path, project: str, config: Mapping[str, Any]) -> Any:
    try:
        import wandb
    except ImportError:
        return None
    return wandb.init(project=project, dir=str(folder), config=dict(config), id=folder.name, resume="allow")
