"""Times, memory and synchronisations of what runs on a device."""

import gc
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

ROUNDS = 3


@dataclass(frozen=True)
class Measured:
    """Of one call: the median of rounds, the least and the most, in milliseconds; memory in GB, None on a CPU."""

    ms: float
    least_ms: float
    most_ms: float
    peak_gb: float | None


def measured(run: Callable[[], Any], device: torch.device, calls: int, warm_up: int = 2) -> Measured:
    """A round is so many calls between two synchronisations. Raises `torch.OutOfMemoryError`."""
    free(device)
    for _ in range(warm_up):
        run()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        rounds.append((time.perf_counter() - start) / calls * 1000)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None
    return Measured(statistics.median(rounds), min(rounds), max(rounds), peak)


def free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def synchronisations(run: Callable[[], Any], device: torch.device) -> Counter[str] | None:
    """How often one call waits for the GPU, by the line that does; None on a CPU, where nothing waits."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    places = (w for w in found if "synchroniz" in str(w.message))
    return Counter("/".join(w.filename.split("/")[-2:]) + f":{w.lineno}" for w in places)
