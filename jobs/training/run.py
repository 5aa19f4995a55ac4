"""`weft train`: missing generated data and the small language model are made, then the loop runs.

By itself, under `torchrun`, and in each worker of Ray Train (`jobs/training/ray.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from jobs.engine.held import held
from jobs.training.progress import TrainProgress
from jobs.training.shapes import make_shapes
from jobs.training.workers import workers_of
from model.training.checkpoint_files import folder_store
from model.training.config import TrainConfig
from model.training.dry_run import dry_run as dry_run_lines
from model.training.loop import Ended, train
from model.training.parallel import Processes, join
from model.training.signals import Stop
from model.training.text_model import make_text_model
from schemas.drops import StepError
from schemas.settings import SettingsError


def run_training(config: TrainConfig, show: bool = True, stop: Stop | None = None) -> Ended:
    """Train, or go on; meanwhile the output is held. `stop` and what is raised as of `model.training.loop.train`."""
    with (
        join(config.parallel) as processes,
        TrainProgress(config.steps, show and processes.is_first) as progress,
        ExitStack() as to_the_end,
    ):

        def begin() -> None:
            to_the_end.enter_context(held(folder_store(config.output), "training"))
            _make(config, progress)

        first_alone(begin, processes)
        workers = workers_of(config.data, processes.device.type)
        return train(config, progress.on_metrics, progress.on_message, workers, stop)


def dry_run(config: TrainConfig) -> Iterator[str]:
    """What a run would be, as lines; missing generated data and the small language model are made first."""
    with join(config.parallel) as processes, TrainProgress(config.steps, processes.is_first) as progress:
        first_alone(lambda: _make(config, progress), processes)
        yield from dry_run_lines(config, processes, workers_of(config.data, processes.device.type))


def first_alone(work: Callable[[], None], processes: Processes) -> None:
    """Done by the first process, while the others wait; what stops it stops them."""
    failure: BaseException | None = None
    if processes.is_first:
        try:
            work()
        except Exception as error:
            failure = error
    told = None if failure is None else (str(failure), isinstance(failure, SettingsError))
    told = processes.gather(told)[0]
    if failure is not None:
        raise failure
    if told is not None:
        text, is_refused = told
        raise (SettingsError if is_refused else StepError)(f"the first process stopped: {text}")


def _make(config: TrainConfig, progress: TrainProgress) -> None:
    if config.shapes is not None and make_shapes(config.shapes):
        progress.on_message(f"made a dataset of shapes in {config.shapes.folder}")
    if config.text_model is not None:
        with progress.phase("text model", config.text_model.steps) as on_loss:
            made = make_text_model(config.text_model, config.data.datasets, on_loss)
        if made:
            progress.on_message(
                f"made a small language model in {config.text_model.folder}; it has seen texts, no pictures"
            )
