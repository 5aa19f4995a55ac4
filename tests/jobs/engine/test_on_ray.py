"""What only actors can do: die."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from jobs.engine.engine import Engine, EngineSettings, WorkerDied, open_engine
from tests.jobs.engine import things

pytestmark = pytest.mark.shares_ray


SIGTERM_ON_RAY = """
import os, signal
from jobs.engine.engine import EngineSettings, open_engine
signal.signal(signal.SIGTERM, lambda number, frame: print("heard", flush=True))
with open_engine(EngineSettings(workers=1, object_store_bytes=80 << 20)):
    os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine(EngineSettings(workers=2, object_store_bytes=80 << 20)) as engine:
        yield engine


def test_an_actor_of_a_pool_that_dies_is_made_anew(engine: Engine) -> None:
    with engine.pool(things.process, (), size=1) as (ask,):
        before = ask()
        os.kill(before, signal.SIGKILL)
        assert ask() not in (before, os.getpid())


def test_a_pool_whose_process_dies_while_it_starts_says_so(engine: Engine) -> None:
    with pytest.raises(WorkerDied), engine.pool(os._exit, (3,), size=1):
        raise AssertionError("work has begun")


def test_the_death_of_a_worker_is_told(engine: Engine) -> None:
    async def work() -> None:
        worker = engine.start_worker(things.Counter, (0,), of=1)
        os.kill(await worker.process(), signal.SIGKILL)
        with pytest.raises(WorkerDied):
            await worker.add(1)

    asyncio.run(work())


def test_more_workers_than_cpus_run_side_by_side(engine: Engine) -> None:
    async def work() -> list[int]:
        workers = [engine.start_worker(things.Counter, (start,), of=3) for start in range(3)]
        return list(await asyncio.gather(*(worker.add(1) for worker in workers)))

    assert asyncio.run(work()) == [1, 2, 3]


def test_workers_end_with_their_engine_though_something_names_them(engine: Engine) -> None:
    """Tasks of the next engine would wait for their CPUs for ever."""
    with open_engine(EngineSettings(workers=2)) as first:
        workers = [first.start_worker(things.Counter, (0,), of=2) for _ in range(2)]
        assert asyncio.run(_added(workers)) == [1, 1]
    assert list(engine.run("next", str, [0])) == ["0"]
    with pytest.raises(WorkerDied):
        asyncio.run(_added(workers))


async def _added(workers: list[things.Counter]) -> list[int]:
    return [await worker.add(1) for worker in workers]


def test_sigterm_is_for_whoever_took_it_before_ray_started() -> None:
    """Ray takes it, and prints where its own code was when it came."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, "-c", SIGTERM_ON_RAY]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\n", "")
