"""A step waits for its device once, for the norm of the gradient.

The meta device has shapes and no values: whoever looks at one, or mixes its tensors with those of the CPU, raises.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import torch

from model.data.batch import Batch
from model.training import step as steps
from model.training.assembly import Run, assemble
from model.training.meter import Meter
from model.training.optimiser import make_optimiser
from model.training.parallel import ParallelModel, Processes
from model.training.step import counts, train_step
from tests.model.training.makers import micro

META = Processes(0, 1, torch.device("meta"))


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    return assemble(micro(data, tmp_path), Processes(0, 1, torch.device("cpu")))


def batches_of(run: Run) -> dict[str, Batch]:
    with run.loader as loader:
        return next(iter(loader))


def on_meta(run: Run) -> ParallelModel:
    run.processes = META
    run.parallel = ParallelModel(run.model, run.config.parallel, META)
    return run.parallel


def test_a_step_looks_at_nothing_but_the_norm(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = batches_of(run)
    looked: list[torch.Tensor] = []

    def looked_at(norm: torch.Tensor) -> float:
        looked.append(norm)
        return 1.0

    monkeypatch.setattr(steps, "looked_at", looked_at)
    parallel = on_meta(run)
    optimiser = make_optimiser(run.model, run.config.optimiser)
    outcome = train_step(parallel, optimiser, batches, counts(batches, "token_mean"), META, clip_norm=1.0)
    assert [(norm.device.type, norm.ndim) for norm in looked] == [("meta", 0)]
    assert outcome.totals.loss_S.device.type == "meta"


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_on_a_gpu_waits_for_nothing_but_the_norm(
    run: Run, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    there, batches = Processes(0, 1, torch.device("cuda", 0)), batches_of(run)
    parallel = ParallelModel(run.model, msgspec.structs.replace(run.config.parallel, precision="bfloat16"), there)
    optimiser = make_optimiser(run.model, run.config.optimiser)
    request.addfinalizer(lambda: torch.cuda.set_sync_debug_mode("default"))

    def looked_at(norm: torch.Tensor) -> float:
        torch.cuda.set_sync_debug_mode("default")
        value = float(norm)
        torch.cuda.set_sync_debug_mode("error")
        return value

    monkeypatch.setattr(steps, "looked_at", looked_at)
    for number in range(3):
        torch.cuda.set_sync_debug_mode("error" if number else "default")  # the first makes what is made once
        train_step(parallel, optimiser, batches, counts(batches, "token_mean"), there, clip_norm=1.0)


def test_the_meter_adds_up_where_the_step_left_its_totals(run: Run) -> None:
    run.processes = META
    meter = Meter(run)
    totals = SimpleNamespace(loss_S=torch.zeros(2, device="meta"), tokens_S=torch.zeros(2, device="meta"))
    outcome: Any = SimpleNamespace(totals=totals, applied=True, grad_norm=1.0)
    for _ in range(2):
        meter.add(batches_of(run), outcome)
