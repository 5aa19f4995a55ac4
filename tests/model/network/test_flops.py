from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from model.network.config import ConnectorSettings, CrossAttentionSettings, LanguageSettings, VisionSettings
from model.network.flops import step_flops
from tests.model.network.makers import batch, flamingo, lm_config, small


@pytest.mark.parametrize("train_lm", [False, True])
@pytest.mark.parametrize("kind", ["resampler", "transformer", "mlp"])
def test_the_formula_is_what_is_counted_at_run_time(kind: Any, train_lm: bool) -> None:
    """Of a size at which matrices outweigh all else, with attention in matrix products, which the counter sees."""
    lm = {**lm_config("llama"), "hidden_size": 64, "intermediate_size": 192, "num_key_value_heads": 4}
    config = small(
        lm=LanguageSettings(config=lm, attention="eager"),
        vision=VisionSettings(image_px=16, patch_px=4, dim=48),
        connector=ConnectorSettings(kind=kind, layers=2, latents=16, heads=4, head_dim=16),
        cross_attention=CrossAttentionSettings(every=2),
        train_lm=train_lm,
    )
    model = flamingo(config)
    given = batch([[[0] * 20 + [1] * 20 + [2] * 24]], 64)
    expected = step_flops(model).of(given)
    with FlopCounterMode(display=False) as counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        model.train().loss(given).sum().backward()
    assert expected == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_more_of_anything_costs_more() -> None:
    flops = step_flops(flamingo())
    short, padded = batch([[[0] * 9]], 9), batch([[[0] * 9]], 18)
    assert flops.of(padded) > flops.of(short) > 0
    assert min(flops.per_medium, flops.per_frame, flops.per_attending_token, flops.per_token_pair) > 0
