"""A model of OpenFlamingo's structure, small and made by a recipe: whoever knows a weight's name and shape knows its
values. `make_open_flamingo.py` filled OpenFlamingo's own classes with them, and kept what these said."""

import json
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

from tests.model.makers import trained

EXPECTED = Path(__file__).with_name("open_flamingo.json")
TOKENS = trained().get_vocab_size()  # OpenFlamingo's new tokens have the ids after them, in this order
END_OF_CHUNK, IMAGE = TOKENS, TOKENS + 1
COLUMNS = (0, 7, 100, 200, END_OF_CHUNK, IMAGE)  # of the logits that are kept
HEAD = "lang_encoder.embed_out.weight"  # of GPT-NeoX
SIZE = 16
_CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIZE,
    "patch_size": 8,
    "hidden_act": "quick_gelu",
}
_PADDED = {"vocab_size": TOKENS + 13, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
#: By name: the language model, and before every how many-th layer a block stands. MPT ties its tables.
LANGUAGE: dict[str, tuple[dict[str, Any], int]] = {
    "gpt_neox": (
        {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48, **_PADDED},
        2,
    ),
    "mpt": ({"d_model": 32, "n_layers": 3, "n_heads": 4, **_PADDED}, 1),
}


def value(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The values of a weight: norms about 1, gates open, all else wide enough to be seen in the logits."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    drawn = torch.randn(shape, generator=generator)
    if name.endswith("_gate"):
        return 0.7 + 0.1 * drawn
    if len(shape) == 1:
        return 0.1 * drawn + (1.0 if name.endswith("weight") else 0.0)
    return drawn * 0.3


@torch.no_grad()
def fill(module: nn.Module, prefix: str) -> None:
    for name, parameter in module.named_parameters():
        parameter.copy_(value(f"{prefix}.{name}", tuple(parameter.shape)))


def make_language_model(kind: str, folder: Path) -> Any:
    """Written to the folder, with its tokenizer."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **LANGUAGE[kind][0]))
    fill(model, kind)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained(), bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(folder)
    return model


def make_clip(folder: Path) -> Any:
    model = AutoModel.from_config(AutoConfig.for_model(**_CLIP))
    fill(model, "clip")
    model.save_pretrained(folder)
    return model


def checkpoint(kind: str, names: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    return {name: value(recipe_name(kind, name), tuple(shape)) for name, shape in names.items()}


def recipe_name(kind: str, name: str) -> str:
    """One name for a weight that lies in two places of OpenFlamingo's model."""
    parts = name.split(".")
    if "gated_cross_attn_layer" in parts:
        place = parts.index("gated_cross_attn_layer")
        return ".".join([kind, "block", parts[place - 1], *parts[place + 1 :]])
    if kind == "mpt" and name == "lang_encoder.lm_head.weight":
        name = "lang_encoder.transformer.wte.weight"  # tied
    return f"{kind}.{name}"


def read_expected() -> Any:
    return json.loads(EXPECTED.read_text())


def questions() -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [2, 14] with OpenFlamingo's ids and the pictures [2, 2, 3, 16, 16] that they name, uint8. The first row
    begins before its first picture; in the second they stand side by side."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(2, TOKENS, (2, 14), generator=generator)
    tokens[0, [3, 9]], tokens[0, 8] = IMAGE, END_OF_CHUNK
    tokens[1, [0, 1]], tokens[1, 12] = IMAGE, END_OF_CHUNK
    return tokens, torch.randint(0, 256, (2, 2, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
