"""`config.json` of an exported model."""

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
from transformers import PreTrainedConfig

from model.network.config import FlamingoConfig
from model.network.flamingo import Flamingo
from schemas.settings import changed, settings_of


class WeftConfig(PreTrainedConfig):  # type: ignore[misc]
    """What transformers asks of a config, around the settings of the network.

    The frozen parts stand in `network` as configs, and their weights beside; or as paths, and lie where these say.
    """

    model_type = "weft"

    network: dict[str, Any] | None = None
    image_token_id: int = 0
    end_of_chunk_token_id: int = 1
    vocab_size: int = 2  # of the logits, the new tokens among them

    @property
    def settings(self) -> FlamingoConfig:
        """Raises `SettingsError`."""
        return settings_of(FlamingoConfig, self.network or {})

    def with_frozen_in(self, dtype: str) -> "WeftConfig":
        """A copy, language model and encoder in another precision. Raises `SettingsError`."""
        other, settings = copy.deepcopy(self), self.settings
        lm, vision = (changed(part, {"dtype": dtype}) for part in (settings.lm, settings.vision))
        other.network = msgspec.to_builtins(msgspec.structs.replace(settings, lm=lm, vision=vision))
        other.dtype = dtype
        return other

    def with_attention(self, name: str) -> "WeftConfig":
        """A copy, the language model with another attention of transformers. Raises `ValueError`."""
        if name not in ("sdpa", "eager"):
            raise ValueError(f"attn_implementation: sdpa or eager, not {name}")
        other, settings = copy.deepcopy(self), self.settings
        lm = changed(settings.lm, {"attention": name})
        other.network = msgspec.to_builtins(msgspec.structs.replace(settings, lm=lm))
        return other

    @property
    def refers(self) -> bool:
        """Whether frozen parts lie elsewhere."""
        return self.settings.lm.path is not None or self.settings.vision.path is not None


def config_of(model: Flamingo, refer: bool = False) -> WeftConfig:
    """The config of a model, from which it can be made anew; with `refer` frozen parts stay where the settings say."""
    replace, settings = msgspec.structs.replace, model.config
    encoder: Any = model.vision
    vision = replace(settings.vision, mean=tuple(encoder.mean), std=tuple(encoder.std))
    if refer:
        lm = replace(settings.lm, path=_absolute(settings.lm.path))
        settings = replace(settings, lm=lm, vision=replace(vision, path=_absolute(vision.path)))
    else:
        lm = replace(settings.lm, path=None, config=_written(model.lm))
        config = _written(encoder.model) if settings.vision.kind == "transformers" else None
        settings = replace(settings, lm=lm, vision=replace(vision, path=None, config=config))
    image_id, end_of_chunk_id = model.new_logits.ids
    return WeftConfig(
        network=msgspec.to_builtins(settings),
        image_token_id=image_id,
        end_of_chunk_token_id=end_of_chunk_id,
        vocab_size=model.new_logits.size,
        dtype=settings.lm.dtype,
        tie_word_embeddings=False,  # the language model says by its own config whether it ties its own
    )


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


def _written(part: Any) -> dict[str, Any]:
    """The config of a model of transformers, as it stands in a file."""
    found: dict[str, Any] = json.loads(part.config.to_json_string())
    return found
