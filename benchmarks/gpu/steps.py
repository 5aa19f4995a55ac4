"""Whole training steps: vision encoder, connector, blocks, frozen language model, backward pass, AdamW."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from benchmarks.gpu import dense
from benchmarks.gpu.measure import free, measured, synchronisations
from benchmarks.gpu.sizes import Shape, Size, build, made_batch
from model.data.batch import Batch
from model.network import attention
from model.network.flops import step_flops
from model.training.config import OptimiserSettings, ParallelSettings
from model.training.meter import known_peak
from model.training.optimiser import make_optimiser
from model.training.parallel import ParallelModel, Processes
from model.training.step import counts, train_step

Row = dict[str, Any]
OPEN_FLAMINGO = "as OpenFlamingo: dense masks, scores held"
#: By name: the backend of the cross-attention, and what is set beside it.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "weft": ("auto", {}),
    "weft, compiled": ("auto", {"compile": True}),
    "weft, compiled, activations computed again": ("auto", {"compile": True, "activation_checkpointing": True}),
    "dense masks, SDPA": ("sdpa_dense", {}),
    OPEN_FLAMINGO: ("scores_dense", {}),
}


def throughput(size: Size, device: torch.device, names: list[str]) -> Iterator[Row]:
    for shape in size.shapes:
        for name in names or WAYS:
            row: Row = {"shape": str(shape), "way": name}
            try:
                row |= _one(size, shape, device, *WAYS[name])
            except (RuntimeError, ValueError) as error:  # out of memory is a result too
                row["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            free(device)
            yield row


def _one(size: Size, shape: Shape, device: torch.device, backend: str, layout: dict[str, Any]) -> Row:
    torch.compiler.reset()
    batch = made_batch(size, shape)
    with _dense_backends(batch.media_index_BT.to(device)):
        model = build(size, device).train()
        for block in model.gated_blocks():
            block.backend = backend  # type: ignore[assignment]
        flops = step_flops(model).of(batch)
        precision: Literal["float32", "bfloat16"] = "bfloat16" if device.type == "cuda" else "float32"
        step = make_step(ParallelSettings(precision=precision, **layout), model, device, batch)
        found = measured(step, device, size.calls, warm_up=3)
        waits = synchronisations(step, device)
    seconds, peak = found.ms / 1000, known_peak(device, precision)
    return {
        "ms": found.ms,
        "least_ms": found.least_ms,
        "most_ms": found.most_ms,
        "tokens_per_s": batch.tokens_BT.numel() / seconds,
        "images_per_s": len(batch.frames_FCHW) / seconds,
        "tflops": flops / seconds / 1e12,
        "mfu": flops / seconds / 1e12 / peak if peak else None,
        "peak_gb": found.peak_gb,
        "synchronisations": None if waits is None else dict(waits),
    }


def make_step(settings: ParallelSettings, model: Any, device: torch.device, batch: Batch) -> Callable[[], Any]:
    """What the training loop does with a batch, with the batch in the memory that the loader gives."""
    processes = Processes(0, 1, device)
    parallel = ParallelModel(model, settings, processes)
    optimiser = make_optimiser(model, OptimiserSettings())
    batches = {"made": batch.pin_memory() if device.type == "cuda" else batch}
    wanted = counts(batches, "token_mean")
    return lambda: train_step(parallel, optimiser, batches, wanted, processes, clip_norm=1.0)


@contextmanager
def _dense_backends(index_BT: torch.Tensor) -> Iterator[None]:
    before = dict(attention.BACKENDS)
    attention.BACKENDS["sdpa_dense"] = dense.dense_attention(index_BT, dense.sdpa)
    attention.BACKENDS["scores_dense"] = dense.dense_attention(index_BT, dense.scores_held)
    try:
        yield
    finally:
        attention.BACKENDS.clear()
        attention.BACKENDS.update(before)
