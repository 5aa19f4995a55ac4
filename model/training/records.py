"""What a run writes about itself: JSON lines always, TensorBoard and Weights & Biases if they are wanted and there."""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.training.checkpoint_files import folder_store
from model.training.config import MEASURED, LogSettings

METRICS = "metrics.jsonl"
GUARD = "guard.jsonl"


class Records:
    """Writers of one process; the others have none. `resumed_at` cuts off what a killed run wrote after its checkpoint,
    -1 what it wrote before its first.

    Where `output` is a URL all is written to a local folder, and JSON lines are copied by `publish`. Raises `OSError`
    at the start; later a full disk is reported once by `warn`, and training goes on.
    """

    def __init__(self, output: str, settings: LogSettings, resumed_at: int, run_config: Mapping[str, Any]) -> None:
        self._store = folder_store(output)
        self._folder = log_folder(output, settings)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._fetch()
        for name in (METRICS, GUARD):
            _cut(self._folder / name, resumed_at)
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

    def measured_at(self, step: int) -> dict[str, float]:
        """What was measured at a step, as far as all of it is a number."""
        for line in reversed((self._folder / METRICS).read_text("utf-8").splitlines()):
            values = json.loads(line)
            if values.pop("step") == step and all(name.startswith(tuple(MEASURED)) for name in values):
                return {} if None in values.values() else values
        return {}

    def publish(self) -> None:
        """Copy to the output what it has not, if it is no local folder. Raises `OSError`."""
        if not self._store.is_local:
            for name in (METRICS, GUARD):
                if (self._folder / name).exists():
                    self._store.put(name, (self._folder / name).read_bytes())

    def _fetch(self) -> None:
        """The lines of a run that goes on: on another machine, or behind other lines here, perhaps."""
        if not self._store.is_local:
            for name in (METRICS, GUARD):
                (self._folder / name).unlink(missing_ok=True)
                if self._store.exists(name):
                    (self._folder / name).write_bytes(self._store.read(name))

    def close(self) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def read_metrics(output: str) -> list[dict[str, Any]]:
    """The lines of a run. Raises `FileNotFoundError`."""
    return [json.loads(line) for line in folder_store(output).read(METRICS).decode().splitlines()]


def log_folder(output: str, settings: LogSettings) -> Path:
    """The local folder that a run logs to."""
    store = folder_store(output)
    if store.is_local:
        return Path(store.root)
    name = f"{output.rstrip('/').rpartition('/')[2]}-{hashlib.sha256(output.encode()).hexdigest()[:8]}"
    return Path(settings.folder or tempfile.gettempdir()) / (name if not settings.folder else "")


def _cut(path: Path, resumed_at: int) -> None:
    """Leave the lines up to a step: those after it will be written again. A half line of a kill goes too."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= resumed_at:
                kept.append(line + "\n")
        except (ValueError, TypeError, KeyError):  # what a power cut left, too
            break
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text("".join(kept), "utf-8")
    os.replace(aside, path)


def _tensorboard(folder: Path, resumed_at: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at + 1)


def _wandb(folder: Path, project: str, config: Mapping[str, Any]) -> Any:
    try:
        import wandb
    except ImportError:
        return None
    return wandb.init(project=project, dir=str(folder), config=dict(config), id=folder.name, resume="allow")
