"""Batches from rows that actors of Ray make, beside threads, and beside Ray Data's streaming ingest of the same shards.

    python -m benchmarks.ray_loading

An epoch of pairs each, photographs of 512 pixels at 224; images a second of wall time and of CPU, that of all of Ray's
processes in it, after the first batch. Ray Data reads the tars and decodes with the same function, without tokens, rows
or an order to go on in. More workers than this machine has cores are simulated: they sleep as long as a row took.
"""

import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch

from benchmarks.cpu import cpu_seconds
from benchmarks.loading_samples import pair, photographs, tokens_of_words, write
from jobs.engine.engine import EngineSettings, open_engine
from jobs.engine.ray_rows import RayWorkers, RowActor
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.documents import Medium
from model.data.images import ImageSettings, pixels_of
from model.data.loader import Loader
from model.data.rows import LoaderError
from model.data.workers import Job, Turn

PAIRS, ROWS, SIZE, STORE = 1600, 8, 224, 512 << 20
IMAGES = ImageSettings(size_px=SIZE, colour=0)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, open_engine(EngineSettings(workers=4, object_store_bytes=STORE)):
        folder = Path(scratch) / "pairs"
        pictures = photographs(None)
        write(folder, [pair(number, pictures) for number in range(PAIRS)])
        ways: dict[str, Callable[[], Iterator[int]]] = {
            f"{kind}, {workers} worker{'s' * (workers > 1)}": partial(ours, folder, kind, workers)
            for kind, workers in itertools.product(("threads", "ray"), (1, 2))
        }
        ways["Ray Data"] = partial(ray_data, folder)
        ways |= {f"ray, {n} simulated": partial(ours, folder, "ray", n, Sleeping) for n in (1, 2, 4, 8)}
        print(f"{'':20} images/s  images/cpu-s  first batch after s", flush=True)
        for name, way in ways.items():
            print(f"{name:20} {measured(way)}", flush=True)


def measured(way: Callable[[], Iterator[int]]) -> str:
    start = time.perf_counter()
    images = way()
    next(images)
    first, cpu = time.perf_counter(), cpu_seconds()
    count = sum(images)
    wall, taken = time.perf_counter() - first, cpu_seconds() - cpu
    return f"{count / wall:8.0f}  {count / taken:12.0f}  {first - start:19.1f}"


def ours(folder: Path, workers_are: Any, workers: int, kind: type[RowActor] = RowActor) -> Iterator[int]:
    """Images of each batch."""
    config = LoaderConfig(
        datasets=(DatasetSettings("pairs", str(folder), "pairs", batch_rows=ROWS),),
        order=OrderSettings(lanes=8),
        images=IMAGES,
        read=ReadSettings(workers=workers, workers_are=workers_are, prefetch_rows=8),
    )
    seen = 0
    with Loader(config, tokens_of_words(), make_workers=partial(RayWorkers, kind=kind)) as loader:
        for step in loader:
            images = sum(len(batch.frames_FCHW) for batch in step.values())
            yield images
            seen += images
            if seen >= PAIRS:
                return


class Sleeping(RowActor):
    """Gives a few rows over and over, each after as long as it took to make one."""

    def __init__(self, job: Job, number: int) -> None:
        super().__init__(job, number)
        super().next(4)
        start = time.process_time()
        self._rows = [turn for turn in super().next(8) if isinstance(turn, Turn)]
        self._took_s = (time.process_time() - start) / len(self._rows)

    def next(self, count: int) -> list[Turn | LoaderError]:
        time.sleep(self._took_s * count)
        return list(itertools.islice(itertools.cycle(self._rows), count))


def ray_data(folder: Path) -> Iterator[int]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    tars = [str(path) for path in sorted((folder / "shards").glob("*.tar"))]
    read = ray.data.read_webdataset(tars, decoder=None).map(_decoded)
    for batch in read.iter_batches(batch_size=ROWS * 12, prefetch_batches=2):
        frames = torch.from_numpy(np.ascontiguousarray(batch["frame"]))
        yield len(frames)


def _decoded(sample: dict[str, Any]) -> dict[str, Any]:
    return {"frame": pixels_of(Medium(sample["jpg"]), random.Random(0), IMAGES)[0], "text": sample["txt"]}


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
