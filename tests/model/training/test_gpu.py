"""Runs on a GPU learn from the batches that those on a CPU do, whoever decodes; where there is none all is skipped."""

import signal
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from model.data.batch import collate
from model.training.checkpoints import find_checkpoint, read_weights
from model.training.config import CheckpointSettings, ParallelSettings, TrainConfig
from model.training.records import read_metrics
from tests.model.test_batch import TOKENS, row, sequence
from tests.model.training.makers import micro
from tests.model.training.test_loop import losses, quiet, stop_at

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def on_gpu(config: TrainConfig, workers_are: Any = "threads", **changes: Any) -> TrainConfig:
    """As `config`, on the GPU; rows are decoded by two workers."""
    read = msgspec.structs.replace(config.data.read, workers_are=workers_are, workers=2)
    data = msgspec.structs.replace(config.data, read=read)
    parallel = ParallelSettings(**{"device": "cuda", "threads": 1, **changes})
    return msgspec.structs.replace(config, data=data, parallel=parallel)


def test_a_pinned_batch_is_the_batch() -> None:
    rows = [row([sequence("a", ["ab", "c"]), sequence("b", ["d"])]), row([sequence("c", ["e"])], source=1)]
    plain, pinned = (collate(rows, 24, TOKENS.pad_id, ("pages", "pairs"), pin) for pin in (False, True))
    for field in fields(plain):
        one, other = getattr(plain, field.name), getattr(pinned, field.name)
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    on_host = ("frame_offsets_M1",)  # read on the host
    assert all(
        getattr(pinned, field.name).is_pinned()
        for field in fields(pinned)
        if isinstance(getattr(pinned, field.name), torch.Tensor) and field.name not in on_host
    )


@pytest.mark.parametrize("workers_are", ["threads", "processes"])
def test_a_run_learns_what_one_on_a_cpu_learns(data: Path, tmp_path: Path, workers_are: str) -> None:
    expected = micro(data, tmp_path / "cpu")
    quiet(expected)
    quiet(on_gpu(micro(data, tmp_path / "gpu"), workers_are))
    for one, other in zip(losses(tmp_path / "cpu"), losses(tmp_path / "gpu"), strict=True):
        assert other == pytest.approx(one, rel=2e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own code
@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_that_is_stopped_goes_on(data: Path, tmp_path: Path, compiled: bool) -> None:
    changes = {"precision": "bfloat16", "compile": compiled}
    quiet(on_gpu(micro(data, tmp_path / "whole"), **changes))
    config = on_gpu(micro(data, tmp_path / "cut", checkpoint=CheckpointSettings(every_steps=0)), **changes)
    ended = quiet(config, stop_at(3, signal.SIGTERM))
    assert (ended.step, ended.stopped_by) == (4, "SIGTERM")
    assert quiet(config).finished
    for one, other in zip(losses(tmp_path / "whole"), losses(tmp_path / "cut"), strict=True):
        assert other == pytest.approx(one, rel=2e-2)
    saved, again = (read_weights(find_checkpoint(tmp_path / name)) for name in ("whole", "cut"))
    assert all(torch.allclose(value, again[name], atol=2e-2) for name, value in saved.items())


def test_metrics_name_memory_and_throughput(data: Path, tmp_path: Path) -> None:
    quiet(on_gpu(micro(data, tmp_path)))
    last = [line for line in read_metrics(str(tmp_path)) if "tokens_per_s" in line][-1]
    assert last["memory_gb"] > 0
    assert 0 <= last["data_wait"] <= 1
