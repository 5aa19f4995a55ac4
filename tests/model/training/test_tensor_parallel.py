"""Processes that share the layers of the language model give the losses of one that has all of them."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from model.network.config import LoraSettings
from model.training.assembly import assemble
from model.training.config import HeldOutSettings, TrainConfig, check_train_config
from model.training.loop import train
from model.training.parallel import Processes, join
from model.training.records import read_metrics
from model.training.step import counts, train_step
from schemas.settings import SettingsError, load_settings
from tests.model.makers import some_tokens
from tests.model.several import in_processes
from tests.model.training.makers import LLAMA, micro
from tests.model.training.test_processes import losses

_SIZES = {**LLAMA, "num_key_value_heads": 2, "vocab_size": some_tokens().base_size}
#: A model for each way in which plans cut matrices: with fewer heads of keys and values, with norms in the attention,
#: one matrix for queries, keys and values, matrices whose parts are put together again, biases.
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {**_SIZES, "attention_bias": True, "mlp_bias": True},
    "qwen3": {**_SIZES, "model_type": "qwen3", "head_dim": 8},
    "gpt_neox": {**_SIZES, "model_type": "gpt_neox", "tie_word_embeddings": False},
    "phi3": {**_SIZES, "model_type": "phi3", "pad_token_id": 0},
    "olmo2": {**_SIZES, "model_type": "olmo2"},
}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gloo on loopback")


def config_of(data: Path, output: Path, lm: dict[str, Any], rows: int, **changes: Any) -> TrainConfig:
    config = micro(data, output, steps=3, held_out=HeldOutSettings(every_steps=0, batches=1, captions=2))
    replace = msgspec.structs.replace
    datasets = tuple(replace(dataset, batch_rows=rows) for dataset in config.data.datasets)
    return replace(
        config,
        model=replace(config.model, lm=replace(config.model.lm, config=lm)),
        data=replace(config.data, datasets=datasets),
        parallel=replace(config.parallel, **changes),
    )


def first_step(config: TrainConfig, processes: Processes) -> list[float]:
    """Losses of the datasets and the norm of the gradient, of all that is trained, before anything is learnt."""
    run = assemble(config, processes)
    batches = next(iter(run.loader))
    wanted = processes.sum(counts(batches, "token_mean"))
    outcome = train_step(run.parallel, run.optimiser, batches, wanted, processes)
    run.loader.close()
    return [*outcome.totals.loss_S.tolist(), outcome.grad_norm]


def in_each(rank: int, port: int, data: Path, folder: Path) -> None:
    """Four processes: two readers of one row each, of two processes that share the layers."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "4", "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    os.environ["MASTER_PORT"] = str(port)
    laid: dict[str, Any] = {"strategy": "fsdp", "tensor": 2}
    with join(config_of(data, folder, {}, 1, **laid).parallel) as processes:
        found = {
            name: first_step(config_of(data, folder / "cut", lm, 1, **laid), processes) for name, lm in FAMILIES.items()
        }
        in_half = config_of(data, folder / "cut", FAMILIES["llama"], 1, precision="bfloat16", **laid)
        found["half"] = first_step(in_half, processes)
        found = {name: [*processes.sum(torch.tensor(of[:-1])).tolist(), of[-1]] for name, of in found.items()}
        (folder / f"{rank}.json").write_text(json.dumps(found))
        for name, lm in REFUSED.items():
            with pytest.raises(SettingsError, match=REASONS[name]):
                first_step(config_of(data, folder / "cut", lm, 1, **laid), processes)
    config = config_of(data, folder / "grid", FAMILIES["llama"], 1, activation_checkpointing=True, **laid)
    train(config, on_message=lambda text: None)


REFUSED: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": some_tokens().base_size},
    "odd": {**_SIZES, "num_key_value_heads": 1},
}
REASONS = {
    "gpt2": "GPT2LMHeadModel has no plan in transformers for how its layers are cut",
    "odd": "parallel.tensor is 2, but LlamaForCausalLM has 4 heads and 1 of keys and values: both must be multiples",
}


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensor-parallel")
    train(config_of(data, folder / "whole", FAMILIES["llama"], 2), on_message=lambda text: None)
    in_processes(in_each, (data, folder), 4)
    return folder


@pytest.mark.parametrize("name", [*FAMILIES, "half"])
def test_layers_cut_in_two_give_the_losses_and_gradients_of_whole_ones(runs: Path, data: Path, name: str) -> None:
    """In half precision they differ by rounding; the sums count what two processes read twice."""
    precision, within = ("bfloat16", 3e-2) if name == "half" else ("float32", 1e-4)
    config = config_of(data, runs / "alone", FAMILIES.get(name, FAMILIES["llama"]), 2, precision=precision)
    *losses, norm = first_step(config, Processes(0, 1, torch.device("cpu")))
    whole = torch.tensor([*(2 * loss for loss in losses), norm])
    for rank in range(4):
        cut = torch.tensor(json.loads((runs / f"{rank}.json").read_text())[name])
        assert torch.allclose(whole, cut, rtol=within), rank


def test_pairs_of_processes_read_rows_of_their_own(runs: Path) -> None:
    """Four processes: two readers of one row each see what one process sees with two, and count it once."""
    whole, grid = torch.tensor(losses(runs / "whole")), torch.tensor(losses(runs / "grid"))
    assert torch.allclose(whole, grid, rtol=1e-4, atol=1e-5)
    for name in ("total/tokens", "total/images"):
        counted = [[row[name] for row in read_metrics(str(runs / run)) if name in row] for run in ("whole", "grid")]
        assert counted[0] == counted[1]


def test_captions_are_said_together(runs: Path) -> None:
    assert any("trained_on/pairs/accuracy" in row for row in read_metrics(str(runs / "grid")))


def test_one_process_goes_on_where_four_ended(runs: Path, data: Path) -> None:
    said: list[str] = []
    config = msgspec.structs.replace(config_of(data, runs / "grid", FAMILIES["llama"], 1), steps=5)
    assert train(config, on_message=said.append).step == 5
    assert said[0] == "goes on after step 3 of 5, written by 4 processes and read by 1"


def test_what_does_not_go_together_is_refused(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="tensor above 1 needs strategy: fsdp"):
        load_settings(TrainConfig, "output: out\nsteps: 1\nparallel: {tensor: 2}")
    config = config_of(data, tmp_path, FAMILIES["llama"], 2, strategy="fsdp", tensor=2)
    adapted = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, lora=LoraSettings()))
    with pytest.raises(SettingsError, match=r"parallel\.tensor cuts a language model that stays as it is"):
        check_train_config(adapted)
    with pytest.raises(SettingsError, match=r"parallel\.tensor is 2, of which 1 process"), join(config.parallel):
        pass
