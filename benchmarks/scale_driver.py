"""What the driver of a build does at the size of a whole snapshot: its plan, its records, its memory and its time.

    python -m benchmarks.scale_driver [--archives 90000]
    python -m benchmarks.scale_driver --archives 200 --s3

Tasks only write the record of what they would have written, at the sizes that full-size archives give (6,000 pages kept
of each, 8 KB a draft); everything else is the driver's own: plan, listings, slices, how files are merged and removed,
and `dataset.json`. Then the same command again, as after a kill at the very end. Records lie in memory (`/dev/shm`),
or on an S3 server in this process that takes 20 ms for each answer.
"""

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np

from benchmarks.scale import slow_bucket
from crawlers.inputs import Input
from jobs.build import run_phases
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings, open_engine
from jobs.kinds.finish import finish
from jobs.kinds.table import jobs_of
from jobs.phases.plan import CONFIG
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.run import Phases
from jobs.phases.task import NONE_MERGED, ROWS, SIZES, Merged, Phase, Run, file_of
from schemas.commits import Commit, FileInfo
from schemas.drops import Counts
from schemas.shards import ShardInfo
from schemas.storage import Store
from tests.jobs.s3 import Faults

ARCHIVE_BYTES = 1 << 30
DRAFT_BYTES = 48_000_000  # of one archive, before they are encoded
#: What a task of a phase writes for later ones: bytes of each file, encoded; of *extract*, for each archive.
WRITES: Mapping[str, Mapping[str, int]] = {
    "extract": {"drafts": 14_000_000, "pages": 1_500_000, "wanted": 3_000_000, "captures": 1000},
    "urls": {"losers": 100_000, "pages": 16_000_000, "locations": 100_000},
    "texts": {"losers": 100_000, "pages": 8_000_000, "bands": 20_000_000},
    "bands": {"edges": 2_000_000},
    "stars-00": {"edges": 2_000_000},
    "groups": {"pages": 8_000_000},
    "similar": {"losers": 200_000},
    "counts": {"sets": 3_000_000, "paragraphs": 12_000_000, "images": 4_000_000},
    "frequent": {"losers": 100_000, "paragraphs": 2_000_000, "images": 1_000_000},
    "assemble": {"places": 4_000_000},
    "contents": {"images": 500_000},
}


WHAT = ("from the start", "again, when all phases are done")


class Tasks:
    """In place of what an engine runs."""

    def __init__(self) -> None:
        self.seconds, self.records, self.archives_a_task = 0.0, 0, 1
        self.partitions = 1
        self._stores: dict[str, Store] = {}

    @property
    def drafts_a_task(self) -> int:
        """Bytes."""
        return DRAFT_BYTES * self.archives_a_task

    def __call__(
        self, phase: Phase, run: Run, arguments: Sequence[Any], index: int, merged: Mapping[str, Merged] = NONE_MERGED
    ) -> Commit:
        started = time.monotonic()
        store = self._stores.setdefault(run.output, Store(run.output))
        folder, sha256 = f"work/{phase.name}", "0" * 64
        names = WRITES.get(phase.name.removesuffix("-merged"), {})
        times = self.archives_a_task if phase.name == "extract" else 1
        files = [
            FileInfo(
                f"{folder}/{index:06d}.{name}{ROWS}", f"{folder}/.0123456789ab.{index:06d}.tmp", times * size, sha256
            )
            for name, size in names.items()
        ]
        shards = []
        if phase.name == "publish":
            shards = [ShardInfo(f"{index:06d}-{n:03d}", 3000, 9000, 1 << 28, sha256, 1 << 20, sha256) for n in range(2)]
        if phase.name == "extract-merged":
            merged_extract: Merged = arguments[0]
            if index % merged_extract.ranges == 0:
                write_sizes(
                    store, file_of(phase.name, index, SIZES), self.drafts_a_task * merged_extract.group, self.partitions
                )
        commit = Commit(phase.name, index, "0123456789ab", files, Counts(), shards)
        store.put_if_absent(f"{folder}/{index:06d}.json", msgspec.json.encode(commit))
        self.records += 1
        self.seconds += time.monotonic() - started
        return commit


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--archives", type=int, default=90_000)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--child")
    arguments = parser.parse_args()
    if arguments.child:
        drive(arguments.child, arguments.archives)
        return
    if arguments.s3:
        faults = Faults()
        with slow_bucket(faults, 0.02) as bucket, redirect_stderr(io.StringIO()):
            for what in WHAT:
                print(f"{arguments.archives:,} archives on S3, {what}:", flush=True)
                before = faults.requests
                drive(f"{bucket}/out", arguments.archives)
                print(f"  {faults.requests - before:,} requests, those of the tasks too", flush=True)
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for what in WHAT:
            print(f"{arguments.archives:,} archives, {what}:", flush=True)
            command = [sys.executable, "-m", "benchmarks.scale_driver", "--archives", str(arguments.archives)]
            subprocess.run([*command, "--child", folder], check=True, stderr=subprocess.DEVNULL)


def drive(url: str, archives: int) -> None:
    """One run of the driver, and what it took."""
    store, tasks, started = Store(url), Tasks(), time.monotonic()
    config = msgspec.structs.replace(BuildConfig(), archives_a_task=16 if archives >= 1024 else 0)
    recipe = Recipe(config)
    inputs = [Input(f"s3://commoncrawl/crawl-data/CC-MAIN-2026-43/segments/{n:013d}.warc.gz", ARCHIVE_BYTES)
              for n in range(archives)]  # fmt: skip
    with patch("jobs.phases.planning._list_inputs", lambda *_, **__: inputs), patch("jobs.phases.run.run_task", tasks):
        plan = make_plan(store, ["all"], recipe)
        assert store.exists(CONFIG)
        tasks.archives_a_task, tasks.partitions = plan.archives_a_task, plan.partitions
        began = time.monotonic()
        with open_engine(EngineSettings(engine="inline")) as engine, Phases(engine, store, plan, recipe) as phases:
            run_phases(phases)
        with patch("jobs.kinds.finish.DATASET", "work/dataset.json"):
            finish(store, plan, jobs_of(config.kinds), phases.commits)
    tasks_of = {name: len(commits) for name, commits in phases.commits.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  tasks: {', '.join(f'{name} {count:,}' for name, count in tasks_of.items())}")
    print(f"  {sum(tasks_of.values()):,} tasks, {tasks.records:,} records written now in {tasks.seconds:.0f} s")
    print(f"  plan {began - started:.1f} s, {(store.size('work/plan.json')) / 1e6:.1f} MB")
    beside = time.monotonic() - began - tasks.seconds
    each = 1000 * beside / archives
    print(f"  driver beside it {beside:.1f} s, {each:.1f} ms an archive, memory {peak:,.0f} MB", flush=True)


def write_sizes(store: Store, name: str, size: int, partitions: int) -> None:
    """Bytes of drafts by partition, as a merge of what tasks of *extract* leave sums them up."""
    with store.create(name) as file:
        file.write(np.full(partitions, size // partitions, "<i8").tobytes())


if __name__ == "__main__":
    main()
