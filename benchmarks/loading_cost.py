"""What steps of 140 MB cost the thread that trains, while workers are ahead of it.

    python -m benchmarks.loading_cost [threads processes ...]

Between two steps the training thread does what starting kernels is to the interpreter: small operations of torch one
after the other, each of which lets go of the interpreter's lock and takes it again. Told for each way of `workers_are`:
what the next step takes (wall, and CPU of that thread), the CPU of the loader's own thread in the training process,
and at which part of their speed without a loader the small operations run while workers decode.
"""

import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.cpu import cpu_seconds
from benchmarks.loading_samples import made_photograph, pair, tokens_of_words, write
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.loader import Loader
from model.data.packing import PackingSettings

STEPS, ROWS, WORKERS, WORK_S, PAIRS = 5, 16, 2, 1.5, 600


def main(ways: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pairs"
        photographs = _photographs()
        write(folder, [pair(number, photographs) for number in range(PAIRS)])
        alone = statistics.median(operations_a_second(0.5) for _ in range(5))
        print(f"{'':12} MB a step  next(): wall ms  CPU ms  loader's thread: CPU ms  small operations", flush=True)
        for way in ways:
            print(f"{way:12} {line(folder, way, alone)}", flush=True)


def line(folder: Path, way: str, alone: float) -> str:
    walls, cpus, others, rates, sizes = [], [], [], [], []
    with Loader(_config(folder, way), tokens_of_words()) as loader:
        steps = iter(loader)
        step = next(steps)
        for _ in range(STEPS):
            whole, own = time.process_time(), time.thread_time()
            rates.append(operations_a_second(WORK_S))
            _wait_until_idle()
            del step  # memory is given back by whoever drops a batch
            start, thread = time.perf_counter(), time.thread_time()
            step = next(steps)
            walls.append(1e3 * (time.perf_counter() - start))
            cpus.append(1e3 * (time.thread_time() - thread))
            others.append(1e3 * (time.process_time() - whole - (time.thread_time() - own)))
            sizes.append(sum(batch.frames_FCHW.numel() for batch in step.values()) / 1e6)
    size, wall, cpu, other = (statistics.median(found) for found in (sizes, walls, cpus, others))
    told = "with decoding" if way == "threads" else f"{other:.0f}"
    rate = statistics.median(rates) / alone
    return f"{size:9.0f}  {wall:15.1f}  {cpu:6.1f}  {told:>23}  {rate:8.0%} ({min(rates) / alone:.0%} at least)"


def _wait_until_idle() -> None:
    """Until threads and processes have made what they may be ahead."""
    used = float("inf")
    while used > 0.02:
        before = cpu_seconds()
        time.sleep(0.5)
        used = cpu_seconds() - before


def operations_a_second(seconds: float) -> float:
    """Of torch on one number, by this thread."""
    number, done, end = torch.zeros(1), 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(200):
            number.add_(1)
        done += 200
    return done / seconds


def _photographs() -> list[bytes]:
    """Small: what is measured is how they travel, not how they are decoded."""
    found = []
    for seed in range(20):
        file = io.BytesIO()
        made_photograph(seed).resize((64, 64)).save(file, "JPEG")
        found.append(file.getvalue())
    return found


def _config(folder: Path, way: Any) -> LoaderConfig:
    return LoaderConfig(
        datasets=(DatasetSettings("pairs", str(folder), "pairs", batch_rows=ROWS),),
        order=OrderSettings(lanes=4),
        packing=PackingSettings(row_tokens=256),
        images=ImageSettings(size_px=448, colour=0),
        read=ReadSettings(workers=WORKERS, workers_are=way, prefetch_rows=ROWS // WORKERS),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:] or ["threads", "processes"])
