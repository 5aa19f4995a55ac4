"""The block structure of OpenFlamingo, written after what it publishes: attention under a dense mask.

Every token is compared with the latents of all images of its row; the mask is made anew in each block of each step, and
the scores of all pairs are held. Weights, widths and all else are those of our blocks: a step computes the same.

Shapes as in model/network/attention.py; N images a row.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from model.network.attention import MediaSpans

Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, MediaSpans], torch.Tensor]


def dense_attention(index_BT: torch.Tensor, masked: Callable[..., torch.Tensor]) -> Attention:
    """A backend of our blocks. Media are those of the rows in order, as many in each."""
    return partial(_attention, index_BT, masked)


def _attention(
    index_BT: torch.Tensor,
    masked: Callable[..., torch.Tensor],
    q_NHE: torch.Tensor,
    k_MLHE: torch.Tensor,
    v_MLHE: torch.Tensor,
    spans: MediaSpans,
) -> torch.Tensor:
    rows, latents = len(index_BT), k_MLHE.shape[1]
    q_BHTE = q_NHE.unflatten(0, (rows, -1)).transpose(1, 2)
    k_BHSE, v_BHSE = (x.unflatten(0, (rows, -1)).flatten(1, 2).transpose(1, 2) for x in (k_MLHE, v_MLHE))
    own_BN = torch.arange(len(k_MLHE), device=q_NHE.device).view(rows, -1)
    mask_BTS = (index_BT[:, :, None] == own_BN[:, None, :]).repeat_interleave(latents, dim=2)
    blind_BT = index_BT < 0
    out_BHTE = masked(q_BHTE, k_BHSE, v_BHSE, mask_BTS, blind_BT)
    return out_BHTE.transpose(1, 2).flatten(0, 1)


def scores_held(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask_BTS: torch.Tensor, blind_BT: torch.Tensor
) -> torch.Tensor:
    """As OpenFlamingo: all scores, filled where masked, less the maximum, softmax, tokens without image zeroed."""
    scores = torch.einsum("... i d, ... j d -> ... i j", q * q.shape[-1] ** -0.5, k)
    scores = scores.masked_fill(~mask_BTS[:, None], -torch.finfo(scores.dtype).max)
    scores = scores - scores.amax(dim=-1, keepdim=True).detach()
    shares = scores.softmax(dim=-1).masked_fill(blind_BT[:, None, :, None], 0.0)
    return torch.einsum("... i j, ... j d -> ... i d", shares.to(v.dtype), v)


def sdpa(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask_BTS: torch.Tensor, blind_BT: torch.Tensor
) -> torch.Tensor:
    """The same mask given to PyTorch's attention, which does not hold the scores."""
    mask = (mask_BTS | blind_BT[..., None])[:, None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).masked_fill(blind_BT[:, None, :, None], 0)
