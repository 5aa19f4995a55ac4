"""Speed of the extract phase beside a bare parse, speed of image work, and memory on an archive ten times as large.

    python -m benchmarks.build ARCHIVE.warc.gz [PAGES_FOLDER]

ARCHIVE holds pages with their images; PAGES_FOLDER holds NAME/source.html files, packed into an archive for the first
measurement (ARCHIVE itself is taken without it). Rounds of the compared things alternate in one run, and the ratio is
the figure to quote: seconds are CPU seconds of this process and its children, on whatever machine this is.
"""

import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from selectolax.lexbor import LexborHTMLParser

from benchmarks.archives import pack_pages, repeat, responses
from benchmarks.cpu import cpu_seconds
from crawlers.warc import read_captures
from crawlers.warc_records import WarcSettings, page_of_capture
from jobs.config import BuildConfig
from jobs.kinds.interleaved.take import TakeDrafts
from jobs.phases.extract import EXTRACT
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.task import Run, run_task
from pipeline.image.codec import decode_image
from pipeline.page.charset import decode_html
from schemas.drops import Drop, Tally
from schemas.storage import Store

ROUNDS = 5


def main(archive: Path, pages_folder: Path | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pages = archive
        if pages_folder is not None:
            pages = folder / "pages.warc.gz"
            pack_pages(pages_folder, pages)
        compare_extraction(pages, folder)
        measure_images(archive)
        measure_memory(archive, folder)


def compare_extraction(source: Path, folder: Path) -> None:
    """WARC to committed drafts, and to drafts in one process, beside WARC to parsed trees."""
    archive = folder / "many.warc.gz"
    repeat(source, archive, 10)
    data = archive.read_bytes()
    recipe = Recipe(BuildConfig())
    config, number = recipe.config, 0

    def phase() -> None:
        nonlocal number
        number += 1
        out = str(folder / f"out-{number}")
        make_plan(Store(out), [str(archive)], recipe)
        run_task(EXTRACT, Run.new(out), (recipe, [TakeDrafts]), 0)

    def in_process() -> None:
        for capture in read_captures(io.BytesIO(data), "", len(data), WarcSettings(), Tally()):
            if not capture.is_image:
                try:
                    recipe.read(page_of_capture(capture, 0, "", config.warc))
                except Drop:
                    pass

    def parse_only() -> None:
        for capture in read_captures(io.BytesIO(data), "", len(data), WarcSettings(), Tally()):
            if not capture.is_image:
                page = page_of_capture(capture, 0, "", config.warc)
                LexborHTMLParser(decode_html(page.html, page.charset))

    pages = sum(not c.is_image for c in read_captures(io.BytesIO(data), "", len(data), WarcSettings(), Tally()))
    seconds = alternate({"parse only": parse_only, "drafts, one process": in_process, "extract phase": phase})
    print(f"WARC to drafts, {pages} pages, {len(data) / 1e6:.1f} MB compressed, medians of {ROUNDS} rounds")
    for name, taken in seconds.items():
        rate = pages / statistics.median(taken)
        share = statistics.median(taken) / statistics.median(seconds["parse only"])
        print(f"  {name:<20} {rate:8.0f} pages per CPU second   {share:5.2f} x the time of a parse")


def measure_images(archive: Path) -> None:
    """Header, decode, resize, hashes and encoding, as the assemble phase does them."""
    bodies = [body for _, body, content_type in responses(archive) if content_type.startswith("image/")]
    config = BuildConfig()
    for name, encoding in (
        ("kept or resized to 512", config.encoding),
        ("all encoded as JPEG", msgspec.structs.replace(config.encoding, keep_below_bytes=0, format="jpg")),
    ):
        kept, started = 0, time.process_time()
        for body in bodies * 5:
            try:
                decode_image(body, config.image, encoding)
                kept += 1
            except Drop:
                pass
        rate = len(bodies) * 5 / (time.process_time() - started)
        print(f"images, {name:<24} {rate:8.0f} images per CPU second ({kept} of {len(bodies) * 5} kept)")


def measure_memory(archive: Path, folder: Path) -> None:
    """Peak resident memory of the largest process of a build, on an archive and on ten times as much."""
    for times in (1, 10):
        larger = folder / f"times-{times}.warc.gz"
        repeat(archive, larger, times)
        peak = peak_memory([str(larger), str(folder / f"memory-{times}")])
        print(f"peak memory, {larger.stat().st_size / 1e6:7.1f} MB archive: {peak / 1e6:6.0f} MB")


def peak_memory(arguments: list[str]) -> int:
    """Bytes. A process of its own, because the kernel reports the largest of all children that ever ended."""
    code = (
        "import resource, subprocess, sys; "
        "command = [sys.executable, '-m', 'jobs.build', '--input', sys.argv[1], '--output', sys.argv[2]]; "
        "subprocess.run([*command, '--engine', 'inline'], check=True, capture_output=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    return int(subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True).stdout)


def alternate(contenders: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """CPU seconds of each contender in each round, the rounds interleaved."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            before = cpu_seconds()
            run()
            seconds[name].append(cpu_seconds() - before)
    return seconds


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
