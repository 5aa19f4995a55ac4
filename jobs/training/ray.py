"""`weft train --engine ray`: the same loop in each worker of Ray Train, which starts it again where a worker dies."""

from typing import Any

import msgspec

from jobs.engine.ray_train import run_in_workers
from jobs.training.libraries import quiet_libraries
from model.training.checkpoints import CheckpointError, steps_saved
from model.training.config import MEASURED, TrainConfig
from model.training.dropped import dropped_of
from model.training.guard import TrainingError
from model.training.loop import Ended
from model.training.records import log_folder, read_metrics
from model.training.signals import Stop, stop_by_signal
from schemas.settings import SettingsError, load_settings


def train_on_ray(config: TrainConfig, workers: int, address: str = "") -> Ended:
    """Train with so many workers, each with a GPU where the cluster has them and the settings do not forbid it.

    `config.output` and the data must be reachable under the same paths from every node. A worker that dies is replaced,
    and the run goes on after its last checkpoint; signals to this process end it as they end one without Ray. Raises
    `SettingsError`, `TrainingError`, `CheckpointError`, and `StepError` naming what else stopped it.
    """
    if workers < 1:
        raise SettingsError(f"--workers is {workers}: at least 1")
    given = {"settings": msgspec.to_builtins(config, str_keys=True)}
    # Ray's own records lie where the run logs, if the output is a URL.
    folder, may_use_gpus = str(log_folder(config.output, config.log).absolute()), config.parallel.device != "cpu"
    with stop_by_signal() as stop:
        final = (SettingsError, TrainingError, CheckpointError)
        run_in_workers(train_on_worker, given, workers, folder, stop, final, address, may_use_gpus)
        return _how_it_ended(config, stop.by)


def train_on_worker(given: dict[str, Any], stop: Stop) -> dict[str, Any]:
    """What each worker does. Ray Train has made the process group."""
    quiet_libraries()
    from jobs.training.run import run_training

    config = load_settings(TrainConfig, msgspec.json.encode(given["settings"]).decode())
    ended: dict[str, Any] = msgspec.to_builtins(run_training(config, stop=stop))
    return ended


def _how_it_ended(config: TrainConfig, asked_by: str) -> Ended:
    """Read from the output: Ray keeps no metrics of a run without checkpoints of its own."""
    step = max(steps_saved(config.output), default=0)
    rows = read_metrics(config.output)
    measured = [row for row in rows if any(name.startswith(tuple(MEASURED)) for name in row)]
    last = {name: value for name, value in measured[-1].items() if name != "step"} if measured else {}
    counted = [row for row in rows if "grad_norm" in row][-1:]
    return Ended(step, step >= config.steps, asked_by or "Ray Train", last, dropped_of(counted[0] if counted else {}))
