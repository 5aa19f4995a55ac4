"""Shapes as in model/network/attention.py."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.network import varlen
from model.network.attention import MediaSpans, _fastest, image_attention
from tests.model.network.makers import flash_kernel

H, E, L = 2, 8, 5


def dense(q_BTHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, media_BT: torch.Tensor) -> torch.Tensor:
    """Every token against every latent of every medium under a mask, in single steps."""
    scores = torch.einsum("bthe,mlhe->bthml", q_BTHE, k_MLHE) / q_BTHE.shape[-1] ** 0.5
    hidden = media_BT[:, :, None, None, None] != torch.arange(len(k_MLHE))[:, None]
    shares = scores.masked_fill(hidden, -torch.inf).flatten(-2).softmax(-1).nan_to_num(0).unflatten(-1, (-1, L))
    return torch.einsum("bthml,mlhe->bthe", shares, v_MLHE)


def tensors(media_BT: torch.Tensor, num_media: int) -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = [(*media_BT.shape, H, E), (num_media, L, H, E), (num_media, L, H, E)]
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


def compare(media: Sequence[Sequence[int]], num_media: int, backend: Any) -> None:
    media_BT = torch.tensor(media)
    q, k, v = tensors(media_BT, num_media)
    expected = dense(q, k, v, media_BT)
    out = image_attention(q, k, v, MediaSpans.of_index(media_BT), backend)
    assert (out - expected).abs().max() <= 1e-5
    assert (out[media_BT < 0] == 0).all()
    weight = torch.randn_like(out)
    expected_grads = torch.autograd.grad((expected * weight).sum(), (q, k, v), allow_unused=True)
    grads = torch.autograd.grad((out * weight).sum(), (q, k, v))
    for mine, theirs in zip(grads, expected_grads, strict=True):
        assert (mine - (0 if theirs is None else theirs)).abs().max() <= 1e-4


@st.composite
def indices(draw: st.DrawFn) -> tuple[list[list[int]], int]:
    """Any index at all: media that come back, that nobody sees, that several rows share, spans of one token."""
    num_media = draw(st.integers(1, 6))
    length = draw(st.integers(1, 12))
    span = st.tuples(st.integers(-1, num_media - 1), st.integers(1, 40))
    row = st.lists(span, min_size=1, max_size=5).map(lambda parts: [m for m, n in parts for _ in range(n)])
    rows = draw(st.lists(row, min_size=1, max_size=3))
    longest = max(length, *(len(each) for each in rows))
    return [each + [-1] * (longest - len(each)) for each in rows], num_media


@pytest.mark.parametrize("backend", ["auto", "grouped", "chunked", "varlen"])
@given(index=indices())
@settings(max_examples=25, deadline=None)
def test_every_way_equals_attention_under_a_dense_mask(backend: str, index: tuple[list[list[int]], int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(varlen, "KERNEL", flash_kernel)
        compare(*index, backend)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("backend", "dtype"), [("varlen", torch.bfloat16), ("chunked", torch.float32)])
def test_the_ways_of_a_gpu_equal_the_grouped_one(backend: Any, dtype: torch.dtype) -> None:
    media_BT = torch.tensor([[-1] * 7 + [2] * 50 + [0] * 33 + [1] + [-1] * 3])
    spans = MediaSpans.of_index(media_BT)
    q, k, v = (torch.randn(*shape, 4, 64) for shape in ((1, 94), (3, 64), (3, 64)))
    out = image_attention(*(x.to("cuda", dtype) for x in (q, k, v)), spans, backend)
    torch.testing.assert_close(out.float().cpu(), image_attention(q, k, v, spans), atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("num_media", [1, 32])
def test_many_media_and_few(num_media: int) -> None:
    compare([[m for m in range(num_media) for _ in range(9)]], num_media, "grouped")


def test_where_no_token_attends_the_result_is_zero_and_so_are_the_gradients() -> None:
    media_BT = torch.full((2, 7), -1)
    q, k, v = tensors(media_BT, 2)
    out = image_attention(q, k, v, MediaSpans.of_index(media_BT))
    assert (out == 0).all()
    out.sum().backward()
    assert k.grad is not None
    assert v.grad is not None
    assert not k.grad.any()
    assert not v.grad.any()


def test_a_plan_says_which_stretches_attend_to_what() -> None:
    spans = MediaSpans.of_index(torch.tensor([[-1, 0, 0, 1], [1, 1, -1, 2]]))
    assert spans == MediaSpans((1, 2, 3, 1, 1), (-1, 0, 1, -1, 2))


@pytest.mark.parametrize(
    ("dtype", "width", "capability", "takes"),
    [
        (torch.bfloat16, 64, (9, 0), True),
        (torch.float16, 256, (8, 0), True),
        (torch.bfloat16, 288, (9, 0), False),  # Gemma 2 2B and Gemma 3 1B: hidden size over heads
        (torch.bfloat16, 320, (9, 0), False),
        (torch.bfloat16, 60, (9, 0), False),
        (torch.float32, 64, (9, 0), False),
        (torch.bfloat16, 64, (7, 5), False),
    ],
)
def test_what_flash_attention_does_not_take_goes_another_way(
    dtype: torch.dtype, width: int, capability: tuple[int, int], takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(varlen, "KERNEL", flash_kernel)
    q: Any = SimpleNamespace(device=torch.device("cuda"), dtype=dtype, shape=(1, 1, 1, width))
    assert _fastest(q) == ("varlen" if takes else "chunked")
