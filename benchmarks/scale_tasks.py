"""One real task of each phase at the sizes that a whole snapshot gives: CPU seconds, seconds, memory.

    python -m benchmarks.scale_tasks [--archives 90000] [--only urls counts ...] [--pages N]

The files that a task reads are made for its bucket or slice alone, as many as merging leaves of the phase before, and
with as many rows as full-size archives give: 6,000 pages kept and 110,000 references to images each. Each task runs in
a process of its own. A merge reads as many files as it would, of their buckets about `--merge` MB in all. *extract*
takes the 6,000 pages that are kept of each of 16 archives, as their drafts: what its child does of a page is left out.
`--pages N`: it reads N made pages of each, child and all. *assemble* and *publish* do a slice of 256 MiB of drafts,
94,000 of them with three small images for every two, which lie in an archive of this machine.
"""

import argparse
import math
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from benchmarks.cpu import cpu_seconds
from benchmarks.scale_driver import WRITES
from benchmarks.scale_inputs import (
    BAND_COUNT,
    Columns,
    MadeDrafts,
    counted,
    digests,
    drafts_of,
    edges_of,
    left_of,
    pages_of,
    write_kept_pages,
)
from benchmarks.synthetic import write_archive
from crawlers.inputs import Input
from crawlers.warc import read_captures
from jobs.config import BuildConfig
from jobs.kinds.interleaved.fetch import ASSEMBLE
from jobs.kinds.interleaved.write import PUBLISH
from jobs.kinds.table import takers_of
from jobs.phases.duplicates import BANDS, LEFT, LOCATIONS, LOSERS, TEXTS, URLS
from jobs.phases.extract import CAPTURES, DRAFTS, EXTRACT, PAGES, WANTED
from jobs.phases.frequency import CONTENTS, COUNTED, COUNTS, FREQUENT, FREQUENT_KEYS, IMAGE_SETS
from jobs.phases.merge import merging, plan_merge
from jobs.phases.near_duplicates import EDGES, GROUPS, LINKS, SIMILAR, stars
from jobs.phases.plan import LAYOUT, PLAN, Plan
from jobs.phases.recipe import Recipe
from jobs.phases.task import FIRST, ROWS, SLICES, Merged, Phase, Run, Slice, file_of, run_task
from schemas import __version__
from schemas.commits import Commit, FileInfo
from schemas.documents import Draft
from schemas.drops import Counts, Tally
from schemas.merging import MERGE_BYTES
from schemas.shuffle import BucketWriter
from schemas.storage import Store
from schemas.urls import media_key

PAGES_KEPT, REFERENCES, PARAGRAPHS = 6000, 110_000, 20
SLICE_BYTES = 256 << 20
BUCKET_PHASES = ("urls", "texts", "bands", "stars-00", "groups", "similar", "frequent", "contents")


class Snapshot:
    """A build of which only what one task reads is there."""

    def __init__(self, folder: str, archives: int) -> None:
        self.store, self.archives, self.run = Store(folder), archives, Run.new(folder)
        config, self.buckets = BuildConfig(), min(4096, archives // 16)
        self.partitions, self.tasks = min(4096, 2 * archives), archives // 16
        inputs = [Input(f"s3://commoncrawl/{n:030d}.warc.gz", 1 << 30) for n in range(archives)]
        inputs[:16] = [Input(f"{folder}/{n:030d}.warc.gz", -1) for n in range(16)]
        plan = Plan(inputs, [], self.partitions, self.buckets, config, Recipe(config).hash, __version__)
        self.plan = msgspec.structs.replace(plan, layout=LAYOUT, archives_a_task=16)
        self.store.put(PLAN, msgspec.json.encode(self.plan))
        self.slices = archives * PAGES_KEPT * 8000 // SLICE_BYTES
        self.store.put(SLICES, msgspec.json.encode([Slice(n % self.partitions, FIRST + 1) for n in range(self.slices)]))
        self.merged: dict[str, Merged] = {}
        for name, files in WRITES.items():
            tasks = self.tasks if name == "extract" else self.slices if name in ("counts", "assemble") else self.buckets
            size = sum(files.values()) * (16 if name == "extract" else 1)
            commit = Commit(name, 0, "", [FileInfo(f"work/{name}/0.all{ROWS}", "", size, "")], Counts())
            found = plan_merge(name, [commit] * tasks, max(self.partitions, self.slices))
            if found is not None:
                self.merged[name] = found

    def give(self, phase: Phase, name: str, columns: dict[str, pa.DataType], rows: Columns, order: str = "") -> None:
        """Spread rows of bucket 0 over the files in which a reader looks for it."""
        table = pa.table(rows, schema=pa.schema(list(columns.items())))
        names = [file_of(phase.name, n, f"{name}{ROWS}") for n in range(phase_size(self, phase))]
        if phase.name in self.merged:
            names = self.merged[phase.name].files(name, 0)
        for part, file_name in enumerate(names):
            start, stop = (len(table) * edge // len(names) for edge in (part, part + 1))
            with self.store.create(file_name) as file, BucketWriter(file, columns, order=order or None) as writer:
                writer.add_table(np.zeros(stop - start, np.int32), table.slice(start, stop - start))


def phase_size(snapshot: Snapshot, phase: Phase) -> int:
    return {"inputs": snapshot.tasks, "buckets": snapshot.buckets}.get(phase.over, snapshot.slices)


def give_losers(snapshot: Snapshot, phases: Sequence[Phase], count: int) -> None:
    for phase in phases:
        snapshot.give(phase, "losers", LOSERS, {"uid": np.arange(count)})


def prepare(name: str, snapshot: Snapshot, megabytes: int, pages_an_archive: int) -> None:
    """What the first task of a phase reads is there after it."""
    pages = snapshot.archives * PAGES_KEPT // snapshot.buckets
    match name:
        case "extract":
            write = write_archive if pages_an_archive else write_kept_pages
            count = pages_an_archive or PAGES_KEPT
            for number, archive in enumerate(snapshot.plan.inputs[:16]):
                write(Path(archive.url), number * count, count)
        case "assemble":
            give_to_assemble(snapshot, pages)
        case "publish":
            give_to_assemble(snapshot, pages)
            snapshot.give(CONTENTS, "images", FREQUENT, {"key": digests(pages // 50, pages, 13)})
            run_task(*task_of("assemble", snapshot), 0, snapshot.merged)
        case "urls":
            snapshot.give(EXTRACT, "pages", PAGES, pages_of(pages, snapshot.partitions))
            wanted = snapshot.archives * REFERENCES // snapshot.buckets
            partitions = np.random.default_rng(7).integers(0, snapshot.partitions, wanted)
            snapshot.give(EXTRACT, "wanted", WANTED, {"key": digests(wanted, wanted, 8), "partition": partitions})
            some = wanted // 100
            places = {
                "archive": np.arange(some) % snapshot.archives,
                "offset": np.arange(some),
                "length": np.arange(some),
            }
            said = {"key": digests(some, wanted, 9), "record_url": [""] * some, "time": ["2026"] * some}
            snapshot.give(EXTRACT, "captures", CAPTURES, places | said)
        case "texts":
            snapshot.give(URLS, "pages", PAGES, pages_of(pages, snapshot.partitions))
        case "bands":
            bands = np.random.default_rng(10).integers(0, 1 << 62, pages * BAND_COUNT)
            snapshot.give(TEXTS, "bands", BANDS, {"band": bands, "uid": np.arange(len(bands))})
        case "stars":
            snapshot.give(LINKS, "edges", EDGES, edges_of(pages))
        case "groups":
            snapshot.give(stars(0), "edges", EDGES, edges_of(pages))
            snapshot.give(TEXTS, "pages", LEFT, left_of(pages, snapshot.partitions))
        case "similar":
            snapshot.give(
                GROUPS,
                "pages",
                {"root": pa.int64(), **LEFT},
                left_of(pages, snapshot.partitions) | {"root": np.arange(pages)},
            )
        case "counts":
            give_drafts(snapshot, pages)
        case "frequent":
            snapshot.give(COUNTS, "paragraphs", COUNTED, counted(pages * PARAGRAPHS, snapshot.slices))
            snapshot.give(COUNTS, "images", COUNTED, counted(pages * 4, snapshot.slices))
            rows = {name: values for name, values in pages_of(pages, snapshot.partitions).items() if name in IMAGE_SETS}
            snapshot.give(COUNTS, "sets", IMAGE_SETS, rows)
        case "merge":
            give_to_merge(snapshot, megabytes)
        case _:
            snapshot.give(ASSEMBLE, "places", COUNTED, counted(pages * 6, snapshot.slices))


def give_drafts(snapshot: Snapshot, pages: int) -> list[bytes]:
    """Those of a slice, and the pages of its partition that comparing has dropped; returns the drafts, encoded."""
    rows = drafts_of(SLICE_BYTES)
    give_losers(snapshot, [URLS, TEXTS, SIMILAR], pages // 50)
    snapshot.give(EXTRACT, "drafts", DRAFTS, rows, "order")
    return list(rows["draft"])


def give_to_assemble(snapshot: Snapshot, pages: int) -> None:
    """What *counts* reads; what is frequent; and where the images of the slice lie, all of them in one archive."""
    packed = give_drafts(snapshot, pages)
    for name in ("paragraphs", "images"):
        snapshot.give(FREQUENT_KEYS, name, FREQUENT, {"key": digests(pages // 50, pages, 12)})
    give_losers(snapshot, [FREQUENT_KEYS], pages // 50)
    archive = write_archive(Path(snapshot.plan.inputs[0].url), 0, 60)
    with archive.open("rb") as file:
        captures = read_captures(file, str(archive), archive.stat().st_size, snapshot.plan.config.warc, Tally())
        images = [(one.offset, one.length, one.url) for one in captures if one.is_image]
    drafts = (msgspec.json.decode(draft, type=Draft) for draft in packed)
    wanted = dict.fromkeys(media_key(url) for draft in drafts for image in draft.images for url in image.candidates)
    offsets, lengths, urls = zip(*(images[n % len(images)] for n in range(len(wanted))), strict=True)
    places = {"archive": np.zeros(len(wanted), np.int32), "offset": offsets, "length": lengths, "record_url": urls}
    snapshot.give(URLS, "locations", LOCATIONS, {"key": list(wanted), **places})


TASKS = (
    "extract",
    "urls",
    "texts",
    "bands",
    "stars",
    "groups",
    "similar",
    "counts",
    "frequent",
    "assemble",
    "contents",
    "publish",
)


def give_to_merge(snapshot: Snapshot, megabytes: int) -> None:
    """Drafts of one group of tasks of *extract*, each file with a share of the rows in the buckets of one range."""
    merged = snapshot.merged["extract"]
    table = pa.table(drafts_of(32 << 20), schema=pa.schema(list(DRAFTS.items())))
    rng = np.random.default_rng(11)
    share = max(1, len(table) * megabytes // merged.group // 8)  # 32 MB of these are about 8 when they are encoded
    for index in range(merged.group):
        some = rng.integers(0, len(table), share)
        name = file_of("extract", index, f"drafts{ROWS}")
        with snapshot.store.create(name) as file, BucketWriter(file, DRAFTS, order="order") as writer:
            writer.add_table(rng.integers(0, merged.width, share).astype(np.int32), table.take(some))


def measure(name: str, archives: int, megabytes: int, pages: int, answers: Any) -> None:
    """In a process of its own; what is made beforehand is made in another, so that its memory does not count."""
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Snapshot(folder, archives)
        maker = multiprocessing.get_context("fork").Process(target=prepare, args=(name, snapshot, megabytes, pages))
        maker.start()
        maker.join()
        before, started = cpu_seconds(), time.monotonic()
        commit = run_task(*task_of(name, snapshot, pages), 0, snapshot.merged)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        written = sum(file.bytes for file in commit.files) / 1e6
        answers.put((cpu_seconds() - before, time.monotonic() - started, peak, written))


def task_of(name: str, snapshot: Snapshot, pages: int = 0) -> tuple[Phase, Run, tuple[Any, ...]]:
    merged = snapshot.merged["extract"]
    recipe = Recipe(snapshot.plan.config)
    reads = recipe if pages else MadeDrafts()
    by_name: dict[str, tuple[Phase, tuple[Any, ...]]] = {
        "extract": (EXTRACT, (reads, [job.take for job in takers_of(recipe.config.kinds)])),
        "assemble": (ASSEMBLE, (recipe,)),
        "publish": (PUBLISH, ((),)),
        "urls": (URLS, ([EXTRACT],)),
        "texts": (TEXTS, ()),
        "bands": (LINKS, ()),
        "stars": (stars(0), (0,)),
        "groups": (GROUPS, (0,)),
        "similar": (SIMILAR, ()),
        "counts": (COUNTS, ()),
        "frequent": (FREQUENT_KEYS, ()),
        "contents": (CONTENTS, (ASSEMBLE,)),
        "merge": (merging(merged), (merged, snapshot.tasks, ["drafts"])),
    }
    phase, arguments = by_name[name]
    return phase, snapshot.run, arguments


def requests_of(snapshot: Snapshot) -> tuple[int, int, int, int]:
    """Tasks beside *assemble*'s images, requests of readers and of merges, and those that write, of a whole build."""
    merged, buckets, slices = snapshot.merged, snapshot.buckets, snapshot.slices
    files = {name: found.groups for name, found in merged.items()}
    of_buckets = 3 * files["extract"] + files["urls"] + 2 * files["texts"] + files["bands"] + files["stars-00"]
    of_buckets += files["groups"] + 3 * files["counts"] + files["assemble"]
    losers = files["urls"] + files["texts"] + files["similar"]
    drafts = files["extract"] + losers
    of_slices = drafts + files["urls"] + 2 * (drafts + files["frequent"]) + 2 * files["frequent"] + files["contents"]
    merging_reads, written = 0, 0
    for name, found in merged.items():
        tasks = found.groups * found.ranges
        for size in WRITES[name].values():
            encoded = found.group * size * (16 if name == "extract" else 1)
            merging_reads += tasks * found.group * (1 + max(1, math.ceil(encoded / found.ranges / MERGE_BYTES)))
        by_readers = snapshot.tasks if name == "extract" else slices if name in ("counts", "assemble") else buckets
        written += 4 * len(WRITES[name]) * (tasks + by_readers)  # put, look, copy, delete
    tasks = snapshot.tasks + 9 * buckets + 3 * slices + sum(found.groups * found.ranges for found in merged.values())
    return tasks, 2 * (buckets * of_buckets + slices * of_slices), merging_reads, written + 2 * tasks


def objects_of(snapshot: Snapshot) -> tuple[int, int]:
    """What lies in `work/` at most, if nothing were removed, and what is left in the end: records, places, sums."""
    merges = {name: found.groups * found.ranges for name, found in snapshot.merged.items()}
    tasks = requests_of(snapshot)[0]
    written = sum(len(WRITES[name]) * count for name, count in merges.items())
    written += snapshot.tasks * len(WRITES["extract"]) + snapshot.slices * (len(WRITES["counts"]) + 2)
    written += sum(snapshot.buckets * len(files) for name, files in WRITES.items() if name in BUCKET_PHASES)
    return tasks + written, tasks + merges["urls"] + merges["extract"] + len(WRITES) * 2


def rows(names: Sequence[str], archives: int, megabytes: int, pages: int) -> Iterator[tuple[str, Any]]:
    context = multiprocessing.get_context("spawn")
    for name in names:
        answers = context.Queue()
        child = context.Process(target=measure, args=(name, archives, megabytes, pages, answers))
        child.start()
        yield name, answers.get(timeout=3600)
        child.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--archives", type=int, default=90_000)
    parser.add_argument("--merge", type=int, default=200, help="MB, encoded")
    parser.add_argument("--pages", type=int, default=0, help="of an archive that extract reads, whole")
    parser.add_argument("--only", nargs="*", default=[*TASKS, "merge"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Snapshot(folder, arguments.archives)
        tasks, readers, merges, written = requests_of(snapshot)
        most, left = objects_of(snapshot)
    print(f"{tasks:,} tasks; requests: {readers:,} of readers, {merges:,} of merges, {written:,} that write")
    print(f"objects in work/: {most:,} if none were removed, {left:,} at rest")
    print(f"{arguments.archives:,} archives\n{'':<10}{'CPU s':>8}{'s':>8}{'memory MB':>11}{'writes MB':>11}")
    for name, (cpu_s, wall_s, peak, written) in rows(
        arguments.only, arguments.archives, arguments.merge, arguments.pages
    ):
        print(f"{name:<10}{cpu_s:>8.1f}{wall_s:>8.1f}{peak:>11,.0f}{written:>11.1f}", flush=True)


if __name__ == "__main__":
    main()
