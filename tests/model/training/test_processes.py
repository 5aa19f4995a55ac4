"""Two processes over gloo give the losses of one, whatever the layout, and take up each other's checkpoints."""

import datetime
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed

from model.network.config import LoraSettings
from model.training.checkpoint_reading import Reader
from model.training.checkpoints import find_checkpoint, read_weights
from model.training.config import HeldOutSettings, ParallelSettings, TrainConfig
from model.training.loop import train
from model.training.parallel import join
from model.training.records import read_metrics
from schemas.settings import SettingsError
from tests.model.several import in_processes
from tests.model.training.makers import micro
from tests.ports import free_port

LAYOUTS = ("ddp", "fsdp")
#: The same, with gradients summed in half precision.
COARSE = ("ddp-bfloat16", "fsdp-bfloat16")
#: With adapters beside the layers of the language model, whose own weights stay frozen.
ADAPTED = "fsdp-float32-adapters"


def one_row_each(data: Path, output: Path, **changes: Any) -> TrainConfig:
    """With four lanes and rows read in turn, two processes with one row each see what one process sees with two."""
    config = micro(data, output, steps=4, held_out=HeldOutSettings(every_steps=0, batches=1, captions=2))
    return msgspec.structs.replace(config, **changes)


def with_adapters(config: TrainConfig) -> TrainConfig:
    return msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, lora=LoraSettings(rank=2)))


def in_each(rank: int, port: int, data: Path, folder: Path) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    os.environ["MASTER_PORT"] = str(port)
    for layout in (*LAYOUTS, *COARSE, ADAPTED):
        config = one_row_each(data, folder / layout)
        config = with_adapters(config) if layout == ADAPTED else config
        datasets = tuple(msgspec.structs.replace(dataset, batch_rows=1) for dataset in config.data.datasets)
        config = msgspec.structs.replace(
            config,
            data=msgspec.structs.replace(config.data, datasets=datasets),
            parallel=msgspec.structs.replace(
                config.parallel,
                strategy=layout.split("-")[0],
                reduce=(layout.split("-")[1:] or ["float32"])[0],
                activation_checkpointing=True,
            ),
        )
        train(config, on_message=lambda text: None)


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    train(one_row_each(data, folder / "one"), on_message=lambda text: None)
    train(with_adapters(one_row_each(data, folder / "one-adapters")), on_message=lambda text: None)
    in_processes(in_each, (data, folder), 2)
    return folder


def losses(output: Path) -> list[list[float]]:
    rows = [row for row in read_metrics(str(output)) if "grad_norm" in row]
    return [[row["loss/pages"], row["loss/pairs"], row["grad_norm"]] for row in rows]


@pytest.mark.skipif(sys.platform != "linux", reason="gloo on loopback")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_processes_have_the_losses_of_one(runs: Path, layout: str) -> None:
    one, two = torch.tensor(losses(runs / "one")), torch.tensor(losses(runs / layout))
    assert one.shape == (4, 3)
    assert torch.allclose(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="gloo on loopback")
def test_adapters_are_sharded_with_their_layers(runs: Path) -> None:
    one, two = torch.tensor(losses(runs / "one-adapters")), torch.tensor(losses(runs / ADAPTED))
    assert torch.allclose(one, two, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one, torch.tensor(losses(runs / "one")), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="gloo on loopback")
@pytest.mark.parametrize("layout", COARSE)
def test_gradients_summed_in_half_precision_are_rounded_and_no_more(runs: Path, layout: str) -> None:
    exact, coarse = (torch.tensor(losses(runs / name)) for name in ("one", layout))
    assert torch.allclose(exact, coarse, rtol=3e-2, atol=1e-3)
    assert not torch.equal(torch.tensor(losses(runs / layout.partition("-")[0])), coarse)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_of_two_processes_goes_on_with_one(runs: Path, data: Path, layout: str) -> None:
    config = one_row_each(data, runs / layout, steps=6)
    datasets = tuple(msgspec.structs.replace(dataset, batch_rows=1) for dataset in config.data.datasets)
    config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, datasets=datasets))
    said: list[str] = []
    assert train(config, on_message=said.append).step == 6
    assert said[0] == "goes on after step 4 of 6, written by 2 processes and read by 1"


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_of_shares_are_written_whole(runs: Path, layout: str) -> None:
    """What is gathered for others is what the shares hold, row by row."""
    checkpoint = runs / layout / "checkpoints" / "step-00000004"
    whole = read_weights(str(checkpoint))
    shares = {f"model.{name}": torch.empty_like(value) for name, value in whole.items()}
    load_distributed(shares, storage_reader=Reader(checkpoint), no_dist=True)
    assert all(torch.equal(value, shares[f"model.{name}"]) for name, value in whole.items())
    assert list(whole) == list(read_weights(find_checkpoint(runs / "one")))


def test_captions_are_said_where_layers_are_shared_out(runs: Path) -> None:
    """The first process alone would wait for the others for ever."""
    for layout in ("one", *LAYOUTS):
        measured = [row for row in read_metrics(str(runs / layout)) if "trained_on/pairs/accuracy" in row]
        assert [row["step"] for row in measured][:2] == [0, 4]


def leave_and_come_again(rank: int, port: int) -> None:
    """Process 0 leaves each group later than the other, which is in the next by then."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    os.environ["MASTER_PORT"] = str(port)
    for number in range(4):
        with join(ParallelSettings(device="cpu", threads=1, timeout_s=10)) as processes:
            assert processes.gather((number, rank)) == [(number, 0), (number, 1)]
            apart: Any = processes.apart()
            assert apart.gather(rank) == [0, 1]
            # A checkpoint that takes longer than the half hour of torch is waited for, too.
            options = apart.group._get_backend(torch.device("cpu")).options
            assert options._timeout == datetime.timedelta(seconds=10)
            time.sleep(0.3 * (1 - rank))


@pytest.mark.skipif(sys.platform != "linux", reason="gloo on loopback")
def test_processes_that_meet_again_find_one_another(tmp_path: Path) -> None:
    """Training, then evaluation in one script: who comes early must not meet those of the group before."""
    in_processes(leave_and_come_again, (), 2)


def test_a_process_without_the_others_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_PORT", str(free_port()))):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with (
        pytest.raises(SettingsError, match=r"WORLD_SIZE is 2, but .*MASTER_ADDR"),
        join(ParallelSettings(device="cpu")),
    ):
        pass
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    alone = ParallelSettings(device="cpu", timeout_s=1)
    with pytest.raises(SettingsError, match=r"WORLD_SIZE is 2, but .*127\.0\.0\.1"), join(alone):
        pass
