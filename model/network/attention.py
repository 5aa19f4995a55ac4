"""Attention of each token to the latents of its one medium, at a cost of O(tokens x latents).

Others compare every token with every latent of every medium and mask most of it. Here a span of tokens that share a
medium meets that medium's latents and no others, so the cost does not grow with the number of media.

Shapes: B rows, T tokens a row, N = B * T, A of them that attend to something, M media, L latents of a medium, H heads,
E width of a head, G chunks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from model.data.batch import Batch

Backend = Literal["auto", "grouped", "chunked", "varlen"]
_CHUNK_TOKENS = 32


@dataclass(frozen=True)
class MediaSpans:
    """Which spans of tokens attend to which medium: known before any layer runs, shared by all of them.

    Made of a batch that is still in the CPU's memory it costs no wait for a GPU.
    """

    lengths: tuple[int, ...]  # of the spans, over all rows end to end
    media: tuple[int, ...]  # of each span its medium, -1 none
    packed: bool = False  # whether a row holds several documents
    _on: dict[torch.device, "_Indices"] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, batch: Batch) -> "MediaSpans":
        document_BT = batch.document_BT.cpu()
        packed = (document_BT != document_BT[:, :1]) & (document_BT >= 0)
        return cls.of_index(batch.media_index_BT, bool(packed.any()))

    @classmethod
    def of_index(cls, media_index_BT: torch.Tensor, packed: bool = False) -> "MediaSpans":
        index_N = media_index_BT.reshape(-1).cpu().numpy()
        starts = np.flatnonzero(np.diff(index_N, prepend=index_N[:1] - 1))
        lengths = np.diff(starts, append=len(index_N))
        return cls(tuple(lengths.tolist()), tuple(index_N[starts].tolist()), packed)

    @property
    def sees_media(self) -> bool:
        return any(medium >= 0 for medium in self.media)

    def indices(self, device: torch.device) -> "_Indices":
        if device not in self._on:
            self._on[device] = _Indices.of(self, device)
        return self._on[device]


@torch.compiler.disable  # type: ignore[untyped-decorator]  # the spans differ with each batch
def image_attention(
    q_BTHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans, backend: Backend = "auto"
) -> torch.Tensor:
    """[B, T, H, E]: for each token softmax attention to the latents of its medium; exactly 0 where it has none.

    `grouped` calls the kernel once a span. `chunked` cuts spans into chunks of 32 tokens and calls it once.
    `varlen` is FlashAttention with sequences of their own lengths: only on CUDA, in half precision. `auto` is grouped
    on a CPU (measured: benchmarks/network.py), varlen on CUDA where it can be, else chunked (not measured).
    """
    if not spans.sees_media:
        # All get a gradient, of 0: with several processes each must have one for every parameter.
        return q_BTHE * 0 + 0 * (k_MLHE.sum() + v_MLHE.sum())
    if backend == "auto":
        backend = _fastest(q_BTHE)
    return BACKENDS[backend](q_BTHE.flatten(0, 1), k_MLHE, v_MLHE, spans).view(q_BTHE.shape)


def _fastest(q_BTHE: torch.Tensor) -> Backend:
    if q_BTHE.device.type != "cuda":
        return "grouped"
    return "varlen" if q_BTHE.dtype in (torch.bfloat16, torch.float16) else "chunked"


def _grouped(q_NHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> torch.Tensor:
    """`split` and `unbind` matter: their backward pass is one concatenation, that of slices fills all of q for each."""
    queries = q_NHE.transpose(0, 1).split(list(spans.lengths), dim=1)
    keys, values = k_MLHE.transpose(1, 2).unbind(0), v_MLHE.transpose(1, 2).unbind(0)
    outs = [
        F.scaled_dot_product_attention(q_HNE[None], keys[m][None], values[m][None])[0]
        if m >= 0
        else torch.zeros_like(q_HNE)
        for q_HNE, m in zip(queries, spans.media, strict=True)
    ]
    return torch.cat(outs, dim=1).transpose(0, 1).contiguous()


def _chunked(q_NHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> torch.Tensor:
    """`index_select` and not indexing by brackets: in its backward pass that sorts and accumulates, slowly."""
    at = spans.indices(q_NHE.device)
    chunks = q_NHE.new_zeros(len(at.chunk_media_G) * _CHUNK_TOKENS, *q_NHE.shape[1:])
    chunks = chunks.index_copy(0, at.slots_A, q_NHE.index_select(0, at.attending_A))
    q_GHE = chunks.unflatten(0, (-1, _CHUNK_TOKENS)).transpose(1, 2)
    k, v = (x_MLHE.index_select(0, at.chunk_media_G).transpose(1, 2) for x_MLHE in (k_MLHE, v_MLHE))
    out_AHE = F.scaled_dot_product_attention(q_GHE, k, v).transpose(1, 2).flatten(0, 1).index_select(0, at.slots_A)
    return torch.zeros_like(q_NHE).index_copy(0, at.attending_A, out_AHE)


def _varlen(q_NHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    at, latents = spans.indices(q_NHE.device), k_MLHE.shape[1]
    k, v = (x_MLHE.index_select(0, at.media_R).flatten(0, 1) for x_MLHE in (k_MLHE, v_MLHE))
    ends_k = torch.arange(len(at.media_R) + 1, device=q_NHE.device, dtype=torch.int32) * latents
    q_AHE = q_NHE.index_select(0, at.attending_A)
    out_AHE = varlen_attn(q_AHE, k, v, at.ends_R1, ends_k, at.longest, latents)
    assert isinstance(out_AHE, torch.Tensor)
    return torch.zeros_like(q_NHE).index_copy(0, at.attending_A, out_AHE)


BACKENDS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor, MediaSpans], torch.Tensor]] = {
    "grouped": _grouped,
    "chunked": _chunked,
    "varlen": _varlen,
}


@dataclass(frozen=True)
class _Indices:
    """The spans as tensors; R of them attend to something."""

    attending_A: torch.Tensor  # which of the N tokens
    slots_A: torch.Tensor  # their places in chunks laid end to end
    chunk_media_G: torch.Tensor
    media_R: torch.Tensor
    ends_R1: torch.Tensor  # int32, where each span ends among the A, from 0
    longest: int

    @classmethod
    def of(cls, spans: MediaSpans, device: torch.device) -> "_Indices":
        lengths, media = np.array(spans.lengths), np.array(spans.media)
        attending_A = np.flatnonzero(np.repeat(media >= 0, lengths))
        lengths_R, media_R = lengths[media >= 0], media[media >= 0]
        chunks_R = -(-lengths_R // _CHUNK_TOKENS)
        starts_R = (np.cumsum(chunks_R) - chunks_R) * _CHUNK_TOKENS
        ends_R1 = np.concatenate([[0], np.cumsum(lengths_R)])
        within_A = np.arange(len(attending_A)) - np.repeat(ends_R1[:-1], lengths_R)
        return cls(
            attending_A=_tensor(attending_A, device),
            slots_A=_tensor(np.repeat(starts_R, lengths_R) + within_A, device),
            chunk_media_G=_tensor(np.repeat(media_R, chunks_R), device),
            media_R=_tensor(media_R, device),
            ends_R1=_tensor(ends_R1, device).int(),
            longest=int(lengths_R.max()),
        )


def _tensor(values: npt.NDArray[np.int64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(values).to(device, non_blocking=True)
