"""What building a model costs in memory: `python -m benchmarks.placing --megabytes 800 --processes 1,2,4,8`.

A language model is saved to a folder, in bfloat16. Then, each in a process of its own, the first of so many processes
builds a Flamingo around it at once, as a CPU does, or makes its share of it late; the most memory that was its own
(anonymous: pages of files that are mapped can be let go) is taken every 5 ms. With `--device cuda` the weights come to
lie on the GPU; a group of one process is enough then.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch

WIDTH, LAYER = 1024, 2 * (4 * 1024**2 + 3 * 1024 * 4096)  # bytes of a layer
LARGEST = 2 * 32_000 * WIDTH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=800, help="of the language model")
    parser.add_argument("--processes", default="1,2,4,8")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one), arguments.device)))
        return
    with tempfile.TemporaryDirectory() as folder:
        save(folder, max(1, arguments.megabytes * 10**6 // LAYER))
        size = sum(file.stat().st_size for file in Path(folder).glob("*.safetensors"))
        print(f"language model: {size / 1e9:.2f} GB, its largest weight {LARGEST / 1e6:.0f} MB")
        for world in (0, *map(int, arguments.processes.split(","))):
            told = json.dumps({"folder": folder, "world": max(1, world), "late": bool(world)})
            command = [sys.executable, "-m", "benchmarks.placing", "--device", arguments.device, "--one", told]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            name = f"late, one of {world}" if world else "at once"
            peak, held = found["peak"] / 1e9, found["held"] / 1e9
            print(f"{name}: {peak:.2f} GB at most, {held:.2f} held, {found['seconds']:.1f} s")


def save(folder: str, layers: int) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=WIDTH,
        intermediate_size=4096,
        num_hidden_layers=layers,
        num_attention_heads=16,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).bfloat16().save_pretrained(folder, max_shard_size="300MB")


def measure(told: dict[str, Any], device: str) -> dict[str, float]:
    """Bytes and seconds in this process."""
    import torch.distributed as dist
    from torch.testing._internal.distributed.fake_pg import FakeStore

    from model.network.config import ConnectorSettings, CrossAttentionSettings, FlamingoConfig, LanguageSettings
    from model.network.flamingo import Flamingo
    from model.network.late import Late
    from model.training.config import ParallelSettings
    from model.training.parallel import ParallelModel, Processes

    connector = ConnectorSettings(layers=1, latents=8, heads=4, head_dim=32)
    settings = FlamingoConfig(
        LanguageSettings(path=told["folder"]), connector=connector, cross_attention=CrossAttentionSettings(every=8)
    )
    world = told["world"]
    if world > 1:
        dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=world)
    before, began = own_bytes(), time.perf_counter()
    with Watch() as watch:
        late = Late() if told["late"] else None
        model = Flamingo.build(settings, (32_000, 32_001), late=late)
        model.settle_packing = lambda packed=True: None  # type: ignore[method-assign]
        processes = Processes(0, world, torch.device(device))
        ParallelModel(model, ParallelSettings(strategy="fsdp", precision="bfloat16"), processes, late=late)
        seconds = time.perf_counter() - began
    del late
    return {"peak": watch.most - before, "held": own_bytes() - before, "seconds": seconds}


class Watch:
    """The most memory that was this process's own, within it."""

    def __enter__(self) -> "Watch":
        self.most, self._done = own_bytes(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self.most = max(self.most, own_bytes())


def own_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return 1024 * int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
