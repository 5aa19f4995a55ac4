"""The resampler and the gated block beside plain PyTorch after the pseudo-code of the paper (arXiv 2204.14198, A.1).

What stands here shares nothing with the code under test but the weights, which it takes by name.
"""

import math
from collections.abc import Mapping

import pytest
import torch

from model.network.attention import MediaSpans
from model.network.block import GatedBlock
from model.network.config import ConnectorSettings
from model.network.connector import Resampler

Weights = Mapping[str, torch.Tensor]


def layer_norm(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scale = (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def feed_forward(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    up = layer_norm(x, weights, f"{name}.norm") @ weights[f"{name}.up.weight"].T
    return (up * (up > 0)) ** 2 @ weights[f"{name}.down.weight"].T


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """q [tokens, width], k and v [keys, width]; head by head."""
    outs = []
    for q_h, k_h, v_h in zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True):
        scores = q_h @ k_h.T / math.sqrt(q_h.shape[-1])
        shares = (scores - scores.amax(-1, keepdim=True)).exp()
        outs.append(shares / shares.sum(-1, keepdim=True) @ v_h)
    return torch.cat(outs, -1)


def perceiver_resampler(x_f: torch.Tensor, weights: Weights, layers: int, heads: int) -> torch.Tensor:
    """x_f [T, S, d], the features of one medium of T frames.

    x_f = x_f + time_embeddings; x_f = flatten(x_f); x = latents; for each layer:
    x = x + attention(q=x, kv=concat([x_f, x])); x = x + ffw(x).
    """
    x_f = (x_f + weights["time"][: len(x_f), None]).reshape(-1, x_f.shape[-1])
    x = weights["latents"]
    for n in range(layers):
        name = f"layers.{n}"
        asking = layer_norm(x, weights, f"{name}.norm_latents")
        both = torch.cat([layer_norm(x_f, weights, f"{name}.norm_features"), asking])
        k, v = (both @ weights[f"{name}.to_kv.weight"].T).split(weights[f"{name}.to_kv.weight"].shape[0] // 2, -1)
        q = asking @ weights[f"{name}.to_q.weight"].T
        x = x + attention(q, k, v, heads) @ weights[f"{name}.to_out.weight"].T
        x = x + feed_forward(x, weights, f"{name}.feed_forward")
    return x


def gated_xattn_dense(
    y: torch.Tensor, media: list[torch.Tensor], phi: list[int], weights: Weights, heads: int
) -> torch.Tensor:
    """y [T, D], each token with the latents of the one medium that phi names, 0 none.

    y = y + tanh(alpha_xattn) * attention(q=y, kv=x); y = y + tanh(alpha_dense) * ffw(y).
    """
    asking = layer_norm(y, weights, "norm") @ weights["to_q.weight"].T
    attended = []
    for q, medium in zip(asking, phi, strict=True):
        if medium == 0:
            attended.append(torch.zeros_like(q))
            continue
        x = layer_norm(media[medium - 1], weights, "keys_values.norm")
        k, v = x @ weights["keys_values.to_k.weight"].T, x @ weights["keys_values.to_v.weight"].T
        attended.append(attention(q[None], k, v, heads)[0])
    y = y + torch.tanh(weights["attention_gate"]) * (torch.stack(attended) @ weights["to_out.weight"].T)
    return y + torch.tanh(weights["feed_forward_gate"]) * feed_forward(y, weights, "feed_forward")


def randomise(module: torch.nn.Module) -> Weights:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


@pytest.mark.parametrize("tied_start", [False, True])
def test_the_resampler_is_the_papers(tied_start: bool) -> None:
    settings = ConnectorSettings(tied_start=tied_start, layers=3, latents=5, heads=2, head_dim=7, max_frames=4)
    resampler = Resampler(settings, 12)
    weights = randomise(resampler)
    counts = [1, 3, 1, 4]
    features = torch.randn(sum(counts), 6, 12)
    latents = resampler(features, counts)
    for mine, x_f in zip(latents, features.split(counts), strict=True):
        torch.testing.assert_close(mine, perceiver_resampler(x_f, weights, 3, 2), atol=1e-4, rtol=1e-4)


def test_the_gated_block_is_the_papers() -> None:
    block = GatedBlock(dim=12, latent_dim=10, heads=3, head_dim=4)
    weights = randomise(block)
    phi = [0, 0, 1, 1, 1, 2, 2, 0, 3, 3]
    media, y = torch.randn(3, 5, 10), torch.randn(2, 10, 12)
    phis = [phi, phi[::-1]]
    out = block(y, media, MediaSpans.of_index(torch.tensor(phis) - 1))
    for mine, of_row, attends in zip(out, y, phis, strict=True):
        expected = gated_xattn_dense(of_row, list(media), attends, weights, 3)
        torch.testing.assert_close(mine, expected, atol=1e-4, rtol=1e-4)
