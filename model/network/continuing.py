"""How a language model goes on after what it has read: its cache is repeated for beams and candidates, then continued.

Models differ in what they can (some with recurrent layers forget, given several tokens at once, what they have read),
so it is tried.
"""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import nn

from schemas.settings import SettingsError

Steps = Literal["whole", "single"]


def repeat(cache: Any, rows: int, times: int) -> None:
    """Each row of a cache so many times, one after the other; layers of every kind can reorder theirs."""
    some = next(iter(_tensors(cache)))
    cache.reorder_cache(torch.arange(rows, device=some.device).repeat_interleave(times))


def continued(lm: Any, tokens_CT: torch.Tensor, start: int, cache: Any, steps: Steps) -> torch.Tensor:
    """Logits [C, T, V] of tokens that stand behind `start` others, which the cache holds (None: there are none)."""
    sizes = [tokens_CT.shape[1]] if steps == "whole" else [1] * tokens_CT.shape[1]
    logits = []
    for part_CT in tokens_CT.split(sizes, dim=1):
        end = start + part_CT.shape[1]
        out = lm(
            input_ids=part_CT,
            attention_mask=torch.ones(len(part_CT), end, dtype=torch.int64, device=part_CT.device),
            position_ids=torch.arange(start, end, device=part_CT.device).expand(len(part_CT), -1),
            past_key_values=cache,
            use_cache=True,
        )
        logits.append(out.logits)
        start, cache = end, out.past_key_values
    return torch.cat(logits, dim=1)


@torch.no_grad()
def find_steps(lm: nn.Module) -> Steps:
    """Whether several tokens may follow at once. Raises `SettingsError` where a model forgets what it has read."""
    tokens_1T = torch.arange(3, 10, device=next(lm.parameters()).device)[None]
    whole = lm(input_ids=tokens_1T, use_cache=False).logits.float()
    half = next(lm.parameters()).dtype != torch.float32 or torch.is_autocast_enabled(tokens_1T.device.type)
    allowed = (0.25 if half else 1e-3) * float(whole.std())
    reason: object = "it says something else than without one"
    ways: tuple[Steps, ...] = ("whole", "single")
    for steps in ways:
        try:
            cache = lm(input_ids=tokens_1T[:, :4], use_cache=True).past_key_values
            repeat(cache, 1, 2)
            found = continued(lm, tokens_1T[:, 4:].expand(2, -1), 4, cache, steps)
        except Exception as error:  # whatever a model makes of a cache that it cannot take up
            reason = error
            continue
        if float((found.float() - whole[:, 4:]).abs().mean()) <= allowed:
            return steps
    raise SettingsError(
        f"{type(lm).__name__} can be trained, but not generate: it does not go on from a cache ({reason})"
    )


def _tensors(cache: Any) -> Iterator[torch.Tensor]:
    for layer in cache.layers:
        for value in vars(layer).values():
            for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
                if isinstance(one, torch.Tensor):
                    yield one
