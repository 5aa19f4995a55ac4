"""What Ray costs: the same partitions of real work on Ray with two CPUs and on a plain process pool of two.

    python -m benchmarks.engine [--archives 12] [--pages 250] [--rounds 5]

The work is the extract phase on archives of `benchmarks.synthetic`: reading, a child process a partition, shuffle
files, commits. Both are started, and have done a round, before the clock runs; rounds alternate. Seconds are wall
clock; the figure to quote is the median of the ratios of single rounds, which a busy machine disturbs least.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.synthetic import write_archive
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings, Failure, open_engine
from jobs.kinds.interleaved.take import TakeDrafts
from jobs.phases.extract import EXTRACT
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.task import Run, run_task
from schemas.storage import Store

CPUS = 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--archives", type=int, default=12)
    parser.add_argument("--pages", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for index in range(arguments.archives):
            write_archive(folder / f"{index:03d}.warc.gz", index * arguments.pages, arguments.pages)
        with (
            multiprocessing.get_context("spawn").Pool(CPUS) as pool,
            open_engine(EngineSettings(workers=CPUS)) as engine,
        ):

            def on_pool(work: Callable[[int], object], size: int) -> None:
                for _ in pool.imap_unordered(work, range(size)):
                    pass

            def on_ray(work: Callable[[int], object], size: int) -> None:
                for outcome in engine.run("bench", work, range(size)):
                    assert not isinstance(outcome, Failure), outcome

            compare({"process pool": on_pool, "Ray": on_ray}, folder, arguments.archives, arguments.rounds)


def compare(
    contenders: dict[str, Callable[[Callable[[int], object], int], None]], folder: Path, archives: int, rounds: int
) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    empty: dict[str, float] = {}
    recipe = Recipe(BuildConfig())
    for number in range(-1, rounds):
        for name, run in contenders.items():
            out = str(folder / f"{name} {number}")
            make_plan(Store(out), [str(folder / "*.warc.gz")], recipe)
            started = time.monotonic()
            run(partial(run_task, EXTRACT, Run.new(out), (recipe, [TakeDrafts])), archives)
            if number >= 0:  # the round before warms the workers
                seconds[name].append(time.monotonic() - started)
    for name, run in contenders.items():
        started = time.monotonic()
        run(nothing, 500)
        empty[name] = (time.monotonic() - started) / 500
    for name, taken in seconds.items():
        ratio = statistics.median(one / pool for one, pool in zip(taken, seconds["process pool"], strict=True))
        each = " ".join(f"{one:.2f}" for one in taken)
        print(f"{name:<14}{statistics.median(taken):8.2f} s   {ratio:.3f} x the pool   (rounds {each})")
        print(f"{'':<14}{1000 * empty[name]:8.2f} ms for a task that does nothing")


def nothing(_: int) -> None:
    return None


if __name__ == "__main__":
    main()
