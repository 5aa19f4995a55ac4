"""AdamW over what is trained, and its rate over the steps."""

from typing import Any

import torch

from model.network.flamingo import Flamingo
from model.training.config import OptimiserSettings


def make_optimiser(model: Flamingo, settings: OptimiserSettings) -> torch.optim.AdamW:
    """One group for each rate and decay; `rate` of a group is what the schedule scales.

    Call it when the model is laid out: FSDP replaces the parameters.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {"vision": settings.vision_rate, "lm": settings.lm_rate}
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for group in model.parameter_groups(settings.weight_decay):
        for parameter in group["params"]:
            rate = rates.get(names[id(parameter)].split(".")[0])
            key = (settings.learning_rate if rate is None else rate, group["weight_decay"])
            groups.setdefault(key, []).append(parameter)
    made: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    on_gpu = next(model.parameters()).device.type == "cuda"  # one kernel for all parameters
    return torch.optim.AdamW(made, betas=settings.betas, eps=settings.eps, fused=on_gpu or None)


def schedule(step: int, steps: int, settings: OptimiserSettings) -> float:
    """What the rates are multiplied by at `step`, counted from 0, of `steps`: up to 1 in the warm-up, then constant.

    With `final_steps` it falls to 0 at the end; at each of `decay_at` it is divided by `decay_by`.
    """
    rise = (step + 1) / settings.warmup_steps if settings.warmup_steps else 1.0
    fall = (steps - step) / settings.final_steps if settings.final_steps else 1.0
    decayed = settings.decay_by ** -sum(at <= step for at in settings.decay_at)
    return min(1.0, rise, max(0.0, fall)) * decayed


def set_rates(optimiser: torch.optim.Optimizer, scale: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = group["rate"] * scale
