"""Writes `open_flamingo.json`: what OpenFlamingo's own code says of the model of the recipe.

    pip install --no-deps --target DIR open_flamingo==2.0.1 einops einops-exts
    PYTHONPATH=DIR:. python -m tests.model.imported.make_open_flamingo

Its factory makes the model: it wants open_clip, whose part is played by CLIP of transformers without its class token
and its last norm, as open_clip 2.16 gave them. The names and shapes of a checkpoint are those that its training keeps:
what is trained and the embeddings, by the rules of its `filter_state_dict_to_trainable`, whose module asks for wandb.
"""

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from model.network.vision.encoder import CLIP_MEAN, CLIP_STD
from tests.model.imported.open_flamingo import (
    COLUMNS,
    EXPECTED,
    HEAD,
    LANGUAGE,
    make_clip,
    make_language_model,
    questions,
    recipe_name,
    value,
)

_HEAD_NOW = "lang_encoder.lm_head.weight"


class Tower(nn.Module):
    """The image side of open_clip: a pooled vector, and the tokens."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, pixels: torch.Tensor) -> tuple[None, torch.Tensor]:
        return None, self.clip(pixel_values=pixels).last_hidden_state[:, 1:]


class Clip(nn.Module):
    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.visual = Tower(clip)


def stand_in(clip: Any) -> ModuleType:
    module: Any = ModuleType("open_clip")
    module.create_model_and_transforms = lambda *_, **__: (Clip(clip), None, None)
    module.get_model_config = lambda _: {"vision_cfg": {"width": clip.config.hidden_size}}
    return module


@torch.no_grad()
def said(kind: str, folder: Path) -> dict[str, Any]:
    """Names and shapes of the checkpoint, and logits [2, 14, columns]."""
    sys.modules["open_clip"] = stand_in(make_clip(folder / "clip").eval())
    from open_flamingo import create_model_and_transforms

    make_language_model(kind, folder / kind)
    model, _, tokenizer = create_model_and_transforms(
        "clip", "none", str(folder / kind), str(folder / kind), LANGUAGE[kind][1], use_local_files=True
    )
    names = kept(model)
    state = model.state_dict()  # the tensors of the model itself
    if kind == "gpt_neox":  # whose head had this name, so that a checkpoint held it
        names[HEAD], state[HEAD] = list(state[_HEAD_NOW].shape), state[_HEAD_NOW]
    for name, shape in names.items():
        state[name].copy_(value(recipe_name(kind, name), tuple(shape)))
    tokens, pictures = questions()
    assert [tokenizer.convert_tokens_to_ids(name) for name in ("<|endofchunk|>", "<image>")] == list(COLUMNS[-2:])
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    vision_x = ((pictures / 255 - mean) / std)[:, :, None]  # [rows, pictures, frames, 3, H, W]
    logits = model.eval()(vision_x, tokens, attention_mask=torch.ones_like(tokens)).logits
    return {"names": names, "logits": logits[..., list(COLUMNS)].double().round(decimals=5).tolist()}


def kept(model: Any) -> dict[str, list[int]]:
    """What a checkpoint of its training holds."""
    frozen = {
        name for name, parameter in model.named_parameters() if not parameter.requires_grad and "embed" not in name
    }
    twice = ("lang_encoder.old_decoder_blocks", "lang_encoder.gated_cross_attn_layers", "vision_encoder")
    state = model.state_dict()
    return {
        name: list(tensor.shape)
        for name, tensor in state.items()
        if name not in frozen and not any(part in name for part in (*twice, ".decoder_layer."))
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = {kind: said(kind, Path(folder)) for kind in LANGUAGE}
    EXPECTED.write_text(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
