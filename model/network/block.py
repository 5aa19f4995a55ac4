"""GATED XATTN-DENSE: what lets the language model see (arXiv 2204.14198, 2.2 and figure 4).

Shapes: B rows, T tokens, D width of the language model, M media, L latents, C width of the latents, H heads, E width of
a head.
"""

import torch
import torch.nn.functional as F
from torch import nn

from model.network.attention import Backend, MediaSpans, image_attention
from model.network.config import Activation


class FeedForward(nn.Module):
    """LayerNorm, linear, squared ReLU or GELU, linear; no biases but the norm's."""

    def __init__(self, dim: int, mult: int, activation: Activation = "relu2") -> None:
        super().__init__()
        self.activation = activation
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, mult * dim, bias=False)
        self.down = nn.Linear(mult * dim, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        up = self.up(self.norm(x))
        out: torch.Tensor = self.down(F.gelu(up) if self.activation == "gelu" else F.relu(up).square())
        return out


class KeysValues(nn.Module):
    """Keys and values [M, L, H, E] of latents [M, L, C]."""

    def __init__(self, dim: int, heads: int, head_dim: int, norm: bool) -> None:
        super().__init__()
        self.shape = (heads, head_dim)
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.to_k = nn.Linear(dim, heads * head_dim, bias=False)
        self.to_v = nn.Linear(dim, heads * head_dim, bias=False)

    def forward(self, latents_MLC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x_MLC = self.norm(latents_MLC)
        return self.to_k(x_MLC).unflatten(-1, self.shape), self.to_v(x_MLC).unflatten(-1, self.shape)


class Cached:
    """Keys and values [B, L, H, E] of the one medium that each row still attends to, and which rows have one."""

    def __init__(self, k_BLHE: torch.Tensor, v_BLHE: torch.Tensor, has_medium_B: torch.Tensor) -> None:
        self.k_BLHE, self.v_BLHE, self.has_medium_B = k_BLHE, v_BLHE, has_medium_B

    def attention(self, q_BTHE: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q_BTHE, self.k_BLHE, self.v_BLHE))
        out_BTHE = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return out_BTHE * self.has_medium_B[:, None, None, None]

    def repeat(self, times: int) -> "Cached":
        """Each row so many times, for beams or candidates."""
        repeated = (x.repeat_interleave(times, 0) for x in (self.k_BLHE, self.v_BLHE, self.has_medium_B))
        return Cached(*repeated)


class Conditioning:
    """What the language model sees during one call: the latents and who attends to which, or what is cached of them."""

    def __init__(
        self,
        latents_MLI: torch.Tensor | None = None,
        spans: MediaSpans | None = None,
        cached: list[Cached] | None = None,
    ) -> None:
        self.latents_MLI, self.spans, self.cached = latents_MLI, spans, cached
        self.tokens_BT: torch.Tensor | None = None  # between the two hooks of the embedding


class GatedBlock(nn.Module):
    """y + tanh(a) * attention(y, latents), then that + tanh(b) * feed-forward of it. Both gates begin at 0: no change.

    A token without a medium gets nothing from the attention; the feed-forward part acts on it as on any other.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        heads: int,
        head_dim: int,
        ff_mult: int = 4,
        activation: Activation = "relu2",
        kv_norm: bool = True,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.shape, self.backend = (heads, head_dim), backend
        self.norm = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, heads * head_dim, bias=False)
        self.keys_values = KeysValues(latent_dim, heads, head_dim, kv_norm)
        self.to_out = nn.Linear(heads * head_dim, dim, bias=False)
        # Of shape [1]: FSDP2 cannot shard scalars.
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.feed_forward = FeedForward(dim, ff_mult, activation)
        self.feed_forward_gate = nn.Parameter(torch.zeros(1))

    def see(self, latents_MLC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [M, L, H, E], for `Cached`. FSDP gathers the block for it as for `forward`."""
        found: tuple[torch.Tensor, torch.Tensor] = self.keys_values(latents_MLC)
        return found

    def forward(
        self,
        hidden_BTD: torch.Tensor,
        latents_MLC: torch.Tensor | None = None,
        spans: MediaSpans | None = None,
        cached: Cached | None = None,
    ) -> torch.Tensor:
        """Attends to `latents_MLC` by `spans`, or to what is `cached`."""
        # A language model in half precision meets weights in full: outside of autocast the block decides.
        y_BTD = hidden_BTD.to(self.norm.weight.dtype)
        q_BTHE = self.to_q(self.norm(y_BTD)).unflatten(-1, self.shape)
        if cached is not None:
            attended_BTHE = cached.attention(q_BTHE)
        else:
            assert latents_MLC is not None
            assert spans is not None
            k_MLHE, v_MLHE = self.keys_values(latents_MLC)
            attended_BTHE = image_attention(q_BTHE, k_MLHE, v_MLHE, spans, self.backend)
        y_BTD = y_BTD + self.attention_gate.tanh() * self.to_out(attended_BTHE.flatten(2))
        out_BTD: torch.Tensor = y_BTD + self.feed_forward_gate.tanh() * self.feed_forward(y_BTD)
        return out_BTD.to(hidden_BTD.dtype)
