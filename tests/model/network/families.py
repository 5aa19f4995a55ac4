"""Language models and encoders by family, each made of a config like its published ones, but small and random; and what
weft makes of each, as a row of the tables in docs/model-exchange.md."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from transformers import AutoImageProcessor

from model.exported.config import config_of
from model.exported.network import WeftForConditionalGeneration
from model.network import apart, varlen
from model.network.config import LanguageSettings, VisionSettings
from model.network.generate import GenerateSettings, generate
from model.network.vision.encoder import make_encoder
from schemas.settings import SettingsError
from tests.model.network.makers import (
    END,
    VOCABULARY,
    alone,
    batch,
    flamingo,
    flash_kernel,
    small,
    some_prompts,
)
from tests.model.network.test_generate import BEAM, beams_without_cache, without_cache

Row = tuple[str, ...]
_IDS = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
_LLAMA = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, **_HEADS}
_GEMMA = {**_LLAMA, "head_dim": 16, "query_pre_attn_scalar": 12, "sliding_window": 8, "tie_word_embeddings": True}
_GEMMA3 = {
    **_GEMMA,
    "layer_types": [*["sliding_attention"] * 3, "full_attention"],
    "rope_parameters": {
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
    },
}
_NEOX = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
_OPT = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "ffn_dim": 48}
_SIGLIP = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}

#: By name: what of the published models' configs is not that of the class.
LANGUAGE: dict[str, dict[str, Any]] = {
    "Llama 2": {"model_type": "llama", **_LLAMA, "num_key_value_heads": 4},
    "Llama 3": {"model_type": "llama", **_LLAMA, "rope_parameters": _LLAMA3_ROPE},
    "Qwen 2.5": {"model_type": "qwen2", **_LLAMA, "tie_word_embeddings": True},
    "Qwen 3": {"model_type": "qwen3", **_LLAMA, "head_dim": 16, "tie_word_embeddings": True},
    "Gemma 2": {"model_type": "gemma2", **_GEMMA},
    "Gemma 3, text alone (270M, 1B)": {"model_type": "gemma3_text", **_GEMMA3},
    "Gemma 3 with an encoder of its own (4B and up)": {
        "model_type": "gemma3",
        "text_config": {"model_type": "gemma3_text", **_GEMMA3, **_IDS},
        "vision_config": _SIGLIP,
        "tie_word_embeddings": True,
    },
    "SmolLM2": {"model_type": "llama", **_LLAMA, "tie_word_embeddings": True},
    "SmolLM3": {"model_type": "smollm3", **_LLAMA, "no_rope_layers": [1, 1, 1, 0], "tie_word_embeddings": True},
    "Mistral": {"model_type": "mistral", **_LLAMA, "sliding_window": 8},
    "Phi 2": {"model_type": "phi", **_NEOX, "partial_rotary_factor": 0.5},
    "Phi 3, 4": {"model_type": "phi3", **_LLAMA, "sliding_window": 8},
    "OLMo 2": {"model_type": "olmo2", **_LLAMA, "num_key_value_heads": 4},
    "GPT-NeoX, Pythia": {"model_type": "gpt_neox", **_NEOX},
    "OPT": {"model_type": "opt", **_OPT, "word_embed_proj_dim": 32},
    "OPT 350m": {"model_type": "opt", **_OPT, "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "MPT": {"model_type": "mpt", "d_model": 32, "n_layers": 4, "n_heads": 4},
}

_VIT = {**_SIGLIP, "model_type": "clip_vision_model"}
#: By name: config, and the processor of transformers that the published ones come with.
ENCODERS: dict[str, tuple[dict[str, Any], str]] = {
    "CLIP": (_VIT, "CLIPImageProcessor"),
    "CLIP, texts beside": (
        {"model_type": "clip", "vision_config": _VIT, "text_config": {"num_hidden_layers": 1, "vocab_size": 50}},
        "CLIPImageProcessor",
    ),
    "SigLIP": (_SIGLIP, "SiglipImageProcessor"),
    "SigLIP 2, of a fixed size": (
        {"model_type": "siglip", "vision_config": _SIGLIP, "text_config": {"num_hidden_layers": 1, "vocab_size": 50}},
        "SiglipImageProcessor",
    ),
    "SigLIP 2, NaFlex": (
        {
            **{name: value for name, value in _SIGLIP.items() if name != "image_size"},
            "model_type": "siglip2_vision_model",
        },
        "Siglip2ImageProcessor",
    ),
    "ViT": ({**_VIT, "model_type": "vit"}, "ViTImageProcessor"),
    "DINOv2": ({**_VIT, "model_type": "dinov2"}, "BitImageProcessor"),
    "DINOv2 with registers": (
        {**_VIT, "model_type": "dinov2_with_registers", "num_register_tokens": 4},
        "BitImageProcessor",
    ),
    "DINOv3 ViT": ({**_VIT, "model_type": "dinov3_vit", "num_register_tokens": 4}, ""),
}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@torch.no_grad()
def language_row(name: str) -> Row:
    """Family, class, how packed rows are kept apart, on a GPU too, what generates, whether an export is equal."""
    config = small(lm=LanguageSettings(config={**_IDS, **LANGUAGE[name]}))
    model = flamingo(config)
    _begins_as_the_language_model(flamingo(config, gates=None))
    mask = "yes" if _packs(model) else "no"
    return (name, type(model.lm).__name__, mask, _ends(config), _generates(model), _exported(model))


@torch.no_grad()
def encoder_row(name: str) -> Row:
    """Family, class, features of 32 x 32 pixels in patches of 8, what is left out, mean, whether they equal
    transformers' own hidden states of pictures that its own processor made ready."""
    config, processor = ENCODERS[name]
    torch.manual_seed(0)
    try:
        made: Any = make_encoder(VisionSettings(kind="transformers", config=config)).eval()
    except SettingsError as error:
        return (name, "-", "-", "-", "-", str(error).removeprefix("vision: "))
    with TemporaryDirectory() as folder:
        _save(made.model, processor, Path(folder))
        equal = [_equals_theirs(folder, processor, layer) for layer in (None, -2)]
        encoder: Any = make_encoder(VisionSettings(kind="transformers", path=folder))
    features = made(_pictures()).shape[1]
    left_out = made.model(pixel_values=torch.zeros(1, 3, 32, 32)).last_hidden_state.shape[1] - features
    registers = f"{left_out} registers" if left_out else "nothing"
    shown = " ".join(f"{value:.3g}" for value in encoder.mean)
    return (name, type(made.model).__name__, str(features), registers, shown, "yes" if all(equal) else "no")


def _begins_as_the_language_model(model: Any) -> None:
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]]], 14)
    given.tokens_BT.clamp_(max=VOCABULARY - 1)
    own = model.lm(input_ids=given.tokens_BT, use_cache=False).logits
    assert torch.equal(model(given)[..., :VOCABULARY], own)


def _packs(model: Any) -> bool:
    one, other = [-1] + [0] * 6 + [1] * 5, [0] * 10
    packed = batch([[one, other]], 24)
    logits = model(packed)[0, :22]
    apart_each = [model(alone(packed, n, len(each)))[0, : len(each)] for n, each in enumerate((one, other))]
    return float((logits - torch.cat(apart_each)).abs().max()) < 1e-5


def _ends(config: Any) -> str:
    """With a stand-in for FlashAttention."""
    given = batch([[[-1] + [0] * 6 + [1] * 5, [0] * 12], [[-1] * 3 + [0] * 9]], 24)
    model = flamingo(config)
    real = given.document_BT >= 0
    expected = model(given)[real]
    with patch.object(apart, "takes", lambda *of: True), patch.object(varlen, "KERNEL", flash_kernel):
        model = flamingo(config)
        found = model(given)[real]
        lm: Any = model.lm
        assert float((found - expected).abs().max()) < 1e-4
        return "ends" if lm.config._attn_implementation == apart.BY_ENDS else "mask"


def _generates(model: Any) -> str:
    prompts, greedy = some_prompts(), GenerateSettings(max_new_tokens=3)
    if generate(model, prompts, [END], greedy) != without_cache(model, prompts, [END], greedy):
        return "no"
    try:
        found = generate(model, prompts[:1], [END], BEAM)
    except Exception:  # as transformers raises for a cache that it cannot reorder
        return "greedy"
    return "greedy, beams" if found == [beams_without_cache(model, prompts[0])] else "greedy"


def _exported(model: Any) -> str:
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]]], 12)
    with TemporaryDirectory() as folder:
        WeftForConditionalGeneration(config_of(model), model).save_pretrained(folder)
        again = WeftForConditionalGeneration.from_pretrained(folder)
    return "yes" if torch.equal(again.flamingo(given), model(given)) else "no"


def _save(model: Any, processor: str, folder: Path) -> None:
    """As the published ones lie: weights, config, and what their processor wrote."""
    model.save_pretrained(folder)
    said = {"image_mean": IMAGENET[0], "image_std": IMAGENET[1]}  # DINOv3's processor needs torchvision
    if processor:
        import transformers

        size = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
        if processor == "BitImageProcessor":
            size |= said
        getattr(transformers, processor)(**size).save_pretrained(folder)
    else:
        (folder / "preprocessor_config.json").write_text(json.dumps(said))


def _equals_theirs(folder: str, processor: str, layer: int | None) -> bool:
    encoder: Any = make_encoder(VisionSettings(kind="transformers", path=folder, layer=layer)).eval()
    pictures = _pictures()
    if processor:
        theirs = AutoImageProcessor.from_pretrained(folder)
        pixels = theirs(images=[one.permute(1, 2, 0).numpy() for one in pictures], return_tensors="pt")["pixel_values"]
    else:
        mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET)
        pixels = (pictures / 255 - mean) / std
    out = encoder.model(pixel_values=pixels, output_hidden_states=True)
    states = out.last_hidden_state if layer is None else out.hidden_states[layer]
    count = getattr(encoder.model.config, "num_register_tokens", 0)
    kept = torch.cat([states[:, :1], states[:, 1 + count :]], dim=1) if count else states
    return float((encoder(pictures) - kept).abs().max()) < 1e-4


def _pictures() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
