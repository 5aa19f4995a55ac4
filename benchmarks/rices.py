"""RICES over a million support images: seconds, memory, recall of the exact search, and an index of graphs beside it.

    python -m benchmarks.rices [--images 1000000] [--queries 1024] [--width 768] [--index 5000] [--device cpu]

Features are made: 2,000 kinds of images, each a direction with others scattered around it, float16 in a file that is
mapped into memory. `--index` builds faiss's HNSW (`pip install faiss-cpu`) over so many of them, if it is installed; 0
leaves it. Seconds are of the CPU, and of the clock on a GPU.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cpu import cpu_seconds
from model.evaluation.similar import Features, most_alike

SHOTS = 32
KINDS = 2000


def made(path: Path, count: int, width: int) -> Features:
    """Features [N, D] of unit length, a file of them."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(KINDS, width)).astype(np.float32)
    table = np.lib.format.open_memmap(str(path), "w+", np.float16, (count, width))
    for start in range(0, count, 1 << 14):
        stop = min(count, start + (1 << 14))
        some = kinds[rng.integers(KINDS, size=stop - start)] + rng.normal(size=(stop - start, width)).astype(np.float32)
        table[start:stop] = some / np.linalg.norm(some, axis=1, keepdims=True)
    table.flush()
    features: Features = np.load(path, mmap_mode="r")
    return features


def timed(what: str, run: Callable[[], Any], device: str) -> Any:
    clock, before = time.perf_counter(), cpu_seconds()
    found = run()
    seconds = time.perf_counter() - clock if device != "cpu" else cpu_seconds() - before
    print(f"{what:<58} {seconds:8.1f} s")
    return found


def graph(features: Features, queries: Features) -> None:
    """faiss's index of graphs over a part, and how much of the exact answer it finds."""
    try:
        import faiss
    except ImportError:
        print("faiss is not installed: no index beside it")
        return
    faiss.omp_set_num_threads(1)
    exact = most_alike(features, np.arange(len(features)), queries, SHOTS)
    index = faiss.IndexHNSWFlat(features.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 200, 128
    whole = np.asarray(features, np.float32)
    timed(f"HNSW built over {len(features):,}", lambda: index.add(whole), "cpu")
    found = timed(
        f"HNSW asked {len(queries):,} times", lambda: index.search(queries.astype(np.float32), SHOTS)[1], "cpu"
    )
    hits = [len(set(one) & set(other)) / SHOTS for one, other in zip(found.tolist(), exact.tolist(), strict=True)]
    print(f"HNSW recall at {SHOTS}: {np.mean(hits):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1024)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--index", type=int, default=5_000)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        features = made(Path(folder) / "features.npy", settings.images, settings.width)
        queries = np.asarray(features[:: max(1, settings.images // settings.queries)][: settings.queries])
        numbers = np.arange(settings.images)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = timed(
            f"exact: {len(queries):,} queries over {settings.images:,} on {settings.device}",
            lambda: most_alike(features, numbers, queries, SHOTS, settings.device),
            settings.device,
        )
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
        print(f"memory beyond what was there, mapped pages included: {more:,.0f} MB")
        some = np.linspace(0, len(queries) - 1, 20).astype(int)
        right = 0
        for n in some:
            products = np.concatenate(
                [
                    part.astype(np.float32) @ queries[n].astype(np.float32)
                    for part in np.array_split(features, max(1, settings.images // 50_000))
                ]
            )
            right += len(set(np.argpartition(-products, SHOTS)[:SHOTS].tolist()) & set(found[n].tolist()))
        print(f"recall at {SHOTS} of {len(some)} queries, against a full sort: {right / SHOTS / len(some):.4f}")
        if settings.index:
            graph(features[: settings.index], queries)


if __name__ == "__main__":
    main()
