"""Attention of each token to the latents of its one medium, at a cost of O(tokens x latents).

Shapes: B rows, T tokens a row, N = B * T, M media, L latents of a medium, H heads, E width of a head.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from model.data.batch import Batch

Backend = Literal["auto", "grouped", "chunked", "varlen", "dense"]
_CHUNK = 32


@dataclass(frozen=True)
class Plan:
    """Which stretches of the tokens attend to which medium, known before any layer runs and shared by all of them.

    Made from a batch that is still in the CPU's memory it costs no wait for a GPU.
    """

    lengths: tuple[int, ...]  # of the stretches, over all rows end to end
    media: tuple[int, ...]  # of each stretch its medium, -1 none
    packed: bool = False  # whether a row holds several documents

    @classmethod
    def of(cls, batch: Batch) -> "Plan":
        document_BT = batch.document_BT.cpu()
        first_B1 = document_BT[:, :1]
        packed = bool(((document_BT != first_B1) & (document_BT >= 0)).any())
        return cls.of_index(batch.media_index_BT, packed)

    @classmethod
    def of_index(cls, media_index_BT: torch.Tensor, packed: bool = False) -> "Plan":
        index_N = media_index_BT.reshape(-1).cpu().numpy()
        starts = np.flatnonzero(np.diff(index_N, prepend=index_N[:1] - 1))
        lengths = np.diff(starts, append=len(index_N))
        return cls(tuple(lengths.tolist()), tuple(index_N[starts].tolist()), packed)

    @property
    def sees_media(self) -> bool:
        return any(medium >= 0 for medium in self.media)


@torch.compiler.disable  # type: ignore[untyped-decorator]  # the loop over stretches is another one for each batch
def image_attention(
    q_BTHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, plan: Plan, backend: Backend = "auto"
) -> torch.Tensor:
    """[B, T, H, E]: for each token softmax attention to the latents of its medium; exactly 0 where it has none."""
    if not plan.sees_media:
        # Keys and values get a gradient, of 0: with several processes each must have one for every parameter.
        return torch.zeros_like(q_BTHE) + 0 * (k_MLHE.sum() + v_MLHE.sum())
    if backend == "auto":
        backend = "grouped"
    out_NHE = _BACKENDS[backend](q_BTHE.flatten(0, 1), k_MLHE, v_MLHE, plan)
    return out_NHE.view(q_BTHE.shape)


def _grouped(q_NHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, plan: Plan) -> torch.Tensor:
    """One call for each stretch.

    `split` and `unbind` matter: their backward passes are one concatenation each, while that of a slice fills a tensor
    of the full size.
    """
    queries = q_NHE.transpose(0, 1).split(list(plan.lengths), dim=1)
    keys, values = k_MLHE.transpose(1, 2).unbind(0), v_MLHE.transpose(1, 2).unbind(0)
    outs = [
        F.scaled_dot_product_attention(q_HNE[None], keys[m][None], values[m][None])[0]
        if m >= 0
        else torch.zeros_like(q_HNE)
        for q_HNE, m in zip(queries, plan.media, strict=True)
    ]
    return torch.cat(outs, dim=1).transpose(0, 1)


def _dense(q_NHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Every token against every latent under a mask, as others do. For tests and benchmarks."""
    media_N = _media(plan, q_NHE.device)
    latent_media = torch.arange(len(k_MLHE), device=q_NHE.device).repeat_interleave(k_MLHE.shape[1])
    # A row that is masked everywhere would be NaN: it is opened, and its result zeroed.
    mask_NK = (media_N[:, None] == latent_media) | (media_N[:, None] < 0)
    q, k, v = (x.flatten(0, -3).transpose(0, 1)[None] for x in (q_NHE, k_MLHE, v_MLHE))
    out_NHE = F.scaled_dot_product_attention(q, k, v, attn_mask=mask_NK)[0].transpose(0, 1)
    return out_NHE.masked_fill((media_N < 0)[:, None, None], 0)


def _media(plan: Plan, device: torch.device) -> torch.Tensor:
    lengths = torch.tensor(plan.lengths)
    return torch.tensor(plan.media).repeat_interleave(lengths).to(device, non_blocking=True)


_BACKENDS = {"grouped": _grouped, "dense": _dense}
