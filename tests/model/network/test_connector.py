from typing import Literal

import pytest
import torch

from model.network.config import ConnectorSettings
from model.network.connector import CONNECTORS, Connector

KINDS: tuple[Literal["resampler", "transformer", "mlp"], ...] = ("resampler", "transformer", "mlp")


@pytest.fixture(params=KINDS)
def connector(request: pytest.FixtureRequest) -> Connector:
    torch.manual_seed(0)
    settings = ConnectorSettings(kind=request.param, layers=2, latents=4, dim=16, heads=2, head_dim=8, max_frames=3)
    made = CONNECTORS[settings.kind](settings, 12)
    torch.nn.init.normal_(made.time)
    return made


@torch.no_grad()
def test_media_of_any_number_of_frames_give_as_many_latents(connector: Connector) -> None:
    counts = [1, 3, 1, 7, 2]
    latents = connector(torch.randn(sum(counts), 9, 12), counts)
    assert latents.shape == (5, 4, 16)


@torch.no_grad()
def test_a_medium_gives_beside_others_what_it_gives_alone(connector: Connector) -> None:
    counts = [2, 1, 3, 1, 2]
    features = torch.randn(sum(counts), 9, 12)
    together = connector(features, counts)
    for mine, part in zip(together, features.split(counts), strict=True):
        torch.testing.assert_close(mine, connector(part, [len(part)])[0], atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_the_order_of_frames_matters(connector: Connector) -> None:
    features = torch.randn(3, 9, 12)
    assert not torch.allclose(connector(features, [3]), connector(features.flip(0), [3]), atol=1e-4)


def test_times_of_more_frames_than_the_table_has_are_stretched_over_it(connector: Connector) -> None:
    table = connector.time
    assert torch.equal(connector.times(1), table[:1])
    assert torch.equal(connector.times(3), table)
    five = connector.times(5)
    torch.testing.assert_close(five[::2], table)
    torch.testing.assert_close(five[1], (table[0] + table[1]) / 2)
    assert connector.times(30).shape == (30, 16)


def test_every_parameter_has_a_gradient_after_a_clip_as_long_as_the_table(connector: Connector) -> None:
    connector(torch.randn(3, 9, 12), [3]).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in connector.parameters())


def test_features_as_wide_as_the_connector_are_not_projected() -> None:
    settings = ConnectorSettings(layers=1, latents=2, heads=1, head_dim=4)
    assert not list(CONNECTORS["resampler"](settings, 8).project.parameters())
