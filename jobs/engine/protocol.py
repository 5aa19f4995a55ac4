"""What an engine does for a job, whichever it is, and what becomes of an attempt that fails."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from jobs.engine.metrics import Metrics
from jobs.engine.within import Watch
from schemas.drops import CODE_ERRORS, StepError
from schemas.settings import Settings

R = TypeVar("R")
W = TypeVar("W")
Work = Callable[[int], R]

logger = logging.getLogger(__name__)


class EngineSettings(Settings, frozen=True):
    """Where and how wide a job runs; without influence on its outcome."""

    engine: Literal["ray", "inline"] = "ray"
    address: str = ""
    """Of a Ray cluster, such as `auto` or `ray://head:10001`; "" uses RAY_ADDRESS, or starts Ray on this machine."""
    workers: int = 0
    """Partitions at a time on a Ray started here; 0: one for each CPU."""
    max_attempts: int = 3
    """How often a partition is tried when its worker dies or its storage fails."""
    slow_factor: float = 4.0
    """A partition that takes so many times as long as most, and over a minute, is tried again beside itself on Ray,
    once CPUs are free; the first to end counts. 0: never."""
    task_memory_bytes: int = 1 << 30
    """What Ray sets aside for a task when it decides how many fit on a node; less where a node has less."""
    object_store_bytes: int = 256 << 20
    """Of a Ray started here. Only small records pass through it."""


class Failure(msgspec.Struct, frozen=True):
    """A partition that failed in every attempt."""

    partition: int
    error: str


class WorkerDied(Exception):
    """The process of a worker or of an actor, or its node, is gone. Never raised by what runs in this process."""


class Engine(Protocol):
    """Runs work over partitions, and holds what lives longer than a partition."""

    metrics: Metrics
    has_lost_attempts: bool  # whether any failed, was cancelled or died: it may have left files

    def run(
        self,
        name: str,
        work: "Work[R]",
        partitions: Iterable[int],
        may_repeat: bool = False,
        watch: Watch | None = None,
    ) -> "Iterator[R | Failure]":
        """Results of `work` as they come, in any order; `name` is what dashboards show. `work` must pickle.

        What `work` tells of how far it is (`jobs.engine.within`) is handed to `watch` while results are waited for.

        Where it `may_repeat`, a partition that takes much longer than others may be tried a second time beside the
        first; whichever ends first counts.

        Raises `StepError` at once when our own code is wrong: trying again would not help.
        """

    def pool(
        self, kind: Callable[..., W], arguments: tuple[Any, ...], size: int, gpus: float = 0.0
    ) -> AbstractContextManager[tuple[W, ...]]:
        """Objects that hold something heavy, such as a model, for work in batches.

        Each is `kind(*arguments)`, in an actor of its own with `gpus` GPUs, or the only one in this process. The tuple
        travels with the work, whose task takes `members[partition % len(members)]` and calls its methods; calls of all
        tasks come one after the other. An actor that dies is made again.

        Raises what `kind` raises, before the block begins. A call raises what the method raises, and `WorkerDied`.
        """

    def start_worker(self, kind: type[W], arguments: tuple[Any, ...], of: int) -> W:
        """One of `of` workers that live side by side: `kind(*arguments)`, here or in an actor.

        All methods of `kind` must be coroutines; whoever calls one gets what it returns or raises, and `WorkerDied`.
        """


def problem_of(name: str, partition: int, error: BaseException) -> str:
    """What to say of a failed attempt. Raises `StepError` if trying again would not help."""
    if isinstance(error, StepError):
        raise error
    if isinstance(error, CODE_ERRORS):
        raise StepError(f"{name}, partition {partition}: {type(error).__name__}: {error}") from error
    return f"{type(error).__name__}: {error}"


def warn(name: str, partition: int, attempt: int, settings: EngineSettings, problem: str) -> None:
    logger.warning("%s, partition %d, attempt %d of %d: %s", name, partition, attempt, settings.max_attempts, problem)
