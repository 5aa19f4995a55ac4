"""What deduplication finds beside what there is to find, and what a page costs in time and memory, at several sizes.

    python -m benchmarks.corpus [--pages 1000 10000 100000] [--drafts 1000000]

Builds the synthetic web of `benchmarks.synthetic` from WARC to shards, and for `--drafts` runs the phases that compare
pages alone, on drafts written directly. Each size runs in a process of its own: seconds are CPU seconds of it and its
children, memory is the largest resident set that any of them ever had. Partitions and buckets grow with the size, as
they do by default with the bytes of the archives; a tenth of all pages is on one domain, whose partition is split.
"""

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from benchmarks.cpu import cpu_seconds
from benchmarks.drafts import DRAFTS_AN_ARCHIVE, ORIGINALS, make_originals, write_drafts
from benchmarks.synthetic import BLOCK, ROLES, write_archive
from crawlers.inputs import Input
from jobs.build import run_phases
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings, open_engine
from jobs.engine.fork_server import fork_server
from jobs.kinds.finish import finish
from jobs.kinds.interleaved.make import compare_pages
from jobs.kinds.table import jobs_of
from jobs.phases.duplicates import URLS
from jobs.phases.extract import EXTRACT
from jobs.phases.plan import LAYOUT, PLAN, Plan
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.run import Phases
from jobs.phases.task import Phase, Run, run_task
from schemas import __version__
from schemas.commits import Commit
from schemas.storage import Store

PAGES_AN_ARCHIVE = 1000
SLICE_BYTES = 8 << 20


class Measured(msgspec.Struct):
    """One run: CPU milliseconds a page by phase, peak memory in bytes, the drop rows as (reason, url)."""

    pages: int
    milliseconds: dict[str, float]
    peaks: dict[str, int]  # of this process by phase, where the system tells; the whole counts its children, too
    peak_bytes: int
    wall_s: float


class TimedPhases(Phases):
    """Phases that note what each takes, and the most memory that this process has meanwhile."""

    seconds: dict[str, float]
    peaks: dict[str, int]

    def run(self, phase: Phase, *arguments: Any, **named: Any) -> list[Commit]:
        before = cpu_seconds()
        _peak_from_here()
        try:
            return super().run(phase, *arguments, **named)
        finally:
            group = "stars" if phase.name.startswith("stars") else phase.name
            self.seconds[group] = self.seconds.get(group, 0.0) + cpu_seconds() - before
            self.peaks[group] = max(self.peaks.get(group, 0), peak_of(resource.RUSAGE_SELF))


def _peak_from_here() -> None:
    """Forget the largest resident set that this process has had."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def peak_of(who: int) -> int:
    """The largest resident set of this process, or of its children that have ended, in bytes."""
    return resource.getrusage(who).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--drafts", type=int, nargs="*", default=[])
    parser.add_argument("--child", choices=("pages", "drafts"))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.child:
        size = (arguments.pages if arguments.child == "pages" else arguments.drafts)[0]
        print(msgspec.json.encode(measure(arguments.child, size, arguments.folder)).decode())
        return
    for kind in ("pages", "drafts"):
        runs = [run_apart(kind, size) for size in getattr(arguments, kind)]
        if runs:
            what = "WARC to shards" if kind == "pages" else "the phases that compare pages"
            print(f"\n{kind}, {what}: CPU ms each by phase")
            print_times(runs)


def run_apart(kind: str, size: int) -> Measured:
    """Make the input, measure in a fresh process, and say what was found."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_input(kind, size, folder)
        command = [sys.executable, "-m", "benchmarks.corpus", "--child", kind, f"--{kind}", str(size)]
        done = subprocess.run([*command, "--folder", scratch], check=True, stdout=subprocess.PIPE, text=True)
        measured = msgspec.json.decode(done.stdout.splitlines()[-1], type=Measured)
        print(f"\n{size:,} {kind}: found of what there is")
        print_found(folder / "out", size, kind)
        return measured


def make_input(kind: str, size: int, folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        if kind == "pages":
            starts = range(0, size, PAGES_AN_ARCHIVE)
            tasks = [(folder / f"{start:07d}.warc.gz", start, min(PAGES_AN_ARCHIVE, size - start)) for start in starts]
            pool.starmap(write_archive, tasks)
        else:
            store, plan = Store(str(folder / "out")), plan_of_drafts(size)
            store.put(PLAN, msgspec.json.encode(plan))
            pool.map(partial(make_originals, folder, size), range(min(ORIGINALS, len(plan.inputs))))
            phase = Phase(EXTRACT.name, EXTRACT.over, write_drafts)
            pool.map(partial(run_task, phase, Run.new(store.url), (size, folder)), range(len(plan.inputs)))


def measure(kind: str, size: int, folder: Path) -> Measured:
    out = str(folder / "out")
    store, started = Store(out), time.monotonic()
    if kind == "pages":
        cuts = {"partitions": max(1, size // 2000), "buckets": max(1, size // 10_000), "max_slice_bytes": SLICE_BYTES}
        recipe = Recipe(msgspec.structs.replace(BuildConfig(), **cuts))
        plan = make_plan(store, [str(folder / "*.warc.gz")], recipe)
    else:
        plan = plan_of_drafts(size)
        recipe = Recipe(plan.config)
    with open_engine(EngineSettings(engine="inline")) as engine, TimedPhases(engine, store, plan, recipe) as phases:
        phases.seconds, phases.peaks = {}, {}
        if kind == "pages":
            run_phases(phases)
            finish(store, plan, jobs_of(plan.config.kinds), phases.commits)
        else:
            phases.run(EXTRACT)  # all of it is there; what remains is to merge it
            phases.run(URLS, [EXTRACT])
            compare_pages(phases)
    fork_server().close()  # what ends counts: the largest of its children too
    peak = max(*phases.peaks.values(), *map(peak_of, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    milliseconds = {name: 1000 * seconds / size for name, seconds in phases.seconds.items()}
    return Measured(size, milliseconds, phases.peaks, peak, time.monotonic() - started)


def plan_of_drafts(size: int) -> Plan:
    config = msgspec.structs.replace(BuildConfig(), max_slice_bytes=SLICE_BYTES)
    archives = (size - 1) // DRAFTS_AN_ARCHIVE + 1
    inputs = [Input(f"synthetic-{index}", 0) for index in range(archives)]
    partitions, buckets = max(1, size // 20_000), max(1, size // 100_000)
    return Plan(inputs, [], partitions, buckets, config, Recipe(config).hash, __version__, layout=LAYOUT)


#: Rule -> the reason of its drops, and the groups of pages of a block of which all but one are to go (or, where the
#: number is given, that many).
def expectations() -> Iterator[tuple[str, str, list[set[int]], int]]:
    yield "address", "duplicate_url", [{i, i - 60} for i in ROLES["recaptured"]], 1
    yield "text", "duplicate_text", [{i, i - 60} for i in ROLES["copied"]], 1
    yield "near, similarity 0.95", "near_duplicate", [{i, i - 60} for i in ROLES["near_95"]], 1
    yield "near, similarity 0.85", "near_duplicate", [{i, i - 60} for i in ROLES["near_85"]], 1
    yield "near, chains of 0.9", "near_duplicate", [{25, 85, 86}], 2
    yield "near, similarity 0.5 (should stay)", "near_duplicate", [{i, i - 60} for i in ROLES["near_50"]], 0
    yield "same images", "same_images", [{30, 87}, {31, 88}], 1
    yield "boilerplate", "boilerplate", [set(ROLES["boilerplate"])], 3
    yield "frequent image", "frequent_image", [set(ROLES["frequent_image"])], 11
    yield "frequent content, same bytes", "frequent_content", [set(ROLES["same_content"])], 11
    yield "frequent content, encoded anew", "frequent_content", [set(ROLES["same_look"])], 12


def print_found(out: Path, size: int, kind: str) -> None:
    """Recall for each rule, precision for each reason. What is counted is drops, each in the group of its page."""
    rows = read_drops(out)
    blocks = size // BLOCK
    dropped: dict[tuple[str, int], list[int]] = {}
    for block, index, reason in rows:
        dropped.setdefault((reason, index), []).append(block)
    explained: Counter[str] = Counter()
    for name, reason, groups, due in expectations():
        found = 0
        for group in groups:
            hits = Counter(block for index in group for block in dropped.get((reason, index), ()))
            found += sum(min(count, due) if due else count for count in hits.values())
        explained[reason] += found if due else 0
        there = blocks * len(groups) * due
        if kind == "drafts" and reason in (
            "boilerplate",
            "frequent_image",
            "frequent_content",
        ):  # later phases apply them
            continue
        share = f"{found / there:.4f} of {there:,}" if there else f"{found / (blocks * len(groups)):.4f} dropped"
        print(f"  {name:<36} {share}")
    for reason, count in sorted(Counter(why for _, _, why in rows).items()):
        print(f"  precision of {reason:<23} {explained[reason] / count:.4f} ({count:,} dropped)")


def read_drops(out: Path) -> list[tuple[int, int, str]]:
    """Block, index and reason of everything that was dropped; of paragraphs and images those of their page."""
    rows = []
    for path in sorted((out / "drops").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            page = row["detail"].rpartition("on ")[2] if row["kind"] == "image" else row["url"]
            block, index = page.partition("?")[0].split("/")[-2:]
            number = int(index)
            rows.append((int(block.lstrip("n")), number + 60 if "utm_source" in page else number, row["reason"]))
    return rows


def print_times(runs: list[Measured]) -> None:
    names = list(runs[-1].milliseconds)
    print(f"  {'':<14}" + "".join(f"{run.pages:>12,}" for run in runs))
    for name in names:
        print(f"  {name:<14}" + "".join(f"{run.milliseconds.get(name, 0):>12.3f}" for run in runs))
    totals = [sum(run.milliseconds.values()) for run in runs]
    print(f"  {'all':<14}" + "".join(f"{total:>12.3f}" for total in totals))
    print(f"  {'beside first':<14}" + "".join(f"{total / totals[0]:>12.2f}" for total in totals))
    print(f"  {'peak MB':<14}" + "".join(f"{run.peak_bytes / 1e6:>12.0f}" for run in runs))
    print(f"  {'wall s':<14}" + "".join(f"{run.wall_s:>12.0f}" for run in runs))
    print("the most memory of the process that runs the phases, MB, by phase")
    for name in names:
        print(f"  {name:<14}" + "".join(f"{run.peaks.get(name, 0) / 1e6:>12.0f}" for run in runs))


if __name__ == "__main__":
    main()
