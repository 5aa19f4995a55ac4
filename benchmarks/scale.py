"""What a build costs as its archives grow in number: files opened, requests, CPU seconds, by phase and archive.

    python -m benchmarks.scale [--archives 50 200 800] [--pages 20] [--cut old]     # on a local disk
    python -m benchmarks.scale --archives 16 200 --s3                              # on an S3 server that takes 20 ms

The archives are tiny (`benchmarks.synthetic`), but cut as full-size ones would be: two partitions of domains for each,
and a bucket of keys for every four (`--cut old`), or as many as a build of full-size archives makes by itself. So what
is counted is how the number of files and requests grows, not what their bytes cost. Everything runs in one process, one
task at a time. `opens` are files opened or asked for a range; `in tasks` what tasks take, the rest is the driver's.
With `--s3` requests are those that the server has seen, each kept waiting for `--delay` ms.
"""

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from benchmarks.cpu import cpu_seconds
from benchmarks.synthetic import write_archive
from jobs.build import run_phases
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings, open_engine
from jobs.kinds.finish import finish
from jobs.kinds.table import jobs_of
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.run import Phases
from jobs.phases.task import run_task
from schemas.storage import Store
from tests.jobs.s3 import Faults, s3_server

#: Bytes of a full-size archive, by which the plan would be made.
ARCHIVE_BYTES = 1 << 30
_READS = ("open", "read_range")
_MANY = ("read_ranges",)
_OTHERS = ("create", "move", "exists", "size", "list", "remove", "put_if_absent")


class Meter:
    """What has been done so far: calls of the store by name, bytes read by range, requests, seconds."""

    def __init__(self, faults: Faults | None) -> None:
        self.calls: Counter[str] = Counter()
        self._faults = faults
        self.task_s = self.task_opens = self.task_requests = 0.0

    def requests(self) -> int:
        return self._faults.requests if self._faults else 0

    def opens(self) -> int:
        return self.calls["read"]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While the block lasts, what stores are asked for and what tasks take is counted."""
        with ExitStack() as stack:
            for name in filter(partial(hasattr, Store), (*_READS, *_MANY, *_OTHERS)):
                stack.enter_context(patch.object(Store, name, self._counted(name, getattr(Store, name))))
            stack.enter_context(patch("jobs.phases.run.run_task", self.task(run_task)))
            yield

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(store: Store, *arguments: Any, **named: Any) -> Any:
            if name in _MANY:
                self.calls["read"] += len(arguments[0])
            else:
                self.calls["read" if name in _READS else name] += 1
            return method(store, *arguments, **named)

        return counted

    def task(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """What an engine is given, measured."""

        def measured(*arguments: Any, **named: Any) -> Any:
            before = time.monotonic(), self.opens(), self.requests()
            try:
                return work(*arguments, **named)
            finally:
                self.task_s += time.monotonic() - before[0]
                self.task_opens += self.opens() - before[1]
                self.task_requests += self.requests() - before[2]

        return measured


class Row(msgspec.Struct):
    """A phase, or the time between phases."""

    name: str
    tasks: int = 0
    opens: float = 0
    requests: float = 0
    cpu_s: float = 0
    wall_s: float = 0
    in_tasks_s: float = 0


class CountedPhases(Phases):
    """Phases that note what each takes."""

    meter: Meter
    rows: dict[str, Row]

    def run(self, phase: Any, *arguments: Any, **named: Any) -> Any:
        meter = self.meter
        before = cpu_seconds(), time.monotonic(), meter.task_s, meter.opens(), meter.requests()
        found = super().run(phase, *arguments, **named)
        row = self.rows.setdefault(phase.name, Row(phase.name))
        row.tasks = len(found)
        row.cpu_s += cpu_seconds() - before[0]
        row.wall_s += time.monotonic() - before[1]
        row.in_tasks_s += meter.task_s - before[2]
        row.opens += meter.opens() - before[3]
        row.requests += meter.requests() - before[4]
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--archives", type=int, nargs="*", default=[50, 200, 800])
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--cut", choices=("old", "own"), default="old")
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--delay", type=float, default=20.0)
    arguments = parser.parse_args()
    for archives in arguments.archives:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            make_archives(folder / "warc", archives, arguments.pages)
            faults = Faults() if arguments.s3 else None
            output = str(folder / "out")
            if faults is not None:
                output = f"{stack.enter_context(slow_bucket(faults, arguments.delay / 1000))}/out"
            print_rows(archives, *measure(folder, output, archives, arguments.pages, arguments.cut, faults))


def make_archives(folder: Path, archives: int, pages: int) -> None:
    folder.mkdir(parents=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        tasks = [(folder / f"{number:06d}.warc.gz", number * pages, pages) for number in range(archives)]
        pool.starmap(write_archive, tasks, chunksize=8)


@contextmanager
def slow_bucket(faults: Faults, delay_s: float) -> Iterator[str]:
    """A bucket on a server of this machine that takes its time."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    import s3fs

    count = faults.next

    def slow() -> str:
        time.sleep(delay_s)
        return count()

    setattr(faults, "next", slow)  # noqa: B010
    with s3_server(faults) as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("scale")
        yield "s3://scale"


def measure(
    folder: Path, output: str, archives: int, pages: int, cut: str, faults: Faults | None
) -> tuple[list[Row], Row]:
    """The rows of the phases, and the whole."""
    meter, whole = Meter(faults), Row("all")
    before = cpu_seconds(), time.monotonic(), meter.requests()
    with meter.installed():
        recipe = Recipe(msgspec.structs.replace(BuildConfig(), **cuts(cut, archives, pages)))
        store = Store(output)
        plan = make_plan(store, [str(folder / "warc/*.warc.gz")], recipe)
        with (
            open_engine(EngineSettings(engine="inline")) as engine,
            CountedPhases(engine, store, plan, recipe) as phases,
        ):
            phases.meter, phases.rows = meter, {}
            run_phases(phases)
        finish(store, plan, jobs_of(plan.config.kinds), phases.commits)
    whole.cpu_s, whole.wall_s = cpu_seconds() - before[0], time.monotonic() - before[1]
    whole.in_tasks_s, whole.opens, whole.requests = meter.task_s, meter.opens(), meter.requests() - before[2]
    print(f"\n{archives} archives: {dict(sorted(meter.calls.items()))}")
    print(f"of these in tasks: {meter.task_opens:,.0f} opens, {meter.task_requests:,.0f} requests")
    if faults is None:
        print(f"objects at rest: {sum(1 for path in Path(output).rglob('*') if path.is_file()):,}")
        shutil.rmtree(output)
    return list(phases.rows.values()), whole


def cuts(cut: str, archives: int, pages: int) -> dict[str, int]:
    """Settings by which tiny archives are cut as full-size ones are.

    The drafts of one take about 60 kB for 20 pages; a slice holds those of five archives, as it does of full-size ones.
    """
    partitions = min(4096, 2 * archives)
    if cut == "old":
        return {
            "partitions": partitions,
            "buckets": max(1, min(4096, archives // 4)),
            "max_slice_bytes": 16_000 * pages,
        }
    from jobs.phases import planning

    each = planning._BYTES_A_BUCKET["archives"]
    buckets = min(4096, max(1, -(-archives * ARCHIVE_BYTES // each)))
    return {"partitions": partitions, "buckets": buckets, "max_slice_bytes": 16_000 * pages}


def print_rows(archives: int, rows: list[Row], whole: Row) -> None:
    print(
        f"{'':<16}{'tasks':>7}{'opens':>10}{'an archive':>11}{'requests':>10}{'CPU s':>8}{'wall s':>8}{'in tasks':>9}"
    )
    for row in [*rows, whole]:
        print(
            f"{row.name:<16}{row.tasks:>7,}{row.opens:>10,.0f}{row.opens / archives:>11.1f}{row.requests:>10,.0f}"
            f"{row.cpu_s:>8.1f}{row.wall_s:>8.1f}{row.in_tasks_s:>9.1f}"
        )
    driver_ms = 1000 * (whole.wall_s - whole.in_tasks_s) / archives
    print(f"driver: {driver_ms:.1f} ms an archive; tasks: {1000 * whole.in_tasks_s / archives:.0f} ms an archive")


if __name__ == "__main__":
    main()
