"""A function run in several workers at once by Ray Train, which has them join one process group of torch."""

from collections.abc import Callable
from typing import Any

from jobs.engine.on_ray import open_ray, ray
from jobs.engine.protocol import EngineSettings
from schemas.drops import StepError
from schemas.settings import SettingsError

_MAX_FAILURES = 3


def run_in_workers(
    work: Callable[[dict[str, Any]], dict[str, Any]],
    given: dict[str, Any],
    workers: int,
    folder: str,
    address: str = "",
    may_use_gpus: bool = True,
) -> None:
    """`work(given)` in so many workers, each with a GPU if the cluster has as many; what it returns is for Ray's view.

    Where a worker dies, all begin again, some times over: `work` must go on from what it left. Ray's own records go
    into `folder`, a path that every node has. Raises `StepError` naming what stopped it, and `SettingsError` where the
    extra `train` is not installed.
    """
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, report
        from ray.train.torch import TorchTrainer
    except ImportError as error:
        raise SettingsError(f"Ray Train: {error}; pip install -c constraints.txt -e '.[train]'") from None

    def work_and_report(given: dict[str, Any]) -> None:
        report(work(given))

    failures = FailureConfig(max_failures=_MAX_FAILURES)
    with open_ray(EngineSettings(address=address)):
        use_gpu = may_use_gpus and ray.cluster_resources().get("GPU", 0) >= workers
        trainer = TorchTrainer(
            work_and_report,
            train_loop_config=given,
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
            run_config=RunConfig(name="ray", storage_path=folder, failure_config=failures),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise StepError(f"Ray Train: {str(error).strip().splitlines()[-1]}") from error
