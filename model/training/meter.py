"""What a run measures of itself while it runs: losses, speed, waiting, gates, and how much of the machine is used."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from model.data.batch import Batch
from model.training.assembly import Run
from model.training.dropped import COUNTED, by_reason
from model.training.step import Outcome

#: Published dense peaks in TFLOPS, bfloat16 with float32 sums, by a part of what torch calls the device.
_PEAKS = {"A100": 312.0, "H100 PCIe": 756.0, "H100": 989.0, "H200": 989.0, "B200": 2250.0, "L40S": 362.0}


def known_peak(device: torch.device, precision: str) -> float | None:
    """TFLOPS of a GPU that is known; None for others, and for float32."""
    if device.type != "cuda" or precision != "bfloat16":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in _PEAKS.items() if part in name), None)


class Meter:
    """Adds up over the steps between two readings. Sums over processes are made when it is read, not at each step."""

    _loss_S: torch.Tensor
    _predicted_S: torch.Tensor
    _tokens: int
    _places: int
    _images: int
    _steps: int
    _skipped: int
    _flops: float
    _norm: float
    _wait_s: float
    _paused_s: float

    def __init__(self, run: Run) -> None:
        self._run = run
        self._names = [dataset.name for dataset in run.config.data.datasets]
        self._peak = run.config.log.peak_tflops or known_peak(run.processes.device, run.config.parallel.precision)
        self._clear()

    def start(self) -> None:
        self._since = self._step_began = time.perf_counter()
        self._paused_s = 0.0

    def waited(self) -> None:
        """The next batches are there."""
        self._wait_s += time.perf_counter() - self._step_began

    def add(self, batches: Mapping[str, Batch], outcome: Outcome) -> None:
        """A step was made of these batches."""
        totals = outcome.totals
        if outcome.applied:
            self._loss_S += totals.loss_S
            self._predicted_S += totals.tokens_S
        for batch in batches.values():
            self._places += batch.tokens_BT.numel()
            self._tokens += int((batch.document_BT >= 0).sum())
            self._images += len(batch.frames_FCHW)
            self._flops += self._run.flops.of(batch)
        self._norm, self._steps = outcome.grad_norm, self._steps + 1
        self._skipped += not outcome.applied
        self._step_began = time.perf_counter()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens in it does not count as time of training."""
        began = time.perf_counter()
        yield
        self._paused_s += time.perf_counter() - began
        self._step_began = time.perf_counter()

    def read(self, step: int) -> dict[str, float]:
        """Means since the last reading, over all processes; every process must call it."""
        run, processes = self._run, self._run.processes
        seconds = max(1e-9, time.perf_counter() - self._since - self._paused_s)
        here = torch.tensor([self._tokens, self._places, self._images, self._flops, self._wait_s], dtype=torch.float64)
        dropped = run.dropped.take()
        parts = [here, dropped, self._loss_S.cpu(), self._predicted_S.cpu()]
        summed = processes.sum(torch.cat([part.expand(-1) for part in parts])).cpu()
        seen, dropped, of_losses = summed.split([len(here), len(dropped), 2 * len(self._names)])
        loss_S, predicted_S = of_losses.chunk(2)
        # Processes that read the same rows have all counted them.
        tokens, places, images, flops = (seen[:4] / processes.tensor).tolist()
        waited = float(seen[4])
        dropped_here = {COUNTED + reason: count for reason, count in by_reason(dropped / processes.tensor).items()}
        self._count({"tokens": tokens, "images": images, "seconds": seconds, **dropped_here})
        values = {
            f"loss/{name}": float(loss / count)
            for name, loss, count in zip(self._names, loss_S, predicted_S, strict=True)
            if count
        }
        values |= {
            "grad_norm": self._norm,
            "learning_rate": run.optimiser.param_groups[0]["lr"],
            "tokens_per_s": tokens / seconds,
            "images_per_s": images / seconds,
            "steps_per_s": self._steps / seconds,
            "padding": 1 - tokens / max(1, places),
            "data_wait": waited / processes.world / seconds,
            "skipped": float(self._skipped),
            "tflops": flops / seconds / 1e12,
            **{f"total/{name}": value for name, value in run.counted.items()},
            **gates(run),
        }
        if self._peak:
            values["mfu"] = values["tflops"] / (self._peak * processes.world)
        if processes.device.type == "cuda":
            values["memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
        self._clear()
        return values

    def counters(self) -> dict[str, float]:
        """What the run has added up since its first step."""
        return dict(self._run.counted)

    def _count(self, more: Mapping[str, float]) -> None:
        for name, value in more.items():
            self._run.counted[name] = self._run.counted.get(name, 0.0) + value

    def _clear(self) -> None:
        device = self._run.processes.device
        self._loss_S = torch.zeros(len(self._names), dtype=torch.float64, device=device)
        self._predicted_S = torch.zeros_like(self._loss_S)
        self._tokens = self._places = self._images = self._steps = self._skipped = 0
        self._flops = self._norm = self._wait_s = 0.0
        self.start()


def gates(run: Run) -> dict[str, float]:
    """The size of the gates, |tanh|, of each block: how far it is open, for attention and for feed-forward."""
    found: dict[str, float] = {}
    for number, block in enumerate(run.model.blocks):
        for name in ("attention_gate", "feed_forward_gate"):
            gate = getattr(block, name)
            whole = gate.full_tensor() if hasattr(gate, "full_tensor") else gate
            found[f"gates/{number}/{name.removesuffix('_gate')}"] = float(whole.detach().tanh().abs().mean())
    return found
