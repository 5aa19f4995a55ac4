"""Weights that are made late are those that would have been made at once, to the last bit."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from model.network.config import (
    ConnectorSettings,
    CrossAttentionSettings,
    FlamingoConfig,
    LanguageSettings,
    LoraSettings,
    VisionSettings,
)
from model.network.flamingo import Flamingo
from model.network.late import Late
from schemas.settings import SettingsError

SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 40}
GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 40}
LMS: dict[str, dict[str, Any]] = {
    "tied": {"model_type": "llama", "tie_word_embeddings": True, **SIZES},
    "biases": {**GPT2, "bos_token_id": None, "eos_token_id": None},
    # Its experts lie one by one in a checkpoint and together in the model.
    "joined": {"model_type": "mixtral", "num_local_experts": 2, "num_key_value_heads": 2, **SIZES},
    "scaled": {"model_type": "gemma3_text", "num_key_value_heads": 1, "head_dim": 8, **SIZES},
}
VIT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16}
SIGLIP = {"model_type": "siglip_vision_model", "patch_size": 8, **VIT}


def config(lm: LanguageSettings, vision: VisionSettings) -> FlamingoConfig:
    connector = ConnectorSettings(layers=1, latents=2, heads=2, head_dim=8)
    return FlamingoConfig(lm, vision, connector, CrossAttentionSettings(every=1, ff_mult=1))


def from_configs(name: str) -> FlamingoConfig:
    return config(LanguageSettings(config=LMS[name]), VisionSettings("transformers", config=SIGLIP))


def from_folders(name: str, folder: Path, saved: torch.dtype, wanted: str = "float32") -> FlamingoConfig:
    torch.manual_seed(1)
    for part, auto, values in (("lm", AutoModelForCausalLM, LMS[name]), ("vision", AutoModel, SIGLIP)):
        made = auto.from_config(AutoConfig.for_model(**values)).to(saved)
        made.save_pretrained(folder / part, max_shard_size="4KB")
        assert len(list((folder / part).glob("*.safetensors"))) > 1
    lm = LanguageSettings(path=str(folder / "lm"), dtype=wanted)  # type: ignore[arg-type]
    return config(lm, VisionSettings("transformers", path=str(folder / "vision"), dtype=wanted))  # type: ignore[arg-type]


def build(settings: FlamingoConfig, late: Late | None = None) -> tuple[Flamingo, torch.Tensor]:
    """The model, and a number that is drawn after it."""
    torch.manual_seed(5)
    return Flamingo.build(settings, (40, 41), late=late), torch.rand(1)


def check_same(settings: FlamingoConfig) -> None:
    now, drawn = build(settings)
    late = Late()
    model, drawn_late = build(settings, late)
    assert torch.equal(drawn, drawn_late)
    assert all(parameter.is_meta for parameter in model.parameters())
    for (name, mine), (same, yet) in zip(named(now), named(model), strict=True):
        value = late.value(yet)
        assert (name, mine.dtype, mine.stride()) == (same, value.dtype, value.stride())
        assert torch.equal(mine, value), name
        assert mine.requires_grad == yet.requires_grad
    assert model.lm.config._attn_implementation == now.lm.config._attn_implementation  # type: ignore[union-attr]
    assert model.lm.training == now.lm.training


def named(model: Flamingo) -> list[tuple[str, torch.Tensor]]:
    """With the second names of what is tied."""
    parameters = model.named_parameters(remove_duplicate=False)
    return [*parameters, *model.named_buffers(remove_duplicate=False)]


@pytest.mark.parametrize("name", LMS)
def test_random_weights_are_those_that_would_have_been_drawn(name: str) -> None:
    check_same(from_configs(name))


def test_adapters_and_what_of_an_encoder_is_trained(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    settings = from_folders("tied", tmp_path, torch.float32)
    check_same(msgspec.structs.replace(settings, lora=LoraSettings(rank=2), train_vision=True))


@pytest.mark.parametrize("name", LMS)
def test_weights_of_folders_are_read_late_from_several_files(name: str, tmp_path: Path) -> None:
    check_same(from_folders(name, tmp_path, torch.float32))


def test_weights_are_cast_late(tmp_path: Path) -> None:
    check_same(from_folders("tied", tmp_path, torch.float16, "bfloat16"))


def test_what_a_checkpoint_lacks_is_drawn(tmp_path: Path) -> None:
    """A head that was not saved: transformers draws it, with a warning."""
    settings = from_folders("joined", tmp_path, torch.float32)
    AutoModel.from_pretrained(tmp_path / "lm").save_pretrained(tmp_path / "headless")
    settings = config(LanguageSettings(path=str(tmp_path / "headless")), settings.vision)
    now, drawn = build(settings)
    late = Late()
    model, drawn_late = build(settings, late)
    assert torch.equal(drawn, drawn_late)
    heads = (part.lm.get_output_embeddings().weight for part in (now, model))  # type: ignore[operator]
    assert torch.equal(next(heads), late.value(next(heads)))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    settings = from_folders("tied", tmp_path, torch.float32)
    file = next((tmp_path / "lm").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:50])
    for late in (None, Late()):
        with pytest.raises(SettingsError, match=r"does not load as a causal LM.*damaged"):
            build(settings, late)


def test_values_follow_what_was_done_to_them() -> None:
    late = Late()
    torch.manual_seed(0)
    with late.making():
        table = torch.zeros(4, 6)
        before = table.sum(1)
        table[1:3].T[::2].normal_()
        table[:, 0] += torch.arange(4) * torch.tensor(0.5)
        after = torch.cat([table, torch.rand(1, 6)]).mean(0)
        scale = float(table.std())
        other = torch.nn.Parameter(table)
        other.data = other.data.double() * scale
    drawn = torch.rand(1)
    torch.manual_seed(0)
    real = torch.zeros(4, 6)
    real[1:3].T[::2].normal_()
    real[:, 0] += torch.arange(4) * 0.5
    mean = torch.cat([real, torch.rand(1, 6)]).mean(0)
    assert torch.equal(late.value(table), real)
    assert torch.equal(late.value(table[2]), real[2])
    assert torch.equal(late.value(before), torch.zeros(4))
    assert torch.equal(late.value(after), mean)
    assert torch.equal(late.value(other), real.double() * float(real.std()))
    assert torch.equal(drawn, torch.rand(1))
    with pytest.raises(KeyError, match="made elsewhere"):
        late.value(torch.empty(3, device="meta"))
