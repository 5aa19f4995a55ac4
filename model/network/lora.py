"""Low-rank adapters of the language model (LoRA, arXiv 2106.09685), by peft: its own weights stay as they are."""

import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from model.network.config import LoraSettings
from schemas.settings import SettingsError


def add_adapters(lm: nn.Module, settings: LoraSettings) -> list[nn.Parameter]:
    """Put an adapter beside each target layer of the language model; what is new in it, all that is trained of it.

    At the start they change nothing. Raises `SettingsError`.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise SettingsError("model.lora needs the package peft: pip install -e '.[lora]'") from None
    before = {id(parameter) for parameter in lm.parameters()}
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(settings.targets) or "all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of layers that keep their weights turned (GPT-2)
            inject_adapter_in_model(config, lm)
    except ValueError as error:
        raise SettingsError(f"model.lora.targets: {str(error).partition('. ')[0]}") from None
    return [parameter for parameter in lm.parameters() if id(parameter) not in before]


def merge_adapters(lm: nn.Module) -> None:
    """Add what the adapters do to the weights beside them, and take them out: the modules are those of before."""
    for parent, name, layer in list(_adapted(lm)):
        with torch.no_grad():
            layer.merge()
        setattr(parent, name, layer.get_base_layer())


def _adapted(lm: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    # Not by a statement: transformers asks whoever loads an exported model for all that its modules import.
    kind = importlib.import_module("peft.tuners.lora").LoraLayer
    for parent in lm.modules():
        for name, child in parent.named_children():
            if isinstance(child, kind):
                yield parent, name, child
