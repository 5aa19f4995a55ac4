"""The encoders of open_clip and timm are tried with stand-ins that have what those libraries' models have."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from model.network.config import VisionSettings
from model.network.vision.encoder import make_encoder
from model.network.vision.patch import PatchEncoder
from schemas.settings import SettingsError
from tests.model.network.makers import frames

CLIP: dict[str, Any] = {
    "model_type": "clip_vision_model",
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
SIGLIP = {**CLIP, "model_type": "siglip_vision_model"}
BOTH = {"model_type": "clip", "vision_config": CLIP, "text_config": {"num_hidden_layers": 1, "vocab_size": 50}}


def test_the_patch_encoder_keeps_all_of_the_image() -> None:
    encoder, given = PatchEncoder(16, 4, 48), frames(3)
    features = encoder(given) - encoder.positions_VI
    patches = features @ encoder.projection_QI.T
    seen = given.float().reshape(3, 3, 4, 4, 4, 4).permute(0, 2, 4, 1, 3, 5).reshape(3, 16, 48)
    torch.testing.assert_close(patches, seen / 127.5 - 1, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dim", [32, 64])
def test_its_projection_is_orthogonal_and_always_the_same(dim: int) -> None:
    one, other = PatchEncoder(16, 4, dim).projection_QI, PatchEncoder(16, 4, dim).projection_QI
    assert torch.equal(one, other)
    product = one.T @ one if dim < 48 else one @ one.T
    torch.testing.assert_close(product, torch.eye(len(product)), atol=1e-6, rtol=0)


def test_its_positions_differ_from_one_another() -> None:
    positions = PatchEncoder(64, 8, 32).positions_VI
    assert torch.cdist(positions, positions).fill_diagonal_(9).min() > 0.1


@pytest.mark.parametrize(("config", "features"), [(CLIP, 5), (SIGLIP, 4), (BOTH, 5)])
def test_encoders_of_transformers_give_their_last_hidden_states(config: dict[str, Any], features: int) -> None:
    encoder = make_encoder(VisionSettings(kind="transformers", config=config))
    assert (encoder.dim, encoder.image_px) == (16, 16)
    assert encoder(frames(3)).shape == (3, features, 16)


def test_a_model_of_timm_that_knows_one_size_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MapModel("NCHW")
    model.pretrained_cfg |= {"input_size": (3, 224, 224), "fixed_input_size": True}
    library(monkeypatch, "timm", model)
    with pytest.raises(SettingsError, match=r"vision\.image_px is 336, but vit takes 224 pixels alone"):
        make_encoder(VisionSettings(kind="timm", name="vit", image_px=336))
    assert make_encoder(VisionSettings(kind="timm", name="vit", image_px=224)).image_px == 224


@pytest.mark.parametrize("kind", ["dinov2_with_registers", "dinov3_vit"])
def test_registers_are_left_out(kind: str) -> None:
    config = {**_SMALL, "model_type": kind, "num_register_tokens": 4}
    encoder: Any = make_encoder(VisionSettings(kind="transformers", config=config)).eval()
    pixels = torch.randn(2, 3, 32, 32)
    whole = encoder.model(pixel_values=pixels).last_hidden_state
    assert whole.shape[1] == 1 + 4 + 16
    found = encoder.features(pixels)
    assert torch.equal(found[:, 0], whole[:, 0])
    assert torch.equal(found[:, 1:], whole[:, 5:])


def test_features_of_another_layer_may_be_taken() -> None:
    config = {**_SMALL, "model_type": "clip_vision_model"}
    encoder: Any = make_encoder(VisionSettings(kind="transformers", config=config, layer=-2)).eval()
    pixels = torch.randn(2, 3, 32, 32)
    states = encoder.model(pixel_values=pixels, output_hidden_states=True).hidden_states
    assert torch.equal(encoder.features(pixels), states[-2])
    with pytest.raises(SettingsError, match="has 2 layers"):
        make_encoder(VisionSettings(kind="transformers", config=config, layer=3))


_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}


def test_from_a_folder_they_take_its_mean_and_deviation(tmp_path: Path) -> None:
    made: Any = make_encoder(VisionSettings(kind="transformers", config=CLIP))
    made.model.save_pretrained(tmp_path)
    prepared = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(prepared))
    encoder = make_encoder(VisionSettings(kind="transformers", path=str(tmp_path)))
    assert (encoder.mean, encoder.std) == ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    encoder.mean, encoder.std = made.mean, made.std
    torch.testing.assert_close(encoder(frames(2)), made(frames(2)))


HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_mean_and_deviation_may_stand_in_either_file(name: str, tmp_path: Path) -> None:
    """Transformers 5 writes the second, in a group of its own."""
    made: Any = make_encoder(VisionSettings(kind="transformers", config=CLIP))
    made.model.save_pretrained(tmp_path)
    prepared = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]}
    (tmp_path / name).write_text(json.dumps({"image_processor": prepared} if name[:4] == "proc" else prepared))
    encoder = make_encoder(VisionSettings(kind="transformers", path=str(tmp_path)))
    assert (encoder.mean, encoder.std) == ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))


@pytest.mark.parametrize("said", [None, {"do_resize": True}])
def test_where_no_file_says_it_the_family_does_or_the_folder_is_refused(said: Any, tmp_path: Path) -> None:
    """Pixels of another mean would be taken without a word, and every feature be a little wrong."""
    siglip: Any = make_encoder(VisionSettings(kind="transformers", config=SIGLIP))
    siglip.model.save_pretrained(tmp_path / "siglip")
    other: Any = make_encoder(VisionSettings(kind="transformers", config={**CLIP, "model_type": "ijepa"}))
    other.model.save_pretrained(tmp_path / "other")
    if said is not None:
        for folder in ("siglip", "other"):
            (tmp_path / folder / "preprocessor_config.json").write_text(json.dumps(said))
    encoder = make_encoder(VisionSettings(kind="transformers", path=str(tmp_path / "siglip")))
    assert (encoder.mean, encoder.std) == HALF
    with pytest.raises(SettingsError, match=r"preprocessor_config\.json"):
        make_encoder(VisionSettings(kind="transformers", path=str(tmp_path / "other")))


@pytest.mark.parametrize("settings", [{"kind": "transformers", "config": CLIP}, {"kind": "patch", "image_px": 16}])
def test_weights_may_be_in_half_precision(settings: dict[str, Any]) -> None:
    encoder = make_encoder(VisionSettings(**settings, dtype="bfloat16"))
    assert encoder(frames(1)).dtype == torch.bfloat16


class ClipTower(nn.Module):
    """As open_clip's VisionTransformer: a pooled vector, and beside it tokens where `output_tokens` says so."""

    image_size = (16, 16)
    image_mean = (0.5, 0.5, 0.5)
    output_tokens = False

    def __init__(self) -> None:
        super().__init__()
        self.transformer = SimpleNamespace(width=12)
        self.conv1 = nn.Conv2d(3, 12, 8, 8)

    def forward(self, x: torch.Tensor) -> Any:
        tokens = self.conv1(x).flatten(2).transpose(1, 2)
        return (tokens.mean(1), tokens) if self.output_tokens else tokens.mean(1)


class MapModel(nn.Module):
    """As timm's models: a feature map, channels first or last."""

    num_features = 12

    def __init__(self, output_fmt: str) -> None:
        super().__init__()
        self.pretrained_cfg: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        self.output_fmt = output_fmt
        self.stem = nn.Conv2d(3, 12, 8, 8)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.stem(x)
        return out if self.output_fmt == "NCHW" else out.permute(0, 2, 3, 1)


def library(patch: pytest.MonkeyPatch, name: str, model: Any) -> None:
    module: Any = ModuleType(name)
    module.create_model = lambda *_, **__: model
    patch.setitem(sys.modules, name, module)


def test_the_tower_of_open_clip_gives_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    tower = ClipTower()
    library(monkeypatch, "open_clip", SimpleNamespace(visual=tower))
    encoder = make_encoder(VisionSettings(kind="open_clip", name="ViT-L-14"))
    assert (encoder.dim, encoder.image_px, encoder.mean[0]) == (12, 16, 0.5)
    pixels = encoder(frames(2))
    assert pixels.shape == (2, 4, 12)
    library(monkeypatch, "open_clip", SimpleNamespace(visual=nn.Identity()))
    with pytest.raises(SettingsError, match="gives no tokens"):
        make_encoder(VisionSettings(kind="open_clip", name="RN50"))


def test_a_feature_map_of_timm_becomes_a_row_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    given, outs = frames(2), []
    for layout in ("NCHW", "NHWC"):
        torch.manual_seed(0)
        library(monkeypatch, "timm", MapModel(layout))
        encoder: Any = make_encoder(VisionSettings(kind="timm", name="dm_nfnet_f6", image_px=16))
        outs.append(encoder(given))
    assert torch.equal(*outs)
    whole = encoder.model.stem(given.float() / 127.5 - 1)
    torch.testing.assert_close(outs[0][:, 1], whole[:, :, 0, 1])


@pytest.mark.parametrize("kind", ["timm", "open_clip"])
def test_a_library_that_is_not_there_is_named(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(SettingsError, match=rf"{kind}.*(missing|does not load)"):
        make_encoder(VisionSettings(kind=kind, name="x"))


def test_what_such_a_library_needs_is_named_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text("import torchvision_that_is_nowhere")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match="timm is installed, but needs torchvision_that_is_nowhere"):
        make_encoder(VisionSettings(kind="timm", name="x"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "transformers", "path": "/nowhere"}, "no model folder at /nowhere"),
        ({"kind": "transformers", "config": {"model_type": "gpt2", "n_layer": 1}}, "no vision encoder"),
        ({"kind": "transformers", "config": {"image_size": 2}}, "needs model_type"),
    ],
)
def test_what_is_no_encoder_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_encoder(VisionSettings(**settings))


def test_a_checkpoint_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, model in (("timm", MapModel("NCHW")), ("open_clip", SimpleNamespace(visual=ClipTower()))):
        library(monkeypatch, kind, model)
        with pytest.raises(SettingsError, match="no checkpoint at /nowhere"):
            make_encoder(VisionSettings(kind=kind, name="x", path="/nowhere"))  # type: ignore[arg-type]


def test_frames_that_lie_in_memory_with_channels_last_are_seen_the_same() -> None:
    encoder, given = PatchEncoder(16, 4, 32), frames(2)
    other = torch.from_numpy(np.ascontiguousarray(given.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2)
    assert torch.equal(encoder(given), encoder(other))
