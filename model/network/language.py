"""The frozen language model: where it comes from, where its layers are, and how documents are kept apart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.data.batch import Batch, self_attention_mask
from model.network.config import LanguageSettings
from schemas.settings import SettingsError


def load_language_model(settings: LanguageSettings) -> nn.Module:
    """A causal LM of transformers from a local folder, or with random weights from a config.

    Raises `SettingsError`; nothing is downloaded.
    """
    transformers = import_transformers()
    dtype = getattr(torch, settings.dtype)
    options = {"dtype": dtype, **({"attn_implementation": settings.attention} if settings.attention else {})}
    if settings.path is not None:
        if not (Path(settings.path) / "config.json").is_file():
            raise SettingsError(f"lm.path: no model folder at {settings.path}: it must hold a config.json")
        try:
            model: nn.Module = transformers.AutoModelForCausalLM.from_pretrained(
                settings.path, local_files_only=True, **options
            )
        except (ValueError, OSError) as error:
            raise SettingsError(f"lm.path: {settings.path} does not load as a causal LM: {error}") from None
        return model
    if settings.config is None:
        raise SettingsError("lm.path must name a local model folder, or lm.config give a config for random weights")
    config = auto_config(settings.config, "lm.config")
    try:
        model = transformers.AutoModelForCausalLM.from_config(config, **options)
    except ValueError as error:
        raise SettingsError(f"lm.config: {error}") from None
    return model


def import_transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise SettingsError("the package transformers is missing: pip install -e '.[train]'") from None
    return transformers


def auto_config(values: dict[str, Any], path: str) -> Any:
    """The config of transformers that has these values. Raises `SettingsError`."""
    values = dict(values)
    if not (kind := values.pop("model_type", None)):
        raise SettingsError(f"{path} needs model_type, such as gpt2 or llama")
    try:
        return import_transformers().AutoConfig.for_model(kind, **values)
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{path}: {error}") from None


def text_config(lm: nn.Module) -> Any:
    config: Any = lm.config
    return config.get_text_config()


def decoder_layers(lm: nn.Module, path: str | None = None) -> nn.ModuleList:
    """The layers of the model: the one list of modules that is as long as its config says, or the one at `path`.

    Raises `SettingsError`.
    """
    if path is not None:
        try:
            named = lm.get_submodule(path)
        except AttributeError:
            raise SettingsError(f"lm.layers: the language model has no {path}") from None
        if not isinstance(named, nn.ModuleList):
            raise SettingsError(f"lm.layers: {path} is no list of layers")
        return named
    count = text_config(lm).num_hidden_layers
    found = {name: part for name, part in lm.named_modules() if isinstance(part, nn.ModuleList) and len(part) == count}
    outermost = [name for name in found if not any(name.startswith(other + ".") for other in found)]
    if len(outermost) != 1:
        raise SettingsError(
            f"the decoder layers are not plain to see (lists of {count} modules: {outermost or 'none'}): set lm.layers"
        )
    return found[outermost[0]]


def packed_inputs(lm: nn.Module, batch: Batch) -> dict[str, Any]:
    """What keeps the documents of a row apart: an explicit mask and their own positions.

    Positions alone do not do it: some models never look at them, others only without a cache.
    """
    mask_BTT = self_attention_mask(batch)
    windows = _windows(lm)
    masks = {kind: _as_taken(lm, mask_BTT & _near(batch, window)) for kind, window in windows.items()}
    return {
        # A model with layers of several kinds takes a mask for each.
        "attention_mask": masks if hasattr(text_config(lm), "layer_types") else next(iter(masks.values())),
        "position_ids": batch.position_BT,
    }


@torch.no_grad()
def check_packing(lm: nn.Module) -> None:
    """Raises `SettingsError` if a document changes what the model says of another one in its row.

    Half of a row is computed beside two different first halves, and alone.
    """
    length, device = 8, next(lm.parameters()).device
    position = torch.arange(length, device=device).repeat(2)[None]
    document = torch.arange(2, device=device).repeat_interleave(length)[None]
    one, other = (torch.arange(start, start + 2 * length, device=device)[None] for start in (0, 3))
    other = torch.cat([other[:, :length], one[:, length:]], dim=1)
    was_training = lm.training
    lm.eval()
    try:
        beside = [_logits(lm, tokens, document, position)[:, length:] for tokens in (one, other)]
        alone = lm(input_ids=one[:, length:], use_cache=False).logits.float()
    except Exception as error:
        raise SettingsError(f"{_NO_PACKING.format(type(lm).__name__)} ({error})") from None
    finally:
        lm.train(was_training)
    size = float(alone.std())
    leak, shift = (float((beside[0] - x).abs().max()) / size for x in (beside[1], alone))
    # Alone, kernels of other shapes round differently: in half precision by several per cent.
    if leak > 1e-4 or shift > (1e-3 if next(lm.parameters()).dtype == torch.float32 else 0.5):
        raise SettingsError(_NO_PACKING.format(type(lm).__name__))


_NO_PACKING = (
    "{} cannot keep the documents of a row apart: set the loader's packing.enabled to false, or take another model"
)


def _logits(lm: nn.Module, tokens: torch.Tensor, document: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    empty = torch.zeros(0, dtype=torch.int32)
    batch = Batch(tokens, document, position, document * 0 - 1, document * 0.0, empty, empty, empty, (), ())
    logits: torch.Tensor = lm(input_ids=tokens, use_cache=False, **packed_inputs(lm, batch)).logits
    return logits.float()


def _windows(lm: nn.Module) -> dict[str, int | None]:
    """For each kind of layer how many tokens it looks back, None without limit."""
    config = text_config(lm)
    window: int | None = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    if not kinds:
        return {"": window}
    if unknown := kinds - {"full_attention", "sliding_attention"}:
        raise SettingsError(f"{_NO_PACKING.format(type(lm).__name__)} (it has layers of {', '.join(sorted(unknown))})")
    return {kind: window if kind == "sliding_attention" else None for kind in sorted(kinds)}


def _near(batch: Batch, window: int | None) -> torch.Tensor:
    """Bool [B, T, T]: whether two tokens of a document are less than `window` apart."""
    apart_BTT = batch.position_BT[:, :, None] - batch.position_BT[:, None, :]
    return apart_BTT < (window or apart_BTT.shape[1] + 1)


def _as_taken(lm: nn.Module, mask_BTT: torch.Tensor) -> torch.Tensor:
    """The mask in the form [B, 1, T, T] that the model's attention takes."""
    mask_B1TT = mask_BTT[:, None]
    config: Any = lm.config
    if config._attn_implementation != "eager":
        return mask_B1TT
    # Eager attention adds the mask to its scores, whatever its type.
    dtype = next(lm.parameters()).dtype
    return torch.zeros(mask_B1TT.shape, dtype=dtype, device=mask_BTT.device).masked_fill(
        ~mask_B1TT, torch.finfo(dtype).min
    )


Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
