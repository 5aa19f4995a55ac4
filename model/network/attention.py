"""Attention of each token to the latents of its one medium, at a cost of O(tokens x latents).

Others compare every token with every latent of every medium and mask most of it. Here a span of tokens that share a
medium meets that medium's latents and no others, so the cost does not grow with the number of media.

Shapes: B rows, T tokens a row, N = B * T, A of them that attend to something, M media, L latents of a medium, H heads,
E width of a head, S spans, R of them that attend to something, G chunks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from model.data.batch import Batch, moved_to
from model.network.varlen import takes, varlen_attention

Backend = Literal["auto", "grouped", "chunked", "varlen"]
_CHUNK_TOKENS = 32


@dataclass(frozen=True)
class MediaSpans:
    """Which spans of tokens attend to which medium: known before any layer runs, shared by all of them.

    Made of a batch that is still in the CPU's memory it costs no wait for a GPU; `to` brings it there.
    """

    lengths: tuple[int, ...]  # of the spans, over all rows end to end
    media: tuple[int, ...]  # of each span its medium, -1 none
    packed: bool = False  # whether a row holds several documents
    documents: tuple[int, ...] = ()  # their lengths, over all rows end to end; padding counts as one
    sees_media: bool = field(init=False, repr=False, compare=False)
    at: "_Indices | None" = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sees_media", any(medium >= 0 for medium in self.media))

    @classmethod
    def of(cls, batch: Batch) -> "MediaSpans":
        document_BT = batch.document_BT.cpu()
        packed = (document_BT != document_BT[:, :1]) & (document_BT >= 0)
        # Rows side by side may both end in padding: the row makes the difference.
        rows_BT = torch.arange(len(document_BT))[:, None] * (int(document_BT.max()) + 2 if document_BT.numel() else 1)
        documents, _ = _runs((document_BT + rows_BT).reshape(-1).numpy())
        spans = cls.of_index(batch.media_index_BT)
        return replace(spans, packed=bool(packed.any()), documents=documents)

    @classmethod
    def of_index(cls, media_index_BT: torch.Tensor) -> "MediaSpans":
        return cls(*_runs(media_index_BT.reshape(-1).cpu().numpy()))

    def to(self, device: torch.device) -> "MediaSpans":
        return self if self.at is not None else replace(self, at=_Indices.of(self, device))


def image_attention(
    q_BTHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans, backend: Backend = "auto"
) -> torch.Tensor:
    """[B, T, H, E]: for each token softmax attention to the latents of its medium; exactly 0 where it has none.

    `grouped` calls the kernel once a span. `chunked` cuts spans into chunks of 32 tokens and calls it once.
    `varlen` is FlashAttention with sequences of their own lengths: only on CUDA, in half precision, with heads whose
    width it takes. `auto` is grouped on a CPU (chunked where it is compiled, since the spans differ with each batch),
    varlen on CUDA where it can be, else chunked (benchmarks/network.py, benchmarks/gpu).
    """
    if not spans.sees_media:
        # All get a gradient, of 0: with several processes each must have one for every parameter.
        return q_BTHE * 0 + 0 * (k_MLHE.sum() + v_MLHE.sum())
    if backend == "auto":
        backend = _fastest(q_BTHE)
    spans = spans.to(q_BTHE.device)
    return BACKENDS[backend](q_BTHE.flatten(0, 1), k_MLHE, v_MLHE, spans).view(q_BTHE.shape)


def _fastest(q_BTHE: torch.Tensor) -> Backend:
    if q_BTHE.device.type == "cuda":
        return "varlen" if takes(q_BTHE.device, q_BTHE.dtype, q_BTHE.shape[-1]) else "chunked"
    return "chunked" if torch.compiler.is_compiling() else "grouped"


@torch.compiler.disable  # type: ignore[untyped-decorator]  # a program of its own for each batch
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
    at = spans.at
    assert at is not None
    chunks = q_NHE.new_zeros(len(at.chunk_media_G) * _CHUNK_TOKENS, *q_NHE.shape[1:])
    chunks = chunks.index_copy(0, at.slots_A, q_NHE.index_select(0, at.attending_A))
    q_GHE = chunks.unflatten(0, (-1, _CHUNK_TOKENS)).transpose(1, 2)
    k, v = (x_MLHE.index_select(0, at.chunk_media_G).transpose(1, 2) for x_MLHE in (k_MLHE, v_MLHE))
    out_AHE = F.scaled_dot_product_attention(q_GHE, k, v).transpose(1, 2).flatten(0, 1).index_select(0, at.slots_A)
    return torch.zeros_like(q_NHE).index_copy(0, at.attending_A, out_AHE)


def _varlen(q_NHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> torch.Tensor:
    """A span that sees nothing is a sequence without keys. Media are put in the order of spans, which most are in."""
    at = spans.at
    assert at is not None
    latents = k_MLHE.shape[1]
    if not (at.in_order and len(at.media_R) == len(k_MLHE)):
        k_MLHE, v_MLHE = (x_MLHE.index_select(0, at.media_R) for x_MLHE in (k_MLHE, v_MLHE))
    k, v, ends_k = k_MLHE.flatten(0, 1), v_MLHE.flatten(0, 1), at.seen_S1 * latents
    return varlen_attention(q_NHE, k, v, at.ends_S1, ends_k, at.longest, latents)


BACKENDS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor, MediaSpans], torch.Tensor]] = {
    "grouped": _grouped,
    "chunked": _chunked,
    "varlen": _varlen,
}


@dataclass(frozen=True)
class _Indices:
    """The spans as tensors on a device."""

    attending_A: torch.Tensor  # which of the N tokens
    slots_A: torch.Tensor  # their places in chunks laid end to end
    chunk_media_G: torch.Tensor
    media_R: torch.Tensor
    in_order: bool  # whether media_R is 0, 1, 2, ...
    ends_S1: torch.Tensor  # int32, where each span ends among the N, from 0
    seen_S1: torch.Tensor  # int32, how many of the spans up to there attend to something
    longest: int
    documents_D1: torch.Tensor  # int32, where each document ends among the N, from 0
    longest_document: int

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
            in_order=bool((media_R == np.arange(len(media_R))).all()),
            ends_S1=_tensor(np.cumsum([0, *lengths]).astype(np.int32), device),
            seen_S1=_tensor(np.cumsum([0, *(media >= 0)]).astype(np.int32), device),
            longest=int(lengths.max(initial=0)),
            documents_D1=_tensor(np.cumsum([0, *spans.documents]).astype(np.int32), device),
            longest_document=max(spans.documents, default=0),
        )


def _runs(values_N: npt.NDArray[np.int64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Lengths and values of the stretches of equal values."""
    starts = np.flatnonzero(np.diff(values_N, prepend=values_N[:1] - 1))
    return tuple(np.diff(starts, append=len(values_N)).tolist()), tuple(values_N[starts].tolist())


def _tensor(values: npt.NDArray[np.integer], device: torch.device) -> torch.Tensor:
    return moved_to(torch.from_numpy(values), device)
