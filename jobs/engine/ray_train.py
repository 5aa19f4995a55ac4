"""A function run in several workers at once by Ray Train, which has them join one process group of torch."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jobs.engine.on_ray import open_ray, ray
from jobs.engine.protocol import EngineSettings
from model.training.signals import Stop
from schemas.drops import StepError
from schemas.settings import SettingsError

_MAX_FAILURES = 3
_ASK_EVERY_S = 0.5
#: Since the first worker last asked: longer than one holds the interpreter without a break.
_LISTENING_S = 20.0
#: How long a worker with an error that would come again waits for the driver to end it.
_ENDED_WITHIN_S = 20.0


class Line:
    """The actor by which the driver and the workers of one run hear of one another."""

    def __init__(self) -> None:
        self._stop, self._asked_at = "", -_LISTENING_S
        self._errors: dict[int, Exception] = {}

    def stop(self, by: str) -> bool:
        """Have the workers stop after their step; whether there are any: the first asks."""
        self._stop = by
        return time.monotonic() - self._asked_at < _LISTENING_S

    def stopped_by(self) -> str:
        self._asked_at = time.monotonic()
        return self._stop

    def tell(self, rank: int, error: Exception) -> None:
        self._errors[rank] = error

    def told(self) -> Exception | None:
        """Of the first process: those of others may only say that it stopped."""
        return self._errors[min(self._errors)] if self._errors else None


def run_in_workers(
    work: Callable[[dict[str, Any], Stop], dict[str, Any]],
    given: dict[str, Any],
    workers: int,
    folder: str,
    stop: Stop,
    final: tuple[type[Exception], ...],
    address: str = "",
    may_use_gpus: bool = True,
) -> None:
    """`work(given, stop)` in so many workers, each with a GPU if the cluster has any; what it returns is for Ray.

    Where a worker dies, all begin again, some times over: `work` must go on from what it left. The working folder is
    the driver's where a node has it. Ray's own records go into `folder`, a path that every node has. A `stop` here is
    handed to that of the first worker, whose `work` has to tell the others. Raises the `final` errors of `work`, which
    would come again, `StepError` naming what else stopped it, `KeyboardInterrupt` where nobody is there yet to hear of
    a stop, and `SettingsError` where there are fewer GPUs, or on this machine CPUs, than workers, or the extra `train`
    is not installed.
    """
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context, report
        from ray.train.torch import TorchTrainer
    except ImportError as error:
        raise SettingsError(f"Ray Train: {error}; pip install -c constraints.txt -e '.[train]'") from None
    is_of_others = bool(ray.is_initialized() or address or os.environ.get("RAY_ADDRESS"))
    where = os.getcwd()
    os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")  # it has each line printed twice
    if not is_of_others:  # what runs on this machine alone is not taken away in parts
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")

    def work_and_report(given: dict[str, Any]) -> None:
        if ray.get(line.told.remote()) is not None:
            return  # Ray began again what is at its end
        if os.path.isdir(where):
            os.chdir(where)
        rank = get_context().get_world_rank()
        with _handed_on(line, rank) as stop:
            try:
                report(work(given, stop))
            except final as error:
                ray.get(line.tell.remote(rank, error))
                time.sleep(_ENDED_WITHIN_S)  # so that Ray prints no trace of what is no failure of a worker
                raise

    class Trainer(TorchTrainer):
        """On this machine alone, without the actor that cleans up where the driver was killed: all else ends then, too,
        and it asks a dashboard that is not there, and prints a trace."""

        def _create_default_callbacks(self) -> list[Any]:
            callbacks: list[Any] = super()._create_default_callbacks()  # type: ignore[misc, unused-ignore]
            return [one for one in callbacks if is_of_others or type(one).__name__ != "PlacementGroupCleanerCallback"]

    failures = FailureConfig(max_failures=_MAX_FAILURES)
    with open_ray(EngineSettings(address=address)):
        use_gpu = _have_gpus(workers, may_use_gpus, is_of_others)
        line = ray.remote(num_cpus=0)(Line).options(label_selector=_here()).remote()
        trainer = Trainer(
            work_and_report,
            train_loop_config=given,
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
            run_config=RunConfig(name="ray", storage_path=folder, failure_config=failures),
        )
        _watch(trainer.fit, line, stop)


def _have_gpus(workers: int, may_use_gpus: bool, is_of_others: bool) -> bool:
    """Workers that find no room would wait for ever, and without GPUs train for as long."""
    has = ray.cluster_resources()
    gpus, cpus = int(has.get("GPU", 0)), int(has.get("CPU", 0))
    if may_use_gpus and 0 < gpus < workers:
        raise SettingsError(
            f"{workers} workers want a GPU each, and there are {gpus}; --set parallel.device=cpu trains without"
        )
    if not is_of_others and workers > cpus:
        raise SettingsError(f"{workers} workers want a CPU each, and this machine has {cpus}")
    return may_use_gpus and gpus > 0


def _here() -> dict[str, str]:
    """The node of the driver: while it lasts, so does the line."""
    return {"ray.io/node-id": ray.get_runtime_context().get_node_id()}


def _watch(fit: Callable[[], object], line: Any, stop: Stop) -> None:
    """`fit` in a thread: in the main one it would take SIGINT for itself, and end the workers amid a step."""
    from ray.train import TrainingFailedError

    failed: list[BaseException] = []

    def fit_and_tell() -> None:
        try:
            fit()
        except BaseException as error:  # told by the main thread
            failed.append(error)

    thread = threading.Thread(target=fit_and_tell, daemon=True)
    thread.start()
    is_told = False
    while thread.is_alive():
        thread.join(_ASK_EVERY_S)
        if ray.get(line.told.remote()) is not None:
            time.sleep(_ASK_EVERY_S)  # the first process may be about to tell more
            break
        if stop.by and not is_told:
            is_told = True
            if not ray.get(line.stop.remote(stop.by)):
                raise KeyboardInterrupt
    if (error := ray.get(line.told.remote())) is not None:
        raise error
    if failed and isinstance(failed[0], TrainingFailedError):
        raise StepError(f"Ray Train: {str(failed[0]).strip().splitlines()[-1]}") from failed[0]
    if failed:
        raise failed[0]


@contextmanager
def _handed_on(line: Any, rank: int) -> Iterator[Stop]:
    """In a worker: a `Stop` that is asked when the driver's is. The first tells the others: a thousand of them would
    ask the actor two thousand times a second."""
    stop, is_over = Stop(), threading.Event()
    if rank:
        yield stop
        return

    def ask() -> None:
        while not is_over.wait(_ASK_EVERY_S):
            try:
                stop.by = ray.get(line.stopped_by.remote())
            except (ValueError, ray.exceptions.RayError):  # the driver is gone, and so soon is this
                return

    threading.Thread(target=ask, daemon=True).start()
    try:
        yield stop
    finally:
        is_over.set()
