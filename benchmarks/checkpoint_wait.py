"""How long a step waits for a checkpoint: `python -m benchmarks.checkpoint_wait --gb 1`.

A model whose new weights and optimiser have that size is trained on nothing (gradients of 0; products of matrices take
the seconds that real ones would), and saved three times as `weft train` does, after some steps. Printed are the seconds
that the save takes itself, those that the next update waits for the copy, those until the checkpoint is whole, and how
long steps take meanwhile beside undisturbed ones. `--output` may be a URL.
On a GPU: `--device cuda --gb 10`.
"""

import argparse
import mmap
import statistics
import tempfile
import time
from pathlib import Path

import torch

from model.network.config import ConnectorSettings, CrossAttentionSettings, FlamingoConfig, LanguageSettings
from model.network.flamingo import Flamingo
from model.network.late import Late
from model.training.checkpoints import folder_of
from model.training.config import CheckpointSettings, OptimiserSettings, ParallelSettings, TrainConfig
from model.training.optimiser import make_optimiser
from model.training.parallel import ParallelModel, Processes
from model.training.saving import Saver

WIDTH, SAVES = 1024, 3
BLOCK = 12 * 12 * WIDTH**2  # bytes of a block with two moments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=1.0, help="of weights and optimiser")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", default="")
    parser.add_argument("--before", type=float, default=2.0, help="seconds a GB of steps before the first save")
    parser.add_argument("--gradients", type=float, default=1.0, help="seconds of a step that its gradients take")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it to torch")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        output = arguments.output or str(Path(folder) / "run")
        layers, before_s = max(1, round(arguments.gb * 1e9 / BLOCK)), arguments.before * arguments.gb
        measure(layers, device, output, before_s, arguments.gradients)


def measure(layers: int, device: torch.device, output: str, before_s: float, gradients_s: float) -> None:
    parallel, optimiser = trained(layers, device)
    size = sum(parameter.numel() for parameter in parallel.model.trainable_parameters().values())
    print(f"{12 * size / 1e9:.2f} GB of weights and optimiser on {device}")
    config = TrainConfig(output=output, checkpoint=CheckpointSettings(keep_latest=1))
    saver = Saver(config, parallel, optimiser, Processes(0, 1, device))
    began, quiet = time.perf_counter(), list[float]()
    while len(quiet) < 6 or time.perf_counter() - began < before_s:  # a run has the memory of its copies long before
        quiet.append(step(saver, optimiser, device, gradients_s)[0])
    for number in range(1, SAVES + 1):
        began = time.perf_counter()
        saver.begin(number, {}, {})
        itself, meanwhile = time.perf_counter() - began, [step(saver, optimiser, device, gradients_s)]
        while not saver.is_done:
            meanwhile.append(step(saver, optimiser, device, gradients_s))
        saver.wait()
        took = time.perf_counter() - began
        slow = statistics.median(seconds for seconds, _ in meanwhile) / statistics.median(quiet[len(quiet) // 2 :])
        print(
            f"save {number}: {itself:.2f} s, the next update waited {meanwhile[0][1]:.2f} s, "
            f"whole after {took:.1f} s, steps took {slow:.2f} times meanwhile"
        )
    print(f"the last: {folder_of(output, SAVES)}")


def trained(layers: int, device: torch.device) -> tuple[ParallelModel, torch.optim.AdamW]:
    lm = {"model_type": "gpt2", "n_layer": layers, "n_embd": WIDTH, "n_head": 8, "n_inner": 64, "vocab_size": 64}
    config = FlamingoConfig(
        LanguageSettings(config={**lm, "bos_token_id": None, "eos_token_id": None}),
        connector=ConnectorSettings(layers=1, latents=4, heads=4, head_dim=32, dim=WIDTH),
        cross_attention=CrossAttentionSettings(every=1, ff_mult=4),
    )
    late = Late()
    model = Flamingo.build(config, (64, 65), late=late)
    settings = ParallelSettings(precision="bfloat16" if device.type == "cuda" else "float32")
    parallel = ParallelModel(model, settings, Processes(0, 1, device), late=late)
    for parameter in model.trainable_parameters().values():
        parameter.grad = _zeros_like(parameter)
    return parallel, make_optimiser(model, OptimiserSettings())


def _zeros_like(parameter: torch.Tensor) -> torch.Tensor:
    """Zeros that take no memory on a CPU, where they are only read: a third of weights and optimiser otherwise."""
    if parameter.device.type != "cpu":
        return torch.zeros_like(parameter)
    unwritten = mmap.mmap(-1, parameter.numel() * parameter.element_size(), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(unwritten, dtype=parameter.dtype).view_as(parameter)


def step(saver: Saver, optimiser: torch.optim.AdamW, device: torch.device, gradients_s: float) -> tuple[float, float]:
    """Its seconds, and of these the ones in which its update waited for a copy."""
    began, matrix = time.perf_counter(), torch.ones(1024, 1024, device=device)
    while time.perf_counter() - began < gradients_s:
        float((matrix @ matrix)[0, 0])
    computed = time.perf_counter()
    saver.wait_for_copy()
    waited = time.perf_counter() - computed
    optimiser.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, waited


if __name__ == "__main__":
    main()
