"""The engine on Ray: tasks and actors on this machine or a cluster."""

import importlib
import logging
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

if "ray" not in sys.modules:  # read once, on import; setting its default avoids a warning
    os.environ.setdefault("RAY_AUTH_MODE", "token")
import msgspec
import ray as typed_ray

from jobs.engine.attempts import Attempts
from jobs.engine.metrics import Metrics, RayMetrics
from jobs.engine.protocol import EngineSettings, Failure, R, W, Work, WorkerDied, problem_of, warn
from jobs.engine.ray_address import check_address
from jobs.engine.ray_heard import Heard, tell_by_name
from jobs.engine.ray_modules import RayModules
from jobs.engine.within import Watch, told_to
from schemas.settings import SettingsError

ray: Any = typed_ray  # half of it has types that are not its own

_JOB_OF_OTHERS = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by `ray job submit`
_PATIENCE_S = 60.0
_SEEN_S = 1.0
_WAIT_S = 2.0

logger = logging.getLogger(__name__)


@contextmanager
def open_ray(settings: EngineSettings, modules: Sequence[Path] = ()) -> Iterator["RayEngine"]:
    """Ray as it is in this process, or started or joined for the block; its workers can import `modules`.

    Raises `SettingsError` if they cannot, because every task would fail of it, again and again, and where Ray does not
    start or nobody answers at its address.
    """
    started = not ray.is_initialized()
    # Files travel with the job, if it is ours to make; `ray job submit` and notebooks have made theirs.
    with_job = started and _JOB_OF_OTHERS not in os.environ
    if modules and not with_job and ray.util.client.ray.is_connected():
        raise SettingsError("Ray's client is connected already: name the files in its runtime_env, as py_modules")
    if started:
        _start(settings, modules if with_job else ())
    try:
        engine = RayEngine(settings, () if with_job else modules)
        engine.check_imports([path.name.removesuffix(".py") for path in modules])
        try:
            yield engine
        finally:
            engine.close()
    finally:
        if started:
            ray.shutdown()


def _start(settings: EngineSettings, modules: Sequence[Path]) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the default warns of a coming change
    address = settings.address or os.environ.get("RAY_ADDRESS", "")
    options: dict[str, Any] = {"address": address or "local", "logging_level": logging.WARNING}
    if not address:
        options |= {"num_cpus": settings.workers or None, "object_store_memory": settings.object_store_bytes}
        options |= {"include_dashboard": False}
    if modules:
        options |= {"runtime_env": {"py_modules": [str(path) for path in modules]}}
    check_address(address)
    try:
        with _sigterm_stays():
            ray.init(**options)
    except Exception as error:  # of many kinds, all of them before any work
        reason = _first_line(error) or type(error).__name__
        where = f"at {address}" if address else "on this machine"
        raise SettingsError(f"Ray does not start {where}: {reason}; --engine inline needs none") from error


@contextmanager
def _sigterm_stays() -> Iterator[None]:
    """Ray takes the signal, and prints where its own code was when it came."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if callable(handler) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


class _Cluster(msgspec.Struct, frozen=True):
    """What a cluster has, as far as tasks depend on it."""

    cpus: int
    least_memory: int  # bytes, of the smallest node: a task that asks for more could wait for ever
    until: float  # when it should be asked for anew

    @classmethod
    def now(cls) -> "_Cluster":
        nodes = (node["Resources"] for node in ray.nodes() if node["Alive"])
        sizes = [int(has["memory"]) for has in nodes if has.get("CPU") and "memory" in has]
        return cls(_cpus(otherwise=1), min(sizes, default=1 << 62), time.monotonic() + _SEEN_S)


class RayEngine:
    """One Ray task a partition, a bounded number in flight, retried on any node."""

    def __init__(self, settings: EngineSettings, modules: Sequence[Path]) -> None:
        self._settings, self._modules = settings, RayModules(modules)
        self.metrics: Metrics = RayMetrics()
        self.has_lost_attempts = False
        self._seen: _Cluster | None = None
        self._heard = Heard()
        self._workers: list[weakref.ref[Any]] = []

    def close(self) -> None:
        """End what was started beside tasks. A worker holds its CPU while anything names it, were it a traceback."""
        for known in self._workers:
            # Whoever started Ray may have ended it: `ray.kill` would start another one.
            if (actor := known()) is not None and ray.is_initialized():
                ray.kill(actor)
        self._heard.close()

    def check_imports(self, names: Sequence[str]) -> None:
        if names:
            try:
                ray.get(ray.remote(num_cpus=1, **self._modules.options())(import_all).remote(names))
            except ray.exceptions.RayTaskError as error:
                problem = f"{type(error.cause).__name__}: {error.cause}"
                advice = "what they import must be named like them, or be installed on every node"
                raise SettingsError(f"{', '.join(names)} on Ray: {problem} ({advice})") from error

    def run(
        self,
        name: str,
        work: Work[R],
        partitions: Iterable[int],
        may_repeat: bool = False,
        watch: Watch | None = None,
    ) -> Iterator[R | Failure]:
        heard = self._heard.name if watch is not None else ""

        def partition_task(partition: int) -> R:
            with told_to(partial(tell_by_name, heard, partition)) if heard else nullcontext():
                return work(partition)

        # Retries are ours: Ray's would hide from us which partition kills its workers.
        options = {"num_cpus": 1, "max_retries": 0, "scheduling_strategy": "SPREAD", **self._modules.options()}
        task = ray.remote(**options)(partition_task)
        most, slow_factor = self._settings.max_attempts, self._settings.slow_factor if may_repeat else 0.0
        attempts: Attempts[Any] = Attempts(partitions, most, slow_factor)
        while attempts:
            self._begin(name, task, attempts)
            if watch is not None:
                self._heard.hand_on(watch)
            for reference in _first_done(attempts.flying):
                partition = attempts.ended(reference)
                if partition is None:  # another attempt was first
                    continue
                try:
                    result: R = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    problem = problem_of(name, partition, _plain(error))
                except ray.exceptions.RayError as error:  # the worker or its node died
                    problem = f"{type(error).__name__}: {_first_line(error)}"
                else:
                    for slower in attempts.won(reference):
                        ray.cancel(slower, force=True)  # what it has written is swept in the end
                    yield result
                    continue
                self.has_lost_attempts = True
                warn(name, partition, attempts.begun[partition], self._settings, problem)
                if attempts.failed(reference):
                    yield Failure(partition, problem)

    def _begin(self, name: str, task: Any, attempts: "Attempts[Any]") -> None:
        """As many attempts as there is room for: twice the CPUs keep them fed."""
        cluster = self._cluster()
        while (partition := attempts.next(max(2, 2 * cluster.cpus))) is not None:
            if attempts.is_flying(partition):
                self.has_lost_attempts = True
                logger.warning("%s, partition %d is slow: a second attempt begins beside the first", name, partition)
            self._modules.keep()
            memory = min(self._settings.task_memory_bytes, cluster.least_memory)
            attempts.begin(partition, task.options(name=f"{name} {partition:06d}", memory=memory).remote(partition))

    def _cluster(self) -> "_Cluster":
        """Asked for every second, because a cluster grows and shrinks."""
        if self._seen is None or time.monotonic() > self._seen.until:
            self._seen = _Cluster.now()
        return self._seen

    @contextmanager
    def pool(
        self, kind: Callable[..., W], arguments: tuple[Any, ...], size: int, gpus: float = 0.0
    ) -> Iterator[tuple[W, ...]]:
        # As many actors as CPUs would leave none for the tasks that call them, and wait for these for ever.
        cpus = 0 if 0 < _cpus(otherwise=0) <= size else 1
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": -1, "max_task_retries": 3}
        remote = ray.remote(**options, **self._modules.options())(PoolActor)
        actors = [remote.remote(kind, arguments) for _ in range(max(1, size))]
        try:
            _wait_until_ready(actors)
            yield tuple(cast(W, _PoolMember(actor)) for actor in actors)
        finally:
            for actor in actors:
                ray.kill(actor)

    def start_worker(self, kind: type[W], arguments: tuple[Any, ...], of: int) -> W:
        """On any node. More workers than CPUs share these."""
        share = int(100 * min(1.0, _cpus(otherwise=1) / max(1, of))) / 100  # rounded up, the last would wait for ever
        options = {"num_cpus": share, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        remote = ray.remote(**options, **self._modules.options())(kind)
        actor = remote.remote(*arguments)
        self._workers = [known for known in self._workers if known() is not None] + [weakref.ref(actor)]
        return cast(W, _Worker(actor))


def import_all(names: Sequence[str]) -> None:
    """A task."""
    for name in names:
        importlib.import_module(name)


class PoolActor:
    """Makes its object when it is first asked: what an actor's constructor raises, Ray tells in words only."""

    def __init__(self, kind: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._make, self._object = partial(kind, *arguments), None

    def get_ready(self) -> None:
        if self._object is None:
            self._object = self._make()

    def call(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self.get_ready()  # an actor that was started again has not been asked
        return getattr(self._object, name)(*arguments, **named)


class _PoolMember:
    """An actor of a pool, called like the object in it. Pickles."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # asked for by pickle, when there is no actor yet
            raise AttributeError(name)
        return lambda *arguments, **named: _answer(self._actor.call.remote(name, arguments, named))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return _answer(self._actor.call.remote("__call__", arguments, named))


class _Worker:
    """An actor, called like the worker in it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._actor, name)

        async def call(*arguments: Any) -> Any:
            try:
                return await method.remote(*arguments)
            except ray.exceptions.RayError as error:
                raise _plain(error) from error

        return call


def _first_done(references: Sequence[Any]) -> list[Any]:
    """Those that have ended when the first of them has; none after a while, since a cluster may have grown."""
    done, _ = ray.wait(references, num_returns=1, timeout=_WAIT_S)
    if done:
        done, _ = ray.wait(references, num_returns=len(references), timeout=0)
    return cast(list[Any], done)


def _wait_until_ready(actors: Sequence[Any]) -> None:
    starting = [actor.get_ready.remote() for actor in actors]
    while starting:
        done, starting = ray.wait(starting, num_returns=1, timeout=_PATIENCE_S)
        if not done:
            logger.warning(
                "%d of %d actors are not ready: are there CPUs and GPUs for them?", len(starting), len(actors)
            )
        for reference in done:
            _answer(reference)


def _answer(reference: Any) -> Any:
    """Of an actor. Raises what it raised, and `WorkerDied`."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        raise _plain(error) from error


def _plain(error: Any) -> BaseException:
    """What is behind an error of Ray: what was raised on the other side, or that there is no other side."""
    if isinstance(error, ray.exceptions.RayTaskError) and error.cause is not None:
        return cast(BaseException, error.cause)
    if isinstance(error, ray.exceptions.RayActorError):
        return WorkerDied(_first_line(error))
    return cast(BaseException, error)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _cpus(otherwise: int) -> int:
    """Of the whole cluster, `otherwise` where it has none yet."""
    return int(ray.cluster_resources().get("CPU", otherwise))
