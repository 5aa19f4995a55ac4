"""From the features of an image or clip to a fixed number of latents (arXiv 2204.14198, 2.1 and A.1.1).

Shapes: F frames of all media, V features a frame, I their width, C width of the connector, M media, L latents,
G media with the same number of frames, S features of a medium.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from model.network.block import FeedForward
from model.network.config import ConnectorSettings


class Connector(nn.Module):
    """What all connectors share: frames are put together by medium, each marked with its time.

    One call serves all media of a batch, whatever their numbers of frames: those with the same number go together, none
    is padded.
    """

    def __init__(self, settings: ConnectorSettings, features_dim: int) -> None:
        super().__init__()
        self.dim = settings.dim or features_dim
        self.num_latents = settings.latents
        self.project: nn.Module = nn.Identity() if self.dim == features_dim else nn.Linear(features_dim, self.dim)
        self.time = nn.Parameter(torch.randn(settings.max_frames, self.dim) * 0.02)

    def forward(self, features_FVI: torch.Tensor, frame_counts: list[int]) -> torch.Tensor:
        """Latents [M, L, C] of media with these numbers of frames."""
        x_FVC = self.project(features_FVI.to(self.time.dtype))
        media = x_FVC.split(frame_counts)
        latents: list[torch.Tensor] = [x_FVC] * len(media)
        for count in sorted(set(frame_counts)):
            members = [m for m, other in enumerate(frame_counts) if other == count]
            x_GFVC = torch.stack([media[m] for m in members]) + self.times(count)[:, None, :]
            for m, latents_LC in zip(members, self.reduce(x_GFVC.flatten(1, 2)).unbind(0), strict=True):
                latents[m] = latents_LC
        return torch.stack(latents)

    def times(self, frames: int) -> torch.Tensor:
        """Embeddings [frames, C]: the first rows of the table, or all of it stretched linearly over more."""
        if frames <= len(self.time):
            return self.time[:frames]
        return F.interpolate(self.time.T[None], size=frames, mode="linear", align_corners=True)[0].T

    def reduce(self, x_GSC: torch.Tensor) -> torch.Tensor:
        """Latents [G, L, C] of features [G, S, C]."""
        raise NotImplementedError


class Resampler(Connector):
    """The Perceiver Resampler: learnt latents that ask the features, and one another, layer by layer."""

    def __init__(self, settings: ConnectorSettings, features_dim: int) -> None:
        super().__init__(settings, features_dim)
        self.centre = settings.centre
        self.latents = nn.Parameter(torch.randn(settings.latents, self.dim) * settings.latents_std)
        self.layers = nn.ModuleList(ResamplerLayer(settings, self.dim) for _ in range(settings.layers))
        self.norm: nn.Module = nn.LayerNorm(self.dim) if settings.final_norm else nn.Identity()

    def reduce(self, x_GSC: torch.Tensor) -> torch.Tensor:
        if self.centre:
            x_GSC = centred(x_GSC)
        latents_GLC = self.latents.expand(len(x_GSC), -1, -1)
        for layer in self.layers:
            latents_GLC = layer(latents_GLC, x_GSC)
        out_GLC: torch.Tensor = self.norm(latents_GLC)
        return out_GLC


class ResamplerLayer(nn.Module):
    """Latents attend to the features and to themselves; then a feed-forward layer."""

    def __init__(self, settings: ConnectorSettings, dim: int) -> None:
        super().__init__()
        self.heads, inner = settings.heads, settings.heads * settings.head_dim
        self.norm_latents, self.norm_features = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)
        self.feed_forward = FeedForward(dim, settings.ff_mult, settings.activation)
        self.tied_start = settings.tied_start

    def start_tied(self) -> None:
        """The keys' weights become the queries'."""
        with torch.no_grad():
            self.to_kv.weight[: self.to_q.out_features] = self.to_q.weight

    def forward(self, latents_GLC: torch.Tensor, x_GSC: torch.Tensor) -> torch.Tensor:
        asking_GLC = self.norm_latents(latents_GLC)
        k, v = self.to_kv(torch.cat([self.norm_features(x_GSC), asking_GLC], dim=1)).chunk(2, dim=-1)
        latents_GLC = latents_GLC + self.to_out(attention(self.to_q(asking_GLC), k, v, self.heads))
        out_GLC: torch.Tensor = latents_GLC + self.feed_forward(latents_GLC)
        return out_GLC


class Transformer(Connector):
    """Learnt latents are laid behind the features, all attend to all, and the latents are read out."""

    def __init__(self, settings: ConnectorSettings, features_dim: int) -> None:
        super().__init__(settings, features_dim)
        self.latents = nn.Parameter(torch.randn(settings.latents, self.dim) * settings.latents_std)
        self.layers = nn.ModuleList(TransformerLayer(settings, self.dim) for _ in range(settings.layers))

    def reduce(self, x_GSC: torch.Tensor) -> torch.Tensor:
        x_GSC = torch.cat([x_GSC, self.latents.expand(len(x_GSC), -1, -1)], dim=1)
        for layer in self.layers:
            x_GSC = layer(x_GSC)
        return x_GSC[:, -self.num_latents :]


class TransformerLayer(nn.Module):
    def __init__(self, settings: ConnectorSettings, dim: int) -> None:
        super().__init__()
        self.heads, inner = settings.heads, settings.heads * settings.head_dim
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)
        self.feed_forward = FeedForward(dim, settings.ff_mult, settings.activation)

    def forward(self, x_GSC: torch.Tensor) -> torch.Tensor:
        q, k, v = self.to_qkv(self.norm(x_GSC)).chunk(3, dim=-1)
        x_GSC = x_GSC + self.to_out(attention(q, k, v, self.heads))
        out_GSC: torch.Tensor = x_GSC + self.feed_forward(x_GSC)
        return out_GSC


class Mlp(Connector):
    """Feed-forward layers on each feature; neighbours are then averaged until as many are left as there are latents."""

    def __init__(self, settings: ConnectorSettings, features_dim: int) -> None:
        super().__init__(settings, features_dim)
        self.layers = nn.ModuleList(
            FeedForward(self.dim, settings.ff_mult, settings.activation) for _ in range(settings.layers)
        )

    def reduce(self, x_GSC: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x_GSC = x_GSC + layer(x_GSC)
        return F.adaptive_avg_pool1d(x_GSC.transpose(1, 2), self.num_latents).transpose(1, 2)


CONNECTORS: dict[str, Callable[[ConnectorSettings, int], Connector]] = {
    "resampler": Resampler,
    "transformer": Transformer,
    "mlp": Mlp,
}


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """Softmax attention of [G, tokens, heads * head_dim], scaled by 1 / sqrt(head_dim)."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def centred(x_GSC: torch.Tensor) -> torch.Tensor:
    """Features less the mean of their medium. Raises `ValueError` for media of one feature, of which nothing is left.

    Media of a group have the same number of features, none is padding: one mean is exact for all.
    """
    if x_GSC.shape[1] == 1:
        raise ValueError("the encoder gives one feature for an image, and connector.centre leaves nothing of it")
    return x_GSC - x_GSC.mean(1, keepdim=True)


def initialise(module: nn.Module, std: float | None = 0.02) -> None:
    """Linear weights from a normal distribution of this deviation, norms to the identity, the rest is left.

    Without `std` it is 1 / sqrt(width of what goes in).
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=part.in_features**-0.5 if std is None else std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for part in module.modules():
        if isinstance(part, ResamplerLayer) and part.tied_start:
            part.start_tied()
