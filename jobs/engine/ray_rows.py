"""Rows for training made by actors of Ray, on CPUs of any node: what threads and processes are on one machine.

Each actor makes what one worker makes, in the same turns. It is asked for some rows at a time, and for no more than it
may be ahead; rows lie in Ray's object store until they are in a batch. The trainer knows how far the lanes of each
actor were when it heard of them last: where an actor or its node dies, another goes on from there, with the same rows.
"""

import itertools
import logging
import os
import time
from collections import deque
from typing import Any

import msgspec

from jobs.engine.on_ray import ray
from jobs.engine.ray_address import check_address
from model.data.lanes import LaneOutput
from model.data.rows import LoaderError
from model.data.workers import LOOK_S, Job, Turn, told_turns
from schemas.settings import SettingsError

_ASKS = 4  # that an actor has to answer, at most
_WARN_S, _PATIENCE_S = 30.0, 600.0
_TRIES = 3  # of actors that die before they have given another row

logger = logging.getLogger(__name__)


def join_cluster() -> None:
    """The Ray cluster of RAY_ADDRESS, else the one that this machine has joined, unless this process is in one.

    Raises `SettingsError` where there is none: a Ray of this machine alone would be slower than processes.
    """
    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS") or "auto"
    try:
        check_address(address)
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the default warns of a coming change
        ray.init(address=address, logging_level=logging.WARNING)
    except Exception as error:  # of many kinds, all of them before any work
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingsError(
            f"read.workers_are is ray, but this machine is in no Ray cluster ({reason}): `ray start --address HEAD` "
            "joins one, RAY_ADDRESS names one; processes need none"
        ) from None


class RowActor:
    """An actor: worker `number` of a job."""

    def __init__(self, job: Job, number: int) -> None:
        self._turns = told_turns(job, number)

    def next(self, count: int) -> list[Turn | LoaderError]:
        """The next turns; fewer where all lanes have ended, or after an error."""
        return list(itertools.islice(self._turns, count))


class RayWorkers:
    """The workers of a job as actors. Raises `LoaderError` where a worker's actors die one after another."""

    def __init__(self, job: Job, kind: type[RowActor] = RowActor) -> None:
        # Not in the placement group of a trainer, which holds no CPU for them. Ray's default avoids nodes with GPUs.
        anywhere = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(None)
        options = {"num_cpus": _share(job), "max_restarts": 0, "scheduling_strategy": anywhere}
        make = ray.remote(**options)(kind)
        self._workers = [_Worker(make, job, number) for number in range(job.workers)]

    def next(self, index: int) -> LaneOutput:
        return self._workers[index % len(self._workers)].next()

    def used(self) -> None:
        """Ray's store lets go of a row when nothing refers to it."""

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


class _Worker:
    """An actor, what it was asked for, and how far its lanes are."""

    def __init__(self, make: Any, job: Job, number: int) -> None:
        self._make, self._number = make, number
        self._job = msgspec.structs.replace(job, states=[dict(of_lane) for of_lane in job.states])
        self._rows_an_ask = max(1, job.config.read.prefetch_rows // _ASKS)
        self._given: deque[Turn | LoaderError] = deque()
        self._asked: deque[Any] = deque()
        self._deaths, self._closed = 0, False
        self._begin()

    def next(self) -> LaneOutput:
        while not self._given:
            try:
                found = self._answer(self._asked.popleft())
            except ray.exceptions.RayTaskError as error:  # not of a sample: code that a node does not have, for one
                raise LoaderError(f"worker {self._number} on Ray: {error.cause or _first_line(error)}") from error
            except ray.exceptions.RayError as error:  # the actor, its node or the rows in its store are gone
                self._begin_again(error)
                continue
            self._deaths = 0
            for turn in found:
                self._acknowledge(turn)
            self._given.extend(found)
        turn = self._given.popleft()
        self._ask()
        if isinstance(turn, LoaderError):
            raise turn
        return turn.output

    def close(self) -> None:
        self._closed = True
        ray.kill(self._actor)
        self._asked.clear()

    def _begin(self) -> None:
        self._actor = self._make.remote(self._job, self._number)
        self._ask()

    def _begin_again(self, error: Exception) -> None:
        """Another actor in the place of one that died, from what was last heard of it."""
        if self._closed:
            raise LoaderError("the loader was closed") from None
        self._deaths += 1
        if self._deaths >= _TRIES:
            raise LoaderError(
                f"worker {self._number} on Ray died {self._deaths} times before its next row, perhaps out of memory: "
                f"{_first_line(error)}"
            ) from error
        logger.warning("worker %d on Ray is made anew: %s", self._number, _first_line(error))
        ray.kill(self._actor)  # it may live, out of reach
        self._asked.clear()
        self._begin()

    def _ask(self) -> None:
        """For so many rows as it may be ahead; those that lie on other nodes begin to come here."""
        ahead = self._job.config.read.prefetch_rows
        while len(self._given) + (len(self._asked) + 1) * self._rows_an_ask <= ahead:
            self._asked.append(self._actor.next.remote(self._rows_an_ask))
        if self._asked:
            ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0, fetch_local=True)

    def _answer(self, reference: Any) -> list[Turn | LoaderError]:
        began, warned = time.monotonic(), False
        while True:
            try:
                found: list[Turn | LoaderError] = ray.get(reference, timeout=LOOK_S)
                return found
            except ray.exceptions.GetTimeoutError:
                if self._closed:
                    raise LoaderError("the loader was closed") from None
            waited = time.monotonic() - began
            if waited > _PATIENCE_S:
                raise LoaderError(f"worker {self._number} on Ray gave no row in {waited:.0f} s{_room()}")
            if waited > _WARN_S and not warned:
                logger.warning("worker %d on Ray has given no row for %.0f s%s", self._number, waited, _room())
                warned = True

    def _acknowledge(self, turn: Turn | LoaderError) -> None:
        if isinstance(turn, LoaderError):
            return
        job, (d, index) = self._job, (turn.dataset, turn.index)
        job.states[d][job.lanes[index]] = turn.output.state
        ended = job.ended if turn.output.row is not None else job.ended | {(d, index)}
        self._job = msgspec.structs.replace(job, taken=turn.taken, ended=ended)


def _share(job: Job) -> float:
    """CPUs for each worker: one, or less where the workers of all ranks and their trainers are more than the CPUs."""
    world = -(-job.config.order.lanes // len(job.lanes))
    cpus = ray.cluster_resources().get("CPU", 0.0)
    wanted = world * job.workers
    if cpus >= wanted + world:
        return 1.0
    return int(100 * max(0.0, min(1.0, (cpus - world) / wanted))) / 100  # rounded up, the last would wait for ever


def _room() -> str:
    has, free = (resources.get("CPU", 0.0) for resources in (ray.cluster_resources(), ray.available_resources()))
    return f"; of {has:g} CPUs of the cluster {free:g} are free"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
