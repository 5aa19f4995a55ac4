"""What a training step computes, for the share of a device's peak (MFU) that it reaches.

A frozen weight costs its forward pass (2 floating-point operations a weight and token) and the gradient of what went in
(2 more), a trained one its own gradient too (6). A frozen encoder costs its forward pass only. Attention of a token to
n others at width d costs 12 n d, forward and backward. Norms, softmax and the like are left out, as is the custom
(Chowdhery et al., PaLM, arXiv 2204.02311, appendix B).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from model.data.batch import Batch
from model.network.connector import Mlp, Transformer
from model.network.flamingo import Flamingo
from model.network.language import text_config
from model.network.vision.absent import AbsentEncoder


@dataclass(frozen=True)
class StepFlops:
    """Floating-point operations of forward and backward pass, by what they grow with."""

    per_token: float  # without its self-attention
    per_token_pair: float  # for each token and each place of its row: attention as others count it, without its mask
    per_attending_token: float  # its cross-attention
    per_medium: float
    per_frame: float  # without the encoder
    per_encoded_frame: float  # of the encoder

    def of(self, batch: Batch) -> float:
        """Of a batch. Padding counts too: it is computed."""
        tokens, row = batch.tokens_BT.numel(), batch.tokens_BT.shape[1]
        return (
            tokens * (self.per_token + row * self.per_token_pair)
            + int((batch.media_index_BT >= 0).sum()) * self.per_attending_token
            + (len(batch.frame_offsets_M1) - 1) * self.per_medium
            + len(batch.frames_FCHW) * self.per_frame
            + (len(batch.frames_FCHW) * self.per_encoded_frame if batch.features_FVI is None else 0)
        )


def step_flops(model: Flamingo) -> StepFlops:
    """Of this model. The encoder is run once on a black frame to count what it does."""
    config, lm_weight = model.config, 6 if model.config.train_lm else 4
    settings = config.connector
    kv = sum(_weights(block.keys_values) for block in model.gated_blocks())
    blocks = _weights(model.blocks) - kv
    heads_width = sum(block.to_q.out_features for block in model.gated_blocks())
    text = text_config(model.lm)
    features, vision = _of_frame(model)
    of_latents, of_features = _of_connector(model.connector)
    inner = settings.heads * settings.head_dim * settings.layers
    asked = 0 if isinstance(model.connector, Mlp) else inner * settings.latents
    asking = asked + inner * features if isinstance(model.connector, Transformer) else asked
    return StepFlops(
        per_token=lm_weight * _matrices(model.lm) + 6 * blocks,
        per_token_pair=12 * text.num_hidden_layers * text.hidden_size,
        per_attending_token=12 * heads_width * settings.latents,
        per_medium=settings.latents * (6 * of_latents + 6 * kv + 12 * asked),
        per_frame=features * (6 * of_features + 12 * asking),
        per_encoded_frame=vision * (3 if config.train_vision else 1),
    )


def _of_connector(connector: Any) -> tuple[int, int]:
    """Weights that each latent and each feature meets."""
    project = _weights(connector.project)
    if isinstance(connector, Mlp):
        return 0, project + _weights(connector.layers)
    layers = _weights(connector.layers)
    if isinstance(connector, Transformer):
        return layers, project + layers
    of_features = sum(part.weight.numel() for name, part in connector.named_modules() if name.endswith("to_kv"))
    return layers, project + of_features


@torch.no_grad()
def _of_frame(model: Flamingo) -> tuple[int, int]:
    """Features that the encoder gives of a frame, and what it computes for them, counted by shapes alone."""
    vision = model.vision
    if isinstance(vision, AbsentEncoder):
        return vision.count, 0
    weights = {name: value.to("meta") for name, value in (*vision.named_parameters(), *vision.named_buffers())}
    frame = torch.zeros(1, 3, vision.image_px, vision.image_px, dtype=torch.uint8, device="meta")
    with FlopCounterMode(display=False) as counter:
        features = functional_call(vision, weights, (frame,)).shape[1]
    return features, counter.get_total_flops()


def _weights(module: nn.Module) -> int:
    """Entries of the linear layers."""
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))


def _matrices(lm: nn.Module) -> int:
    """Entries of all matrices but tables: a model may have linear layers of its own kind."""
    tables = {id(part.weight) for part in lm.modules() if isinstance(part, nn.Embedding)}
    head = lm.get_output_embeddings()  # type: ignore[operator]
    inner = sum(p.numel() for p in lm.parameters() if p.ndim == 2 and id(p) not in tables)
    return inner + (head.weight.numel() if id(head.weight) in tables else 0)
