"""The layers of a frozen language model cut over processes that see the same rows (tensor parallelism).

Which matrices are cut by rows (`colwise`, after the columns of what they give) or by columns (`rowwise`) says the
model's own plan, which comes with its class in transformers (`base_model_tp_plan`). Two matrices that follow one
another so cost one sum over the processes (Shoeybi et al., arXiv 1909.08053, section 3): `x` is whole in each, `A` is
cut by rows, `B` by columns,

    sum over processes of  B_k f(A_k x)

and in the backward pass the gradients of `x` are summed. Embeddings, head, norms and all that is trained stay whole.

Shapes: I inputs, O outputs of a matrix; ... rows and tokens.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import _functional_collectives as collectives

from model.network.flamingo import Flamingo
from model.network.language import text_config
from schemas.settings import SettingsError

Cut = Callable[[torch.Tensor], torch.Tensor]

#: How a style of the plan cuts a matrix: which dimension of its weight [O, I], whether it is given a part of its input
#: or the whole, and whether a part of its output is handed on or the whole.
_STYLES = {
    "colwise": (0, False, False),
    "colwise_gather_output": (0, False, True),
    "rowwise": (1, False, False),
    "rowwise_split_input": (1, True, False),
}
_WHOLE = "replicated_with_grad_allreduce"  # of what is trained; here it is frozen


def cut_layers(model: Flamingo, group: dist.ProcessGroup) -> dict[str, Cut]:
    """Keep this process's part of the matrices in the language model's layers, and sum where the plan says so.

    Returns, for parameters that are yet to be made, what takes this process's part of the whole value, by name. Raises
    `SettingsError` where the model has no plan, a plan of another kind, or heads that cannot be shared out evenly.
    """
    rank, parts = dist.get_rank(group), dist.get_world_size(group)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    cuts: dict[str, Cut] = {}
    for linear, style in _planned(model, parts):
        dim, splits, gathers = _STYLES[style]
        for kind, parameter in list(linear.named_parameters(recurse=False)):
            if kind == "bias" and dim == 1:
                continue  # added once, to the sum
            cut = partial(_part, dim=dim, rank=rank, parts=parts)
            if parameter.is_meta:
                cuts[names[id(parameter)]] = cut
            setattr(linear, kind, nn.Parameter(cut(parameter.detach()).clone(), requires_grad=False))
        if dim == 0:
            linear.register_forward_pre_hook(partial(_whole_in, group))
            if gathers:
                linear.register_forward_hook(partial(_whole_out, group))
        else:
            if splits:
                linear.register_forward_pre_hook(partial(_part_in, group, rank, parts))
            # In place of its own, which would add the bias before the sum, once for each process.
            linear.forward = partial(_summed, linear, group)  # type: ignore[method-assign]
    return cuts


def _planned(model: Flamingo, parts: int) -> Iterator[tuple[nn.Linear, str]]:
    """The matrices that are cut, and how. Raises `SettingsError`."""
    config, called = text_config(model.lm), type(model.lm).__name__
    plan: dict[str, str] = getattr(config, "base_model_tp_plan", None) or {}
    of_layers = {name.split(".*.", 1)[1]: style for name, style in plan.items() if name.startswith("layers.*.")}
    if not of_layers:
        raise SettingsError(f"parallel.tensor: {called} has no plan in transformers for how its layers are cut")
    if unknown := sorted(set(of_layers.values()) - {*_STYLES, _WHOLE}):
        raise SettingsError(
            f"parallel.tensor: the plan of {called} asks for {', '.join(unknown)}, which is not offered"
        )
    heads = (config.num_attention_heads, getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    if any(count % parts for count in heads):
        raise SettingsError(
            f"parallel.tensor is {parts}, but {called} has {heads[0]} heads and {heads[1]} of keys and values: "
            "both must be multiples of it"
        )
    for layer in model.layers:
        for name, style in of_layers.items():
            if style == _WHOLE:
                continue
            try:
                linear = layer.get_submodule(name)
            except AttributeError:  # a layer of another kind
                continue
            if not isinstance(linear, nn.Linear):
                raise SettingsError(
                    f"parallel.tensor: {name} of {called} is a {type(linear).__name__}, no plain matrix"
                )
            if linear.weight.shape[_STYLES[style][0]] % parts:
                shape = " x ".join(map(str, linear.weight.shape))
                raise SettingsError(f"parallel.tensor: {name} of {called} ({shape}) is not cut evenly into {parts}")
            yield linear, style


def _part(whole: torch.Tensor, dim: int, rank: int, parts: int) -> torch.Tensor:
    return whole.chunk(parts, dim)[rank]


def _whole_in(group: dist.ProcessGroup, linear: nn.Module, args: tuple[torch.Tensor]) -> Any:
    return (_applied(_SumOfGradients, args[0], group),)


def _part_in(group: dist.ProcessGroup, rank: int, parts: int, linear: nn.Module, args: tuple[torch.Tensor]) -> Any:
    return (_applied(_PartOf, args[0], group, rank, parts),)


def _whole_out(group: dist.ProcessGroup, linear: nn.Module, args: Any, out: torch.Tensor) -> torch.Tensor:
    return _applied(_Gathered, out, group)


def _summed(linear: nn.Linear, group: dist.ProcessGroup, given: torch.Tensor) -> torch.Tensor:
    """[..., O] of [..., I / parts], the same in each process."""
    out = _applied(_Sum, nn.functional.linear(given, linear.weight), group)
    return out if linear.bias is None else out + linear.bias.to(out.dtype)


def _applied(function: type[torch.autograd.Function], *args: Any) -> torch.Tensor:
    apply: Callable[..., torch.Tensor] = function.apply
    return apply(*args)


class _SumOfGradients(torch.autograd.Function):
    """What every process has; each works on a part, so that its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
        ctx.group = group
        return given.view_as(given)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return _sum(gradient, ctx.group), None


class _Sum(torch.autograd.Function):
    """The sum of what the processes have; its gradient is that of each."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
        return _sum(given, group)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return gradient, None


class _Gathered(torch.autograd.Function):
    """The parts of all, side by side in the last dimension. All go on alike with it: a part's gradient is its share."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
        ctx.rank, ctx.parts = dist.get_rank(group), dist.get_world_size(group)
        return _gather(given, group)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return gradient.chunk(ctx.parts, -1)[ctx.rank].contiguous(), None


class _PartOf(torch.autograd.Function):
    """This process's part of what every process has; its gradient is put together from those of all."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, group: dist.ProcessGroup, rank: int, parts: int) -> torch.Tensor:
        ctx.group = group
        return given.chunk(parts, -1)[rank].contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return _gather(gradient, ctx.group), None, None, None


def _sum(given: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
    summed: torch.Tensor = collectives.wait_tensor(collectives.all_reduce(given.contiguous(), "sum", group))
    return summed


def _gather(given: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
    gathered = collectives.all_gather_tensor(given.contiguous(), given.ndim - 1, group)
    whole: torch.Tensor = collectives.wait_tensor(gathered)
    return whole
