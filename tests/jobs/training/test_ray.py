"""Training as a job of Ray Train: two workers, and the losses of one process."""

import os
import signal
import threading
import time
from pathlib import Path

import msgspec
import pytest
import torch

from jobs.engine import ray_train
from jobs.training.ray import train_on_ray
from model.training.checkpoints import CheckpointError, steps_saved
from model.training.config import TrainConfig
from model.training.loop import train
from model.training.records import read_metrics
from schemas.settings import SettingsError
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


def test_a_signal_ends_a_run_with_its_state_saved_and_paths_are_those_of_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C had lost the steps since the last checkpoint, and what was named `runs/one` lay in a folder of Ray's.

    An error that would come again had been tried four times.
    """
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = with_rows(micro(Path(), Path("run"), steps=100_000), 1)
    config = msgspec.structs.replace(config, checkpoint=msgspec.structs.replace(config.checkpoint, every_steps=100))

    def press() -> None:
        end = time.monotonic() + 60
        while not steps_saved("run") and time.monotonic() < end:
            time.sleep(0.1)
        if steps_saved("run"):  # else the run has failed, and nobody takes the signal
            os.kill(os.getpid(), signal.SIGUSR1)

    threading.Thread(target=press, daemon=True).start()
    ended = train_on_ray(config, workers=2)
    assert (ended.finished, ended.stopped_by) == (False, "SIGUSR1")
    assert ended.step == max(steps_saved("run")) > 0

    lm = msgspec.structs.replace(config.model.lm, config={**config.model.lm.config, "hidden_size": 16})
    other = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, lm=lm))
    capfd.readouterr()
    with pytest.raises((SettingsError, CheckpointError)) as refused:
        train_on_ray(other, workers=1)
    assert "hidden_size" in str(refused.value)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_workers_that_would_find_no_room_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They waited for ever; without a GPU for each all trained on CPUs, without a word."""
    with pytest.raises(SettingsError, match="--workers is 0"):
        train_on_ray(micro(tmp_path, tmp_path / "run"), workers=0)
    for has, said in [({"CPU": 16.0, "GPU": 2.0}, "3 workers want a GPU each, and there are 2"), ({"CPU": 2.0}, "CPU")]:
        monkeypatch.setattr(ray_train.ray, "cluster_resources", lambda has=has: has)
        with pytest.raises(SettingsError, match=said):
            ray_train._have_gpus(3, True, False)
    assert not ray_train._have_gpus(3, True, True)  # a cluster may grow
