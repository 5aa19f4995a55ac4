from typing import Any

import pytest
import torch

from model.network.config import ConnectorSettings
from model.network.connector import CONNECTORS, Connector, ResamplerLayer, initialise

KINDS: dict[str, dict[str, Any]] = {
    "resampler": {},
    "resampler, centred and tied": {"centre": True, "tied_start": True, "latents_std": 1.0},
    "transformer": {"kind": "transformer"},
    "mlp": {"kind": "mlp"},
}


def made(**changes: Any) -> Connector:
    torch.manual_seed(0)
    settings = ConnectorSettings(layers=2, latents=4, dim=16, heads=2, head_dim=8, max_frames=3, **changes)
    connector = CONNECTORS[settings.kind](settings, 12)
    torch.nn.init.normal_(connector.time)
    return connector


@pytest.fixture(params=KINDS)
def connector(request: pytest.FixtureRequest) -> Connector:
    return made(**KINDS[request.param])


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


@torch.no_grad()
def test_what_all_features_of_a_medium_share_is_nothing_to_a_centred_resampler() -> None:
    counts = [2, 1, 2]
    features = torch.randn(sum(counts), 9, 12)
    shared = torch.randn(3, 12) * 10  # of each medium its own
    moved = features + shared.repeat_interleave(torch.tensor(counts), 0)[:, None]
    torch.testing.assert_close(made(centre=True)(moved, counts), made(centre=True)(features, counts))
    assert not torch.allclose(made()(moved, counts), made()(features, counts), atol=0.1)


def test_the_mean_is_that_of_the_medium_so_frames_still_differ() -> None:
    connector = made(centre=True)
    still = torch.randn(1, 9, 12)
    brighter = torch.cat([still, still + 1])
    assert not torch.allclose(connector(brighter, [2]), connector(brighter.flip(0), [2]), atol=1e-4)


def test_a_medium_of_one_feature_cannot_be_centred() -> None:
    with pytest.raises(ValueError, match=r"one feature .* connector\.centre leaves nothing"):
        made(centre=True)(torch.randn(2, 1, 12), [1, 1])
    assert made(centre=True)(torch.randn(2, 1, 12), [2]).isfinite().all()


def test_keys_begin_as_queries_and_are_trained_apart() -> None:
    connector = made(tied_start=True)
    initialise(connector, None)
    layers = [layer for layer in connector.modules() if isinstance(layer, ResamplerLayer)]
    queries, keys, values = ([part(layer) for layer in layers] for part in (q_of, k_of, v_of))
    assert all(torch.equal(q, k) and not torch.allclose(q, v) for q, k, v in zip(queries, keys, values, strict=True))
    assert not torch.allclose(queries[0], queries[1])
    connector(torch.randn(3, 9, 12), [3]).square().sum().backward()
    torch.optim.SGD(connector.parameters(), 0.1).step()
    assert not any(torch.allclose(q_of(layer), k_of(layer)) for layer in layers)


def q_of(layer: ResamplerLayer) -> torch.Tensor:
    return layer.to_q.weight


def k_of(layer: ResamplerLayer) -> torch.Tensor:
    return layer.to_kv.weight.chunk(2)[0]


def v_of(layer: ResamplerLayer) -> torch.Tensor:
    return layer.to_kv.weight.chunk(2)[1]


def test_latents_begin_with_the_deviation_asked_for() -> None:
    for kind in ("resampler", "transformer"):
        few, many = (made(kind=kind, latents_std=std).get_parameter("latents") for std in (0.02, 1.0))
        torch.testing.assert_close(many, 50 * few)
        assert 0.7 < many.std() < 1.3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "mlp", "centre": True}, "are of resampler, the connector is mlp"),
        ({"kind": "transformer", "tied_start": True}, "are of resampler, the connector is transformer"),
        ({"latents_std": 0.0}, "latents_std must be more than 0"),
    ],
)
def test_settings_that_do_not_go_together(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ConnectorSettings(**changes)
