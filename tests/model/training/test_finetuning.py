"""What another run trained goes on: the encoder unfrozen at a higher resolution, adapters beside the language model."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from model.evaluation.loaded import load_model
from model.exported.write import export_model
from model.network.config import FlamingoConfig, LoraSettings, VisionSettings
from model.network.flamingo import Flamingo
from model.training.assembly import assemble, build_model
from model.training.checkpoints import find_checkpoint, read_weights
from model.training.config import OptimiserSettings, TrainConfig
from model.training.loop import train
from model.training.optimiser import schedule
from model.training.parallel import Processes
from schemas.settings import SettingsError, changed
from tests.model.makers import some_tokens
from tests.model.network.test_vision import CLIP, SIGLIP
from tests.model.training.makers import micro, write_data

ALONE = Processes(0, 1, torch.device("cpu"))
VISION = {"clip": CLIP, "siglip": SIGLIP}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finetuning")
    write_data(folder)
    for name in VISION:
        run(settings(folder, folder / name, name, steps=2))
    return folder


def settings(data: Path, output: Path, vision: str, **changes: Any) -> TrainConfig:
    config = micro(data, output, **changes)
    encoder = VisionSettings("transformers", config=VISION[vision])
    return changed(msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, vision=encoder)), {})


def tuned(data: Path, output: Path, vision: str, **changes: Any) -> TrainConfig:
    """As the paper does it, but for the sizes: 32 pixels, not 16; a rate of its own, divided by ten at step 2."""
    return changed(
        settings(data, output, vision),
        {
            "start_from": str(data / vision),
            "steps": 4,
            "model.vision.size_px": 32,
            "model.train_vision": True,
            "data.images.size_px": 32,
            "optimiser.vision_rate": 1e-5,
            "optimiser.warmup_steps": 0,
            "optimiser.decay_at": [2],
            **changes,
        },
    )


def run(config: TrainConfig) -> str:
    train(config, on_message=lambda text: None)
    return find_checkpoint(config.output)


def test_rates_are_divided_by_ten_at_each_step_named() -> None:
    settings = OptimiserSettings(warmup_steps=2, decay_at=(3, 5))
    assert [schedule(step, 8, settings) for step in range(8)] == pytest.approx([0.5, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01])
    with pytest.raises(ValueError, match="decay_by is 1 or more"):
        OptimiserSettings(decay_by=0.1)


@pytest.mark.parametrize("vision", VISION)
def test_the_encoder_is_trained_at_a_higher_resolution(data: Path, tmp_path: Path, vision: str) -> None:
    """Four times the patches; positions are trained through their interpolation, all of it at its own small rate."""
    config = tuned(data, tmp_path / "run", vision, **{"checkpoint.keep_latest": 1})
    model = assemble(config, ALONE).model
    before = {name: weight.detach().clone() for name, weight in model.trainable_parameters().items()}
    given = read_weights(find_checkpoint(data / vision))
    assert all(torch.equal(before[name], weight) for name, weight in given.items())
    assert model.vision(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape[1] in (16, 17)
    after = read_weights(run(config))
    moved = {name: float((after[name] - weight).abs().max()) for name, weight in before.items()}
    positions = next(name for name in moved if "position_embedding" in name)
    assert 0 < moved[positions] <= 2.2e-5 + 1e-7  # two steps at the rate, two at a tenth of it
    assert max(size for name, size in moved.items() if name.startswith("vision.")) <= 2.2e-5 * 1.5
    assert max(size for name, size in moved.items() if not name.startswith("vision.")) > 1e-4


def test_a_run_with_adapters_goes_on_to_the_bit(data: Path, tmp_path: Path) -> None:
    """Frozen weights stay, adapters are in the checkpoint; interrupted at step 2 it ends as one that was not."""
    lora = {"model.lora": {"rank": 2}, "checkpoint.every_steps": 2}
    whole, halves = (tuned(data, tmp_path / name, "clip", **lora) for name in ("whole", "halves"))
    frozen = frozen_of(assemble(whole, ALONE).model)
    expected = read_weights(run(whole))
    run(changed(halves, {"steps": 2}))
    found = read_weights(run(halves))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    adapters = [name for name in found if "lora_" in name]
    assert len(adapters) == 2 * 7 * 2  # layers, linear layers of each, matrices of an adapter
    assert any(found[name].abs().max() > 0 for name in adapters if "lora_B" in name)
    after = frozen_of(load_without_merging(halves))
    assert all(torch.equal(after[name], weight) for name, weight in frozen.items())


def frozen_of(model: Flamingo) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.lm.named_parameters() if not weight.requires_grad}


def load_without_merging(config: TrainConfig) -> Flamingo:
    model = build_model(config, some_tokens())
    model.load_trainable_state_dict(read_weights(find_checkpoint(config.output)))
    return model.eval()


def test_adapters_are_merged_for_evaluation_and_export(data: Path, tmp_path: Path) -> None:
    config = tuned(data, tmp_path / "run", "siglip", **{"model.lora": {"rank": 2, "targets": ["q_proj", "v_proj"]}})
    run(config)
    beside, merged = load_without_merging(config), load_model(config.output, "cpu").model
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        torch.testing.assert_close(merged.lm(ids).logits, beside.lm(ids).logits, atol=1e-5, rtol=1e-5)
        plain = build_model(changed(config, {"model.lora": None}), some_tokens()).eval().lm(ids).logits
        assert (merged.lm(ids).logits - plain).abs().max() > 1e-6
    assert merged.config.lora is None
    assert not [name for name in merged.state_dict() if "lora" in name or "base_layer" in name]
    with pytest.raises(SettingsError, match="merged into the language model"):
        export_model(config.output, str(tmp_path / "out"), refer=True)


def test_adapters_change_nothing_at_the_start(data: Path, tmp_path: Path) -> None:
    plain = settings(data, tmp_path / "a", "clip")
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        outs = [
            build_model(config, some_tokens()).eval().lm(ids).logits
            for config in (plain, changed(plain, {"model.lora": {"rank": 4}}))
        ]
    assert torch.equal(*outs)


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "opt"])
def test_adapters_fit_other_language_models(kind: str) -> None:
    sizes = {"gpt2": {"n_layer": 1, "n_embd": 16, "n_head": 2}, "gpt_neox": SMALL, "opt": {**SMALL, "ffn_dim": 16}}[
        kind
    ]
    config = msgspec.convert(
        {
            "lm": {"config": {"model_type": kind, "vocab_size": 50, **sizes}},
            "vision": {"image_px": 16, "patch_px": 8, "dim": 16},
            "connector": {"kind": "mlp", "layers": 1, "latents": 2},
            "lora": {"rank": 2},
        },
        FlamingoConfig,
    )
    model = Flamingo.build(config, (50, 51))
    adapters = [name for name in model.trainable_parameters() if name.startswith("lm.")]
    assert adapters
    assert all("lora_" in name for name in adapters)
    model.merge_adapters()
    assert not [name for name in model.trainable_parameters() if name.startswith("lm.")]


SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def test_what_does_not_go_together_is_told(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="of train_lm and lora give one"):
        FlamingoConfig(train_lm=True, lora=LoraSettings())
    plain = settings(data, tmp_path / "a", "clip")
    with pytest.raises(SettingsError, match=r"model\.lora\.targets: .*nonsense"):
        build_model(changed(plain, {"model.lora": {"targets": ["nonsense"]}}), some_tokens())
    with pytest.raises(SettingsError, match="no checkpoint in"):
        assemble(changed(plain, {"start_from": str(tmp_path)}), ALONE)
    with pytest.raises(SettingsError, match=f"start_from: {data / 'clip'}: the weights do not fit"):
        assemble(changed(plain, {"start_from": str(data / "clip"), "model.connector.latents": 5}), ALONE)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SettingsError, match="needs the package peft"):
        build_model(changed(plain, {"model.lora": {}}), some_tokens())
