"""Where the weights of a model come to lie: on this process's device, all of them or this process's share of each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from model.network.late import Late
from model.training.staging import sharded_like


def weights_by_name(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a `Late` knows the parameters by; asked before they are cast or sharded."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@torch.no_grad()
def make_weights(
    model: nn.Module,
    late: Late,
    known: dict[str, torch.Tensor],
    device: torch.device,
    cuts: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = MappingProxyType({}),
) -> None:
    """Make each weight by itself, cast it, and keep of it what this process holds; of some it takes a part by `cuts`.

    More than that and one weight is never in memory. Tied weights stay tied; sharded ones keep their layout.
    """
    made: dict[int, nn.Parameter] = {}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            # What could not be made late is there; its shares FSDP has moved already.
            if parameter is None or (not parameter.is_meta and hasattr(parameter.data, "placements")):
                continue
            if id(parameter) not in made:
                called = names[id(parameter)]
                value = late.value(known[called] if parameter.is_meta else parameter)
                value = cuts.get(called, _all_of)(value).to(parameter.dtype)
                made[id(parameter)] = _placed(parameter, value, device)
            setattr(module, name, made[id(parameter)])
        for name, buffer in module._buffers.items():
            if buffer is not None:
                setattr(module, name, late.value(buffer).to(device))


def shares_of(state: dict[str, torch.Tensor], model: nn.Module) -> dict[str, torch.Tensor]:
    """Whole tensors as this process holds them where the model's parameters of these names are sharded."""
    parameters: dict[str, Any] = {name: parameter.data for name, parameter in model.named_parameters()}
    return {
        name: sharded_like(parameters[name], _share(value, parameters[name]).to(parameters[name].device))
        if hasattr(parameters.get(name), "placements") and value.shape == parameters[name].shape
        else value
        for name, value in state.items()
    }


def _all_of(value: torch.Tensor) -> torch.Tensor:
    return value


def _placed(parameter: nn.Parameter, value: torch.Tensor, device: torch.device) -> nn.Parameter:
    """A parameter like the one given, with this value or this process's part of it, in memory of its own."""
    sharded: Any = parameter.data
    if not hasattr(sharded, "placements"):
        return nn.Parameter(value.to(device, copy=True), parameter.requires_grad)
    mine = _share(value, sharded).to(device, copy=True)
    return nn.Parameter(sharded_like(sharded, mine), parameter.requires_grad)


def _share(value: torch.Tensor, sharded: Any) -> torch.Tensor:
    mesh = sharded.device_mesh
    return value[rows_of_share(len(value), mesh.get_local_rank(), mesh.size())]


def rows_of_share(rows: int, rank: int, world: int) -> slice:
    """Which rows of a sharded tensor a process holds: as many for each, fewer or none for the last."""
    each = -(-rows // world)
    return slice(min(rows, each * rank), min(rows, each * (rank + 1)))
