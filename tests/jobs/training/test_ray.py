"""Training as a job of Ray Train: two workers, and the losses of one process."""

from pathlib import Path

import msgspec
import pytest
import torch

from jobs.training.ray import train_on_ray
from model.training.config import TrainConfig
from model.training.loop import train
from model.training.records import read_metrics
from tests.model.training.makers import micro, write_data

pytest.importorskip("pandas", reason="Ray Train needs it")


def losses(output: str) -> list[list[float]]:
    return [[row["loss/pages"], row["grad_norm"]] for row in read_metrics(output) if "grad_norm" in row]


def with_rows(config: TrainConfig, rows: int) -> TrainConfig:
    datasets = tuple(msgspec.structs.replace(dataset, batch_rows=rows) for dataset in config.data.datasets[:1])
    return msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, datasets=datasets))


def on_ray(config: TrainConfig) -> TrainConfig:
    """Rows made by actors, on what CPUs the trainers leave: none here."""
    read = msgspec.structs.replace(config.data.read, workers_are="ray")
    return msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, read=read))


def test_two_workers_have_the_losses_of_one_process(tmp_path: Path) -> None:
    write_data(tmp_path)
    alone = with_rows(micro(tmp_path, tmp_path / "alone", steps=2), 2)
    train(alone, on_message=lambda text: None)
    together = on_ray(with_rows(micro(tmp_path, tmp_path / "together", steps=2), 1))
    ended = train_on_ray(together, workers=2)
    assert (ended.step, ended.finished) == (2, True)
    assert "trained_on/pages/gap" in ended.measured
    one, two = torch.tensor(losses(alone.output)), torch.tensor(losses(together.output))
    assert torch.allclose(one, two, rtol=1e-4)
