"""FlashAttention over sequences of their own lengths, laid end to end, as PyTorch has it.

Shapes: N queries, K keys, H heads, G heads of keys and values, E width of a head, S sequences.
"""

import functools
import inspect
from typing import Any

import torch

_WIDEST_HEAD = 256


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # a graph need not follow it
def takes(device: torch.device, dtype: torch.dtype, head_dim: int) -> bool:
    """Whether the kernel takes this: half precision, heads of a multiple of 8 up to 256, a GPU from Ampere on."""
    return (
        device.type == "cuda"
        and dtype in (torch.bfloat16, torch.float16)
        and head_dim % 8 == 0
        and head_dim <= _WIDEST_HEAD
        and KERNEL is not None
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def varlen_attention(
    q_NHE: torch.Tensor,
    k_KGE: torch.Tensor,
    v_KGE: torch.Tensor,
    ends_q_S1: torch.Tensor,
    ends_k_S1: torch.Tensor,
    longest_q: int,
    longest_k: int,
    scale: float | None = None,
    causal: bool = False,
    window: int | None = None,
) -> torch.Tensor:
    """[N, H, E]: queries of each sequence attend to its keys; those of one without keys get exactly 0.

    With `window` each sees so many, the last of them its own. Ends are int32, from 0. Only where `takes` says so.
    """
    assert KERNEL is not None
    masked: dict[str, Any] = {"window_size": (-1 if window is None else window - 1, 0)} if causal else {}
    out: torch.Tensor = KERNEL(q_NHE, k_KGE, v_KGE, ends_q_S1, ends_k_S1, longest_q, longest_k, scale=scale, **masked)
    return out


def _kernel() -> Any:
    """None where this torch has it not: before 2.11 it knew no windows, before 2.10 it was not there."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    if not {"scale", "window_size"} <= set(known):
        return None
    # Keys may have fewer heads than queries: some versions want to be told.
    return functools.partial(varlen_attn, enable_gqa=True) if "enable_gqa" in known else varlen_attn


KERNEL = _kernel()
