"""What it costs to take things out of a finished dataset, and to judge pages by captures of robots.txt.

    python -m benchmarks.removal [--pages 2000]

A dataset of the synthetic web of `benchmarks.synthetic` is built; then a list of nothing that is in it is carried out,
then one of a hundredth of its pages and as many images, by address and by hash. The same archives are built with
captures of the robots.txt of every host. CPU seconds of this process and its children.
"""

import argparse
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.append import INLINE, write_archives
from benchmarks.cpu import cpu_seconds
from jobs.build import build
from jobs.config import load_config
from jobs.dataset.index import Index
from jobs.dataset.removal import remove
from schemas.storage import Store
from schemas.urls import host_of
from tests.crawlers.robots_archive import EARLY, write_robots

SETTINGS = ["partitions=4", "buckets=2"]
RULES = b"User-agent: bot\nDisallow: /\n\nUser-agent: *\nDisallow: /private/\nContent-Usage: search=y\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        archives = write_archives(folder, 0, arguments.pages)
        _build(folder / "warm", archives[:1], [])
        built = _build(folder / "out", archives, [])
        with Index(Store(str(folder / "out"))) as index:
            rows = index.ask("SELECT url, image_sha256 FROM interleaved", limit=1_000_000).rows
        size = sum(path.stat().st_size for path in (folder / "out/interleaved/shards").iterdir())
        print(f"{len(rows)} samples, {size / 1e6:.0f} MB of shards, built in {built:.1f} s of CPU")
        chosen = random.Random(1).sample(rows, max(2, len(rows) // 50))
        half = len(chosen) // 2
        pages = [url for url, _ in chosen[:half]]
        images = [f"sha256:{hashes[0]}" for _, hashes in chosen[half:]]
        for what, lines in (("nothing that is there", ["nowhere.example"]), ("pages and images", pages + images)):
            shutil.copytree(folder / "out", folder / "copy")
            before = cpu_seconds()
            removals = remove(Store(str(folder / "copy")), lines, INLINE).removals
            took = cpu_seconds() - before
            went = f", {removals[0].samples} samples and {removals[0].images} images" if removals else ""
            print(f"removing {what}{went}: {took:.2f} s, {took / len(rows) * 1e3:.2f} ms a sample, {took / built:.1%}")
            shutil.rmtree(folder / "copy")
        hosts = sorted({host_of(url) for url, _ in rows})
        captures: list[Any] = [(f"https://{host}/robots.txt", 200, {}, RULES, EARLY) for host in hosts]
        robots = _build(folder / "judged", archives, [write_robots(folder / "robots.warc.gz", captures)])
        print(f"with the robots.txt of {len(hosts)} hosts: {robots:.1f} s, {robots / built - 1:+.1%}")


def _build(output: Path, archives: list[str], robots: list[str]) -> float:
    before = cpu_seconds()
    build(str(output), archives, load_config("default", SETTINGS), INLINE, robots=robots)
    return cpu_seconds() - before


if __name__ == "__main__":
    main()
