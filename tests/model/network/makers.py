"""Small models with random weights, and batches for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn

from model.data.batch import Batch
from model.network.config import (
    ConnectorSettings,
    CrossAttentionSettings,
    FlamingoConfig,
    LanguageSettings,
    VisionSettings,
)
from model.network.flamingo import Flamingo
from model.network.generate import Pixels, Prompt

VOCABULARY, SIZE = 97, 16
IMAGE, END = VOCABULARY, VOCABULARY + 1
#: More than a window of 8, so that models with sliding windows show it.
_LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
_NEOX = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}
LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_layer": 4, "n_embd": 32, "n_head": 4},
    "gpt_neo": {
        "num_layers": 4,
        "hidden_size": 32,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 2]],
        "window_size": 8,
    },
    "gpt_neox": _NEOX,
    "gptj": {"n_layer": 4, "n_embd": 32, "n_head": 4, "rotary_dim": 4},
    "llama": _LLAMA,
    "mistral": {**_LLAMA, "sliding_window": 8},
    "mixtral": {**_LLAMA, "num_local_experts": 4},
    "qwen2": _LLAMA,
    "qwen3": {**_LLAMA, "head_dim": 8},
    "phi": _NEOX,
    "phi3": _LLAMA,
    "gemma": {**_LLAMA, "head_dim": 8},
    "gemma2": {**_LLAMA, "head_dim": 8, "sliding_window": 8},
    "gemma3_text": {**_LLAMA, "head_dim": 8, "sliding_window": 8},
    "olmo2": _LLAMA,
    "smollm3": _LLAMA,
    "stablelm": _LLAMA,
    "granite": _LLAMA,
    "cohere": _LLAMA,
    "starcoder2": _LLAMA,
    "opt": {
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "ffn_dim": 48,
        "word_embed_proj_dim": 16,
    },
    "falcon": {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4},
    "bloom": {"hidden_size": 32, "n_layer": 4, "n_head": 4},
    "mpt": {"d_model": 32, "n_layers": 4, "n_heads": 4},
}
_LINEAR = {
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "layer_types": ["linear_attention", "full_attention"] * 2,
}
_MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 8}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
#: Layers that read on from a state, beside attention or without; tables of embeddings for each layer.
HYBRIDS: dict[str, dict[str, Any]] = {
    "qwen3_next": {**_LLAMA, **_LINEAR, **_EXPERTS, "head_dim": 8, "shared_expert_intermediate_size": 16},
    "qwen3_5_text": {**_LLAMA, **_LINEAR, "head_dim": 8},
    "lfm2": {**_LLAMA, "block_ff_dim": 48, "layer_types": ["conv", "full_attention"] * 2},
    "falcon_h1": {**_LLAMA, **_MAMBA, "head_dim": 8, "mamba_d_ssm": 32, "mamba_n_heads": 4},
    "jamba": {
        **_LLAMA,
        "num_experts": 2,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "bamba": {**_LLAMA, **_MAMBA, "attn_layer_indices": [1, 3]},
    "granitemoehybrid": {
        **_LLAMA,
        **_MAMBA,
        "layer_types": ["mamba", "attention"] * 2,
        "num_local_experts": 2,
        "num_experts_per_tok": 1,
        "shared_intermediate_size": 48,
    },
    "gemma4_text": {
        **_LLAMA,
        "head_dim": 8,
        "global_head_dim": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "sliding_window": 8,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": VOCABULARY,
        "num_kv_shared_layers": 0,
    },
}
#: What cannot see, each with the line that says so.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "gemma3n_text": (
        {
            **_LLAMA,
            "head_dim": 8,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 0,
            "altup_num_inputs": 2,
            "intermediate_size": [48] * 4,
            "activation_sparsity_pattern": [0.0] * 4,
        },
        "several streams",
    ),
    "mamba": ({"hidden_size": 32, "num_hidden_layers": 4, "state_size": 8}, r"cross_attention\.heads"),
    "rwkv": ({"hidden_size": 32, "num_hidden_layers": 4, "attention_hidden_size": 32}, r"cross_attention\.heads"),
}
_OF_KIND = {**LANGUAGE_MODELS, **HYBRIDS, **{kind: config for kind, (config, _) in REFUSED.items()}}


def lm_config(kind: str) -> dict[str, Any]:
    ids = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    return {"model_type": kind, **ids, **_OF_KIND[kind]}


def small(kind: str = "llama", **changes: Any) -> FlamingoConfig:
    """A model of four layers with two blocks; `changes` are of the whole config."""
    config = FlamingoConfig(
        lm=LanguageSettings(config=lm_config(kind)),
        vision=VisionSettings(image_px=SIZE, dim=32),
        connector=ConnectorSettings(layers=2, latents=4, heads=2, head_dim=8),
        cross_attention=CrossAttentionSettings(every=2),
    )
    return msgspec.structs.replace(config, **changes)


def flamingo(config: FlamingoConfig | None = None, gates: float | None = 0.8, lm: nn.Module | None = None) -> Flamingo:
    """A model with its gates opened, as after training; None leaves them at 0."""
    torch.manual_seed(0)
    model = Flamingo.build(small() if config is None else config, (IMAGE, END), lm=lm).eval()
    if gates is not None:
        with torch.no_grad():
            for block in model.gated_blocks():
                block.attention_gate.fill_(gates)
                block.feed_forward_gate.fill_(gates)
                # Wide enough for media to make a difference that can be seen.
                for weight in (block.to_out.weight, block.keys_values.to_v.weight, block.keys_values.to_k.weight):
                    weight.mul_(5)
    return model


def frames(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)


def batch(rows: Sequence[Sequence[Sequence[int]]], length: int, seed: int = 0) -> Batch:
    """Rows of documents, each the media that its tokens attend to, numbered in the document, -1 none.

    Where a medium begins stands `<image>`, before it `<EOC>`. Medium m of the batch has m % 3 + 1 frames.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (len(rows), length)
    tokens = torch.randint(0, VOCABULARY, shape, generator=generator)
    document, media = torch.full(shape, -1, dtype=torch.int32), torch.full(shape, -1, dtype=torch.int32)
    position, weight = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape)
    num_media = number = 0
    for b, documents in enumerate(rows):
        start = 0
        for attends in documents:
            place = (b, slice(start, start + len(attends)))
            index = torch.tensor(attends)
            document[place], position[place] = number, torch.arange(len(attends))
            media[place] = torch.where(index < 0, -1, index + num_media).int()
            weight[b, start + 1 : start + len(attends)] = 1
            for t in range(len(attends)):
                if attends[t] >= 0 and (t == 0 or attends[t] != attends[t - 1]):
                    tokens[b, start + t] = IMAGE
                    weight[b, start + t] = 0
                    if t:
                        tokens[b, start + t - 1] = END
            num_media += len({m for m in attends if m >= 0})
            number += 1
            start += len(attends)
    counts = [m % 3 + 1 for m in range(num_media)]
    return Batch(
        tokens_BT=tokens,
        document_BT=document,
        position_BT=position,
        media_index_BT=media,
        loss_weight_BT=weight,
        frames_FCHW=frames(sum(counts), seed),
        frame_offsets_M1=torch.tensor([0, *np.cumsum(counts)], dtype=torch.int32),
        source_D=torch.zeros(number, dtype=torch.int64),
        keys=tuple(str(document) for document in range(number)),
        sources=("made",),
    )


def alone(packed: Batch, number: int, length: int) -> Batch:
    """A document of a batch in a row of its own, padded."""
    mine = packed.document_BT == number
    media = sorted({m for m in packed.media_index_BT[mine].tolist() if m >= 0})
    offsets = packed.frame_offsets_M1.tolist()
    parts = [packed.frames_FCHW[offsets[m] : offsets[m + 1]] for m in media]
    counts = [len(part) for part in parts]

    def row(values: torch.Tensor, pad: int) -> torch.Tensor:
        return torch.nn.functional.pad(values[mine], (0, 3), value=pad)[None]

    index = packed.media_index_BT - (media[0] if media else 0)
    return replace(
        packed,
        tokens_BT=row(packed.tokens_BT, END),
        document_BT=row(packed.document_BT * 0, -1),
        position_BT=row(packed.position_BT, 0),
        media_index_BT=row(torch.where(packed.media_index_BT < 0, -1, index), -1),
        loss_weight_BT=row(packed.loss_weight_BT, 0),
        frames_FCHW=torch.cat(parts) if parts else packed.frames_FCHW[:0],
        frame_offsets_M1=torch.tensor([0, *torch.tensor(counts).cumsum(0).tolist()]) if counts else torch.tensor([0]),
    )


def image(seed: int) -> Pixels:
    pixels: Pixels = np.random.default_rng(seed).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
    return pixels


def some_prompts() -> list[Prompt]:
    """Of many lengths; with two media, none, one that is all of it, and one of several frames."""
    clip = np.concatenate([image(seed) for seed in range(3, 6)])
    return [
        Prompt((IMAGE, 5, 6, 7, END, IMAGE, 8), (0, 0, 0, 0, 0, 1, 1), (image(0), image(1))),
        Prompt((1, 2, 3), (-1, -1, -1), ()),
        Prompt((IMAGE,), (0,), (image(2),)),
        Prompt((1, 2, 3, END, IMAGE, 3, 6, 7, 4, 3, 3), (-1,) * 4 + (0,) * 7, (clip,)),
    ]


def flash_kernel(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    ends_q: torch.Tensor,
    ends_k: torch.Tensor,
    longest_q: int,
    longest_k: int,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
) -> torch.Tensor:
    """What FlashAttention's kernel promises, which has no form for a CPU."""
    assert ends_q.dtype == ends_k.dtype == torch.int32
    assert int(ends_q.diff().max()) == longest_q
    assert set(ends_k.diff().tolist()) <= ({0, longest_k} if window_size == (-1, -1) else set(range(longest_k + 1)))
    assert (int(ends_q[-1]), int(ends_k[-1])) == (len(q), len(k) == len(v) and len(k))
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    outs = []
    for n in range(len(ends_q) - 1):
        of_q, of_k = slice(ends_q[n], ends_q[n + 1]), slice(ends_k[n], ends_k[n + 1])
        scores = torch.einsum("ahe,lhe->hal", q[of_q], k[of_k]) * (scale or q.shape[-1] ** -0.5)
        back = torch.arange(scores.shape[1])[:, None] - torch.arange(scores.shape[2])
        left, right = window_size
        hidden = ((back > left) & (left >= 0)) | ((-back > right) & (right >= 0))
        shares = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        outs.append(torch.einsum("hal,lhe->ahe", shares, v[of_k]))  # 0 where there are no keys
    return torch.cat(outs)
