"""What one GPU makes of the network and of training, in under nine minutes.

    python -m benchmarks.gpu [attention] [steps] [waiting] [--out FILE.json] [--device cpu]

A language model of a billion weights and a ViT-L/14, both random: speed does not depend on what they know. `attention`:
each way beside the others, and by what it differs from float32 on a CPU. `steps`: whole steps, beside the blocks of
OpenFlamingo. `waiting`: runs over shards of photographs, decoded by threads or by
processes, compiled or not. On a CPU all is tiny, to see that it runs.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.attention import compare
from benchmarks.gpu.sizes import FULL, TINY
from benchmarks.gpu.steps import throughput
from benchmarks.gpu.table import table
from benchmarks.gpu.waiting import WAYS, waiting

PARTS = ("attention", "steps", "waiting")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--out", type=Path, help="all figures as JSON")
    parser.add_argument("--ways", nargs="*", default=[], help="of steps, some")
    parser.add_argument("--runs", nargs="*", default=[], choices=tuple(WAYS), help="of waiting, some")
    parser.add_argument("--workers", type=int, default=max(1, min(12, (os.cpu_count() or 1) - 2)))
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        print("torch sees no GPU here: `--device cpu` runs a tiny size, which measures nothing", file=sys.stderr)
        return 1
    size, device = (FULL, torch.device("cuda", 0)) if given.device == "cuda" else (TINY, torch.device("cpu"))
    machine = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    found: dict[str, Any] = {"device": machine, "torch": torch.__version__, "size": size.name}
    print(f"{machine}, torch {torch.__version__}, {size.name}", flush=True)
    runs: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "attention": lambda: compare(size, device),
        "steps": lambda: list(throughput(size, device, given.ways)),
        "waiting": lambda: list(waiting(size, device, given.workers, given.runs)),
    }
    for name in given.parts or PARTS:
        began = time.perf_counter()
        found[name] = runs[name]()
        print(f"\n{name}, {time.perf_counter() - began:.0f} s\n{table(found[name])}", flush=True)
        if given.out:
            given.out.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
