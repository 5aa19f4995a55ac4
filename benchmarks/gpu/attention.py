"""The attention alone: of tokens to their media, and of packed documents to themselves; each way beside the others.

Shapes as in model/network/attention.py; D documents of a batch.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.gpu import dense
from benchmarks.gpu.measure import measured
from benchmarks.gpu.sizes import Shape, Size, made_batch
from model.data.batch import Batch, self_attention_mask
from model.network import attention
from model.network.attention import MediaSpans, image_attention
from model.network.varlen import varlen_attention

Row = dict[str, Any]
Way = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
_CHECKED_ROWS = 2


def compare(size: Size, device: torch.device) -> list[Row]:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    rows = []
    for shape in size.shapes:
        for what, make in (("cross-attention", _cross), ("packed self-attention", _packed)):
            small = Shape(_CHECKED_ROWS, shape.tokens, shape.documents)
            inputs, ways = make(size, small, torch.device("cpu"), torch.float32)
            expected = _with_gradients(next(iter(ways.values())), inputs)
            for name in make(size, shape, device, dtype)[1]:
                row: Row = {"what": what, "shape": str(shape), "way": name}
                try:
                    inputs, ways = make(size, small, device, dtype)
                    row["error"] = _worst_error(expected, ways[name], inputs)
                    inputs, ways = make(size, shape, device, dtype)
                    row |= _timed(ways[name], inputs, device, size.calls)
                except Exception as error:  # a way that a card cannot do is a result too
                    row["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                rows.append(row)
    return rows


def _timed(way: Way, inputs: list[torch.Tensor], device: torch.device, calls: int) -> Row:
    weight = torch.randn_like(inputs[0])

    def both() -> None:
        torch.autograd.grad((way(*inputs) * weight).sum(), inputs)

    with torch.no_grad():
        forward = measured(lambda: way(*inputs), device, calls)
    backward = measured(both, device, calls)
    return {"forward_ms": forward.ms, "both_ms": backward.ms, "peak_gb": backward.peak_gb}


def _worst_error(expected: list[torch.Tensor], way: Way, inputs: list[torch.Tensor]) -> dict[str, float]:
    """Norm of the difference over the norm of what float32 gives on a CPU, of the result and of each gradient.

    The worst of three: what differs from call to call is a race.
    """
    found = [
        [float((mine.float().cpu() - it).norm() / it.norm()) for mine, it in zip(once, expected, strict=True)]
        for once in (_with_gradients(way, inputs) for _ in range(3))
    ]
    return dict(zip(("out", "q", "k", "v"), (max(each) for each in zip(*found, strict=True)), strict=True))


def _with_gradients(way: Way, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    out = way(*inputs)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out)
    return [out.detach(), *torch.autograd.grad((out * weight).sum(), inputs)]


def _made(*shapes: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    made = (torch.randn(shape, generator=generator) for shape in shapes)
    return [x.to(device, dtype).requires_grad_() for x in made]


def _cross(
    size: Size, shape: Shape, device: torch.device, dtype: torch.dtype
) -> tuple[list[torch.Tensor], dict[str, Way]]:
    assert size.model.lm.config is not None
    heads, width = size.model.lm.config["num_attention_heads"], size.model.lm.config["hidden_size"]
    latents = size.model.connector.latents
    batch = made_batch(size, shape)
    spans, index_BT = MediaSpans.of(batch), batch.media_index_BT.to(device)
    of_media = (shape.rows * shape.images, latents, heads, width // heads)
    inputs = _made((shape.rows, shape.tokens, *of_media[2:]), of_media, of_media, device=device, dtype=dtype)

    def rows_end_to_end(masked: Callable[..., torch.Tensor]) -> Way:
        way = dense.dense_attention(index_BT, masked)
        return lambda q, k, v: way(q.flatten(0, 1), k, v, spans).view(q.shape)

    ways: dict[str, Way] = {
        "scores held (OpenFlamingo)": rows_end_to_end(dense.scores_held),
        "dense mask, SDPA": rows_end_to_end(dense.sdpa),
    }
    for name in attention.BACKENDS:
        if name != "varlen" or device.type == "cuda":
            ways[name] = lambda q, k, v, name=name: image_attention(q, k, v, spans, name)  # type: ignore[misc]
    if device.type == "cuda":
        ways["flex_attention"] = _flex_cross(index_BT, latents)
    return inputs, ways


def _flex_cross(index_BT: torch.Tensor, latents: int) -> Way:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    index_N, compiled = index_BT.flatten(), torch.compile(flex_attention)

    def seen(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return index_N[q] == kv // latents

    mask = create_block_mask(seen, None, None, len(index_N), int(index_BT.max() + 1) * latents, device=index_N.device)

    def way(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q_HNE, k_HNE, v_HNE = (x.flatten(0, 1).transpose(0, 1)[None] for x in (q, k, v))
        out: torch.Tensor = compiled(q_HNE, k_HNE, v_HNE, block_mask=mask)
        return out[0].transpose(0, 1).reshape(q.shape)

    return way


def _packed(
    size: Size, shape: Shape, device: torch.device, dtype: torch.dtype
) -> tuple[list[torch.Tensor], dict[str, Way]]:
    lm = size.model.lm.config
    assert lm is not None
    heads, width = lm["num_attention_heads"], lm["hidden_size"] // lm["num_attention_heads"]
    batch = made_batch(size, shape).to(device)
    of_keys = (shape.rows, shape.tokens, lm["num_key_value_heads"], width)
    inputs = _made((*of_keys[:2], heads, width), of_keys, of_keys, device=device, dtype=dtype)

    def masked(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        # The mask is made once a step, for all layers; its making is not in this figure.
        k, v = (x.repeat_interleave(q.shape[2] // x.shape[2], 2).transpose(1, 2) for x in (k, v))
        return F.scaled_dot_product_attention(q.transpose(1, 2), k, v, attn_mask=mask).transpose(1, 2)

    mask = self_attention_mask(batch)[:, None]
    ways: dict[str, Way] = {"dense mask, SDPA": masked}
    if device.type == "cuda":
        ways |= {"varlen": _varlen_packed(batch), "flex_attention": _flex_packed(batch)}
    return inputs, ways


def _varlen_packed(batch: Batch) -> Way:
    starts = torch.nonzero(batch.position_BT.flatten() == 0).flatten()
    end = starts.new_tensor([batch.tokens_BT.numel()])
    ends, longest = torch.cat([starts, end]).int(), int(batch.position_BT.max()) + 1

    def way(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q_flat, k_flat, v_flat = (x.flatten(0, 1) for x in (q, k, v))
        return varlen_attention(q_flat, k_flat, v_flat, ends, ends, longest, longest, causal=True).view(q.shape)

    return way


def _flex_packed(batch: Batch) -> Way:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    document_BT, compiled = batch.document_BT, torch.compile(flex_attention)
    rows, length = document_BT.shape

    def seen(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (document_BT[b, q] == document_BT[b, kv]) & (q >= kv)

    mask = create_block_mask(seen, rows, None, length, length, device=document_BT.device)

    def way(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        out: torch.Tensor = compiled(q, k, v, block_mask=mask, enable_gqa=True)
        return out.transpose(1, 2)

    return way
