"""What a run would be: parameters, memory, data and one step, of which nothing is kept."""

import resource
import sys
import time
from collections.abc import Iterator, Mapping

import torch

from model.data.batch import Batch
from model.data.render import render_text
from model.data.workers import MakeWorkers
from model.network.flamingo import Flamingo
from model.network.vision.absent import AbsentEncoder
from model.training.assembly import Run, assemble
from model.training.config import TrainConfig
from model.training.parallel import Processes
from model.training.step import counts, train_step

_SHOWN_LINES = 6


def dry_run(config: TrainConfig, processes: Processes, make_workers: MakeWorkers | None = None) -> Iterator[str]:
    """Lines for people. Raises what `assemble` raises, `LoaderError`, and what a step that does not fit raises."""
    run = assemble(config, processes, make_workers)
    yield from parameter_lines(run.model)
    yield from _memory_lines(run)
    with run.loader as loader:
        for dataset in config.data.datasets:
            yield f"dataset {dataset.name}: {loader.samples(dataset.name):,} samples, weight {dataset.weight:g}"
        began = time.perf_counter()
        batches = next(iter(loader))
        yield f"one step's batches, read in {time.perf_counter() - began:.1f} s:"
        for name, batch in batches.items():
            yield f"  {name}: {_batch_line(batch)}"
            lines = render_text(batch, 0, run.tokens).splitlines()
            yield from (f"    {line}" for line in lines[:_SHOWN_LINES])
    yield from _step_lines(run, batches)


def parameter_lines(model: Flamingo) -> Iterator[str]:
    """A line for each part, trained or frozen."""
    parts = {
        "language model": model.lm,
        "vision encoder": model.vision,
        "connector": model.connector,
        "cross-attention": model.blocks,
    }
    for name, count in model.count_parameters().items():
        part = parts.get(name)
        if isinstance(part, AbsentEncoder):
            yield f"{name}: not loaded, its features are read"
            continue
        trained = count if part is None else sum(one.numel() for one in part.parameters() if one.requires_grad)
        said = {0: "frozen", count: "trained"}.get(trained, f"{trained:,} of them trained")
        yield f"{name}: {count:,} parameters, {said}"
    total = sum(parameter.numel() for parameter in model.trainable_parameters().values())
    yield f"trained in all: {total:,}"


def _memory_lines(run: Run) -> Iterator[str]:
    weights = sum(p.numel() * p.element_size() for p in run.model.parameters())
    trained = sum(p.numel() for p in run.model.trainable_parameters().values())
    shares = run.processes.world if run.config.parallel.strategy == "fsdp" else 1
    state = trained * (4 + 8)  # gradient, and the two moments of AdamW, in float32
    yield (
        f"memory: weights {_size(weights / shares)}, gradients and optimiser {_size(state / shares)} on each of "
        f"{run.processes.world} process(es), activations beside them"
    )


def _batch_line(batch: Batch) -> str:
    rows, tokens = batch.tokens_BT.shape
    predicted = int((batch.loss_weight_BT > 0).sum())
    frame = batch.frames_FCHW if batch.features_FVI is None else batch.features_FVI
    shape = f"{frame.shape[-1]} pixels" if frame is batch.frames_FCHW else f"{frame.shape[1]} features each, not pixels"
    return (
        f"{rows} rows of {tokens} tokens, {batch.fill:.0%} filled, {len(batch.keys)} documents, {predicted:,} tokens "
        f"predicted, {len(batch.frame_offsets_M1) - 1} media with {len(batch.frames_FCHW)} frames of {shape}"
    )


def _step_lines(run: Run, batches: Mapping[str, Batch]) -> Iterator[str]:
    """Forward and backward; the weights are left as they are."""
    run.model.train()
    wanted = run.processes.sum(counts(batches, run.config.loss)).cpu()
    began = time.perf_counter()
    outcome = train_step(
        run.parallel,
        run.optimiser,
        batches,
        wanted,
        run.processes,
        run.config.optimiser.clip_norm,
        run.config.parallel.micro_rows,
        judge=lambda norm: False,
    )
    seconds = time.perf_counter() - began
    names = [dataset.name for dataset in run.config.data.datasets]
    losses = ", ".join(
        f"{name} {float(loss / count):.3f}"
        for name, loss, count in zip(names, outcome.totals.loss_S, outcome.totals.tokens_S, strict=True)
        if count
    )
    if run.processes.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    spent = f"{seconds:.2f} s, peak {_size(peak)}"
    yield f"one step, not kept: loss {losses}, gradient norm {outcome.grad_norm:.3g}, {spent}"


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
