"""One partition after the other, in this process: for debugging, and for small inputs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from jobs.engine.metrics import Metrics
from jobs.engine.protocol import EngineSettings, Failure, R, W, Work, problem_of, warn
from jobs.engine.within import Watch, told_to


class InlineEngine:
    """What is behind `Engine` without Ray."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings, self.metrics, self.has_lost_attempts = settings, Metrics(), False

    def run(
        self,
        name: str,
        work: Work[R],
        partitions: Iterable[int],
        may_repeat: bool = False,
        watch: Watch | None = None,
    ) -> Iterator[R | Failure]:
        for partition in partitions:
            with told_to(partial(watch, partition)) if watch else nullcontext():
                outcome = self._try(name, work, partition)
            yield outcome

    def _try(self, name: str, work: Work[R], partition: int) -> R | Failure:
        for attempt in range(1, self._settings.max_attempts + 1):
            try:
                return work(partition)
            except Exception as error:  # judged by problem_of, which raises what is our own fault
                self.has_lost_attempts = True
                problem = problem_of(name, partition, error)
                warn(name, partition, attempt, self._settings, problem)
        return Failure(partition, problem)

    @contextmanager
    def pool(
        self, kind: Callable[..., W], arguments: tuple[Any, ...], size: int, gpus: float = 0.0
    ) -> Iterator[tuple[W, ...]]:
        """One object, whatever `size` says: calls come one after the other anyhow."""
        yield (kind(*arguments),)

    def start_worker(self, kind: type[W], arguments: tuple[Any, ...], of: int) -> W:
        return kind(*arguments)
