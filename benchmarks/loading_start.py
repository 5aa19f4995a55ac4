"""How soon the first batch of 10,000 shards with 10^8 pairs comes at 20 ms a request, and what waits for data then.

    python -m benchmarks.loading_start

The store is made up (`tests/model/wide.py`) and counts what it is asked for: pages of 1,000 names, small files, ranges.
Then 30 steps of which training takes a second each, with reads ahead of their turn and without.
"""

import time
from collections import Counter
from typing import Any

import fsspec
import torch

from benchmarks.loading_samples import tokens_of_words
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.loader import Loader
from tests.model.wide import WideStore

STEPS, STEP_S, REQUEST_S = 30, 1.0, 0.02


def main() -> None:
    fsspec.register_implementation("wide", WideStore, clobber=True)
    WideStore.request_s = REQUEST_S
    print(f"{'':28} {'listed, s':>9} {'first batch, s':>14}  waits  requests", flush=True)
    for name, ahead in (("sized", True), ("plain", True), ("plain", False)):
        label = {"sized": "sizes.json", "plain": "indexes alone"}[name] + ("" if ahead else ", none ahead")
        print(f"{label:28} {measured(name, ahead)}", flush=True)


def measured(name: str, ahead: bool) -> str:
    read: dict[str, Any] = {} if ahead else {"ahead_max_bytes": 0}
    config = LoaderConfig(
        datasets=(DatasetSettings("pairs", f"wide://{name}", "pairs", batch_rows=8),),
        order=OrderSettings(lanes=16),
        images=ImageSettings(size_px=64),
        read=ReadSettings(workers=2, **read),
    )
    WideStore.asked.clear()
    start = time.perf_counter()
    waited = 0.0
    with Loader(config, tokens_of_words()) as loader:
        listed = time.perf_counter() - start
        steps = iter(loader)
        next(steps)
        first = time.perf_counter() - start
        requests = dict(Counter(what for what, _ in WideStore.asked))
        begun = time.perf_counter()
        for _ in range(STEPS):
            time.sleep(STEP_S)
            asked = time.perf_counter()
            next(steps)
            waited += time.perf_counter() - asked
        share = waited / (time.perf_counter() - begun)
    return f"{listed:9.1f} {first:14.1f}  {share:5.1%}  until the first batch {requests}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
