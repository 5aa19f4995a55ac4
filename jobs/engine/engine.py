"""Runs a function over partitions: in this process, or on Ray. The one place that knows an engine.

The function commits its own outcome (see `schemas.commits`), so an engine only has to call it until it succeeds or has
failed too often; nothing is lost or doubled when it is called twice.
"""

import logging
import math
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from schemas.drops import CODE_ERRORS, StepError
from schemas.settings import Settings

R = TypeVar("R")
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
    task_memory_bytes: int = 1 << 30
    """What Ray sets aside for a task when it decides how many fit on a node; less where a node has less."""
    object_store_bytes: int = 256 << 20
    """Of a Ray started here. Only small records pass through it."""


class Failure(msgspec.Struct, frozen=True):
    """A partition that failed in every attempt."""

    partition: int
    error: str


class Engine(Protocol):
    """Runs work over partitions."""

    def run(self, name: str, work: "Work[R]", partitions: Iterable[int]) -> "Iterator[R | Failure]":
        """Results of `work` as they come, in any order; `name` is what dashboards show. `work` must pickle.

        Raises `StepError` at once when our own code is wrong: trying again would not help.
        """


@contextmanager
def open_engine(settings: EngineSettings, modules: Sequence[Path] = ()) -> Iterator[Engine]:
    """The engine that the settings name, ready; ended with the block if it was started here."""
    match settings.engine:
        case "inline":
            yield InlineEngine(settings)
        case "ray":
            if (
                "ray" not in sys.modules
            ):  # Ray reads it once, on import; setting its default explicitly avoids a warning
                os.environ.setdefault("RAY_AUTH_MODE", "token")
            import ray

            started = not ray.is_initialized()
            if started:
                start_ray(ray, settings)
            try:
                yield RayEngine(ray, settings)
            finally:
                if started:
                    ray.shutdown()


class InlineEngine:
    """One partition after the other, in this process: for debugging, and for small inputs."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    def run(self, name: str, work: Work[R], partitions: Iterable[int]) -> Iterator[R | Failure]:
        for partition in partitions:
            yield self._try(name, work, partition)

    def _try(self, name: str, work: Work[R], partition: int) -> R | Failure:
        for attempt in range(1, self._settings.max_attempts + 1):
            try:
                return work(partition)
            except Exception as error:  # judged by _problem, which raises what is our own fault
                problem = _problem(name, partition, error)
                _warn(name, partition, attempt, self._settings, problem)
        return Failure(partition, problem)


class RayEngine:
    """One Ray task a partition, a bounded number in flight, retried on any node."""

    def __init__(self, ray: Any, settings: EngineSettings) -> None:
        self.ray, self._settings = ray, settings

    def run(self, name: str, work: Work[R], partitions: Iterable[int]) -> Iterator[R | Failure]:
        def partition_task(partition: int) -> R:
            return work(partition)

        # Retries are ours: Ray's would hide from us which partition kills its workers.
        task = self.ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(partition_task)
        waiting = deque(partitions)
        attempts: Counter[int] = Counter()
        flying: dict[Any, int] = {}
        while waiting or flying:
            while waiting and len(flying) < self._max_in_flight():
                partition = waiting.popleft()
                attempts[partition] += 1
                options = {"name": f"{name} {partition:06d}", "memory": self._task_memory()}
                flying[task.options(**options).remote(partition)] = partition
            done, _ = self.ray.wait(list(flying), num_returns=1, timeout=10)
            for reference in done:
                partition = flying.pop(reference)
                try:
                    result = self.ray.get(reference)
                except self.ray.exceptions.RayTaskError as error:
                    problem = _problem(name, partition, error.cause)
                except self.ray.exceptions.RayError as error:  # the worker or its node died
                    problem = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                else:
                    yield result
                    continue
                _warn(name, partition, attempts[partition], self._settings, problem)
                if attempts[partition] < self._settings.max_attempts:
                    waiting.append(partition)
                else:
                    yield Failure(partition, problem)

    def _task_memory(self) -> int:
        """Never more than the smallest node has: such a task would wait for ever."""
        nodes = (node["Resources"] for node in self.ray.nodes() if node["Alive"])
        sizes = [int(has["memory"]) for has in nodes if has.get("CPU") and "memory" in has]
        return min([self._settings.task_memory_bytes, *sizes])

    def start_actor(self, factory: type[Any], arguments: tuple[Any, ...], of: int) -> Any:
        """One of `of` actors that are to run at a time, on any node: more of them than CPUs share these."""
        cpus = float(self.ray.cluster_resources().get("CPU", 1))
        share = math.floor(min(1.0, cpus / max(1, of)) * 100) / 100  # rounded up, the last would wait for ever
        remote = self.ray.remote(num_cpus=share, max_restarts=0, scheduling_strategy="SPREAD")(factory)
        return remote.remote(*arguments)

    @property
    def actor_died(self) -> type[Exception]:
        """What a call to an actor raises when its process or node is gone."""
        died: type[Exception] = self.ray.exceptions.RayActorError
        return died

    def _max_in_flight(self) -> int:
        """Twice the CPUs keeps them fed; asked each time, because a cluster grows and shrinks."""
        return max(2, 2 * int(self.ray.cluster_resources().get("CPU", 1)))


def start_ray(ray: Any, settings: EngineSettings) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the default warns of a coming change
    address = settings.address or os.environ.get("RAY_ADDRESS", "")
    if address:
        ray.init(address=address, logging_level=logging.WARNING)
    else:
        ray.init(
            address="local",
            num_cpus=settings.workers or None,
            object_store_memory=settings.object_store_bytes,
            include_dashboard=False,
            logging_level=logging.WARNING,
        )


def _problem(name: str, partition: int, error: BaseException) -> str:
    """What to say of a failed attempt. Raises `StepError` if trying again would not help."""
    if isinstance(error, StepError):
        raise error
    if isinstance(error, CODE_ERRORS):
        raise StepError(f"{name}, partition {partition}: {type(error).__name__}: {error}") from error
    return f"{type(error).__name__}: {error}"


def _warn(name: str, partition: int, attempt: int, settings: EngineSettings, problem: str) -> None:
    logger.warning("%s, partition %d, attempt %d of %d: %s", name, partition, attempt, settings.max_attempts, problem)
