"""What it costs to add pages to a dataset, beside a build of everything anew; and what of it grows with the dataset.

    python -m benchmarks.append [--pages 1000 4000] [--added 500]

Builds the synthetic web of `benchmarks.synthetic`, adds pages to it, and builds all of them at once. Seconds are CPU
seconds of this process and its children. `known` are the phases that read what is there: they alone see it. `captured`
is what leaving the places of the inputs' images takes of `built`.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pyarrow as pa

from benchmarks.cpu import cpu_seconds
from benchmarks.synthetic import write_archive
from jobs import build as building
from jobs.config import load_config
from jobs.engine.engine import EngineSettings
from jobs.phases import duplicates
from jobs.phases.captured import keep_captured
from jobs.phases.run import Phases
from jobs.phases.task import Phase, Task
from schemas.commits import Commit
from schemas.dataset import Dataset

PAGES_AN_ARCHIVE = 250
INLINE = EngineSettings(engine="inline")


class TimedPhases(Phases):
    """Phases that note what each takes."""

    seconds: ClassVar[dict[str, float]] = defaultdict(float)

    def run(self, phase: Phase, *arguments: Any, **named: Any) -> list[Commit]:
        before = cpu_seconds()
        try:
            return super().run(phase, *arguments, **named)
        finally:
            self.seconds[phase.name] += cpu_seconds() - before


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, nargs="*", default=[1000, 4000])
    parser.add_argument("--added", type=int, default=500)
    arguments = parser.parse_args()
    setattr(building, "Phases", TimedPhases)  # noqa: B010  no other build is measured
    head = "pages there | built, s | added | append, s | of it known, s | all at once, s | keys, bytes a page"
    print(f"{head} | captured, s | images | bytes an image")
    for pages in arguments.pages:
        with tempfile.TemporaryDirectory() as folder:
            print(" | ".join(measure(Path(folder), pages, arguments.added)), flush=True)


def measure(folder: Path, pages: int, added: int) -> list[str]:
    """One line of the table."""
    old = write_archives(folder, 0, pages)
    new = write_archives(folder, pages, added)
    timed(building.build, folder / "warm", new[:1])
    with patch.object(duplicates, "keep_captured", Keeping()) as keeping:
        built, _ = timed(building.build, folder / "out", old)
    captured = sum(path.stat().st_size for path in (folder / "out/captured").iterdir()) / keeping.images
    TimedPhases.seconds.clear()
    grown, dataset = timed(building.append, folder / "out", new)
    known = sum(
        seconds for name, seconds in TimedPhases.seconds.items() if name.startswith(("known", "spare", "supersede"))
    )
    once, whole = timed(building.build, folder / "once", [*old, *new])
    keys = sum(path.stat().st_size for path in (folder / "out/interleaved/keys").iterdir())
    samples = dataset.builds[0].written["interleaved"].samples + dataset.builds[1].written["interleaved"].samples
    print(f"kept: {dataset.kinds['interleaved'].samples}, at once {whole.kinds['interleaved'].samples}")
    figures = (built, added, grown, known, once)
    of_captured = [f"{keeping.seconds:.3f}", str(keeping.images), f"{captured:.0f}"]
    return [
        str(pages),
        *(f"{figure:.2f}".removesuffix(".00") for figure in figures),
        f"{keys / samples:.0f}",
        *of_captured,
    ]


class Keeping:
    """`keep_captured`, timed."""

    def __init__(self) -> None:
        self.seconds, self.images = 0.0, 0

    def __call__(self, task: Task, captures: pa.Table) -> None:
        before = time.process_time()
        keep_captured(task, captures)
        self.seconds += time.process_time() - before
        self.images += len(captures)


def timed(make: Any, output: Path, archives: list[str]) -> tuple[float, Dataset]:
    """CPU seconds of a build, and what it made."""
    before = cpu_seconds()
    dataset: Dataset = make(str(output), archives, load_config("default", ["partitions=4", "buckets=2"]), INLINE)
    return cpu_seconds() - before, dataset


def write_archives(folder: Path, first: int, count: int) -> list[str]:
    starts = range(first, first + count, PAGES_AN_ARCHIVE)
    return [
        str(write_archive(folder / f"{start}.warc", start, min(PAGES_AN_ARCHIVE, first + count - start)))
        for start in starts
    ]


if __name__ == "__main__":
    main()
