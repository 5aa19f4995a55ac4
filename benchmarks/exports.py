"""What a dataset takes in the forms of others, and in and out of them: samples a CPU second, and bytes.

    python -m benchmarks.exports [--pages 2000]

Builds pages of `benchmarks.synthetic`, exports them in each form, and imports the parquet again. Seconds are CPU
seconds of this process and its children, with the start of the libraries that each form needs.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.append import write_archives
from benchmarks.cpu import cpu_seconds
from jobs.build import build
from jobs.config import load_config
from jobs.dataset.exports.forms import FORMS, form_of
from jobs.dataset.exports.run import export
from jobs.dataset.foreign import files_of
from jobs.dataset.imports.run import import_files
from jobs.engine.engine import EngineSettings
from schemas.storage import Store

INLINE = EngineSettings(engine="inline")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=2000)
    pages = parser.parse_args().pages
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        archives = [str(path) for path in write_archives(place, 0, pages)]
        made = build(str(place / "out"), archives, load_config("default", []), INLINE).kinds["interleaved"]
        print(f"{made.samples:,} pages, {made.images:,} images, shards of {made.bytes / 1e6:,.1f} MB")
        for name in FORMS:
            source, output = Store(str(place / "out")), Store(str(place / name))
            tell(name, made.samples, place / name, partial(export, source, output, name, form_of(name), (), INLINE))
        theirs, names, _ = files_of(str(place / "parquet/interleaved"))
        imported = place / "imported"
        tell(
            "parquet, imported",
            made.samples,
            imported,
            lambda: import_files(theirs.url, names, Store(str(imported)), INLINE),
        )


def tell(name: str, samples: int, output: Path, work: Callable[[], object]) -> None:
    before = cpu_seconds()
    work()
    took = cpu_seconds() - before
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{name}: {took:.2f} s, {samples / took:,.0f} samples a CPU second, {size / 1e6:,.1f} MB", flush=True)


if __name__ == "__main__":
    main()
