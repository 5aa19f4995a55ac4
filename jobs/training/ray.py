"""`weft train --engine ray`: the same loop in each worker of Ray Train, which starts it again where a worker dies."""

import os
from typing import Any

import msgspec

from jobs.commands.train import quiet_libraries
from jobs.engine.engine import EngineSettings, start_ray
from model.training.checkpoints import steps_saved
from model.training.config import TrainConfig
from model.training.loop import Ended
from model.training.records import read_metrics
from schemas.drops import StepError
from schemas.settings import SettingsError, load_settings

_MAX_FAILURES = 3


def train_on_ray(config: TrainConfig, workers: int, address: str = "") -> Ended:
    """Train with so many workers, each with a GPU where the cluster has them and the settings do not forbid it.

    `config.output` and the data must be reachable under the same paths from every node. A worker that dies is replaced,
    and the run goes on after its last checkpoint. Raises `StepError` naming what stopped it, and
    `SettingsError` where the extra `train` is not installed.
    """
    import ray

    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchTrainer
    except ImportError as error:
        raise SettingsError(f"Ray Train: {error}; pip install -c constraints.txt -e '.[train]'") from None

    start_ray(ray, EngineSettings(address=address, workers=0))
    try:
        cluster: Any = ray
        has_gpus = cluster.cluster_resources().get("GPU", 0) >= workers
        trainer = TorchTrainer(
            train_on_worker,
            train_loop_config={"settings": msgspec.to_builtins(config, str_keys=True)},
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=has_gpus and config.parallel.device != "cpu"),
            run_config=RunConfig(
                name="ray",
                storage_path=os.path.abspath(config.output),
                failure_config=FailureConfig(max_failures=_MAX_FAILURES),
            ),
        )
        trainer.fit()
    except TrainingFailedError as error:
        raise StepError(f"Ray Train: {str(error).strip().splitlines()[-1]}") from error
    finally:
        ray.shutdown()
    return _how_it_ended(config)


def train_on_worker(given: dict[str, Any]) -> None:
    """What each worker does. Ray Train has made the process group."""
    quiet_libraries()
    import ray.train

    from jobs.training.run import run_training

    config = load_settings(TrainConfig, msgspec.json.encode(given["settings"]).decode())
    ended = run_training(config)
    ray.train.report(msgspec.to_builtins(ended))  # for Ray's own view of the run


def _how_it_ended(config: TrainConfig) -> Ended:
    """Read from the output: Ray keeps no metrics of a run without checkpoints of its own."""
    step = max(steps_saved(config.output), default=0)
    measured = [row for row in read_metrics(config.output) if any(name.startswith("held_out/") for name in row)]
    held_out = {name: value for name, value in measured[-1].items() if name != "step"} if measured else {}
    return Ended(step, step >= config.steps, "Ray Train", held_out)
