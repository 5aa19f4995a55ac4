"""Where the weights of a model come to lie: on this process's device, all of them or this process's share of each."""

from typing import Any

import torch
from torch import nn

from model.network.late import Late


def weights_by_name(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a `Late` knows the parameters by; asked before they are cast or sharded."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@torch.no_grad()
def make_weights(model: nn.Module, late: Late, known: dict[str, torch.Tensor], device: torch.device) -> None:
    """Make each weight by itself, cast it, and keep of it what this process holds.

    More than that and one weight is never in memory. Tied weights stay tied; sharded ones keep their layout.
    """
    made: dict[int, nn.Parameter] = {}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is None or not parameter.is_meta:
                continue
            if id(parameter) not in made:
                value = late.value(known[names[id(parameter)]]).to(parameter.dtype)
                made[id(parameter)] = _placed(parameter, value, device)
            setattr(module, name, made[id(parameter)])
        for name, buffer in module._buffers.items():
            if buffer is not None:
                setattr(module, name, late.value(buffer).to(device))


def _placed(parameter: nn.Parameter, value: torch.Tensor, device: torch.device) -> nn.Parameter:
    """A parameter like the one given, with this value or this process's part of it, in memory of its own."""
    sharded: Any = parameter.data
    if not hasattr(sharded, "placements"):
        return nn.Parameter(value.to(device, copy=True), parameter.requires_grad)
    from torch.distributed.tensor import DTensor

    local = _share(value, sharded).to(device, copy=True)
    layout = {"shape": sharded.shape, "stride": sharded.stride()}
    whole: torch.Tensor = DTensor.from_local(local, sharded.device_mesh, sharded.placements, run_check=False, **layout)
    return nn.Parameter(whole, parameter.requires_grad)


def _share(value: torch.Tensor, sharded: Any) -> torch.Tensor:
    """The rows of FSDP: as many for each process, fewer or none for the last."""
    rows = -(-len(value) // sharded.device_mesh.size())
    start = min(len(value), rows * sharded.device_mesh.get_local_rank())
    return value[start : start + rows]
