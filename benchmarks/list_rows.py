"""Memory and time of reading a long list of addresses and captions, before any image is fetched.

    python -m benchmarks.list_rows [ROWS] [PRESET ...]

A list of ROWS rows, default a million, is made up and handed to the partitions; each preset in a process of its own.
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.config import load_config
from jobs.kinds.pairs.lists import LISTS
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.task import Run, run_task
from schemas.storage import Store

_HOSTS, _WORDS, _WORDS_A_CAPTION = 5000, 200_000, 8


def main(rows: int, presets: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "list.parquet"
        write_list(path, rows)
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB")
        for preset in presets:
            out = str(Path(scratch) / preset)
            subprocess.run([sys.executable, "-m", "benchmarks.list_rows", "read", str(path), preset, out], check=True)


def write_list(path: Path, rows: int) -> None:
    rng = random.Random(1)
    words = [f"word{number}" for number in range(_WORDS)]
    schema = pa.schema([("url", pa.string()), ("caption", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 100_000):
            numbers = range(start, min(rows, start + 100_000))
            urls = [f"https://host{rng.randrange(_HOSTS)}.example.com/{number}.jpg" for number in numbers]
            captions = [" ".join(rng.choices(words, k=_WORDS_A_CAPTION)) for _ in numbers]
            writer.write_table(pa.table({"url": urls, "caption": captions}))


def read(path: str, preset: str, out: str) -> None:
    recipe = Recipe(msgspec.structs.replace(load_config(preset, []), kinds=("pairs",)))
    plan = make_plan(Store(out), [path], recipe, "lists")
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    commit = run_task(LISTS, Run.new(out), (recipe,), 0)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = commit.counts.kept.get("pair", 0)
    print(
        f"  {preset:<10} {kept:,} kept, {plan.partitions} partitions, {time.process_time() - began:.0f} CPU seconds, "
        f"{after / 1024:.0f} MB at most, {before / 1024:.0f} MB before the first row",
        flush=True,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["read", path, preset, out]:
            read(path, preset, out)
        case [*rest]:
            main(int(rest[0]) if rest else 1_000_000, rest[1:] or ["list", "align"])
