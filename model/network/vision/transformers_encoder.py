"""Vision encoders of transformers: CLIP, SigLIP, ViT, DINOv2 and others whose output is a row of features."""

import json
from pathlib import Path
from typing import Any

import torch

from model.network.config import VisionSettings
from model.network.language import auto_config, import_transformers
from model.network.vision.encoder import CLIP_MEAN, CLIP_STD, Encoder
from schemas.settings import SettingsError


class TransformersEncoder(Encoder):
    """The last hidden states, the class token too if there is one. Of a model of images and texts, the image side."""

    def __init__(self, model: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        model = getattr(model, "vision_model", model)
        size = model.config.image_size
        super().__init__(model.config.hidden_size, size if isinstance(size, int) else size[0], mean, std)
        self.model = model

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        features_FVI: torch.Tensor = self.model(pixel_values=pixels_FCHW).last_hidden_state
        return features_FVI


def load(settings: VisionSettings) -> TransformersEncoder:
    """From a local folder, or with random weights from a config. Raises `SettingsError`."""
    transformers = import_transformers()
    mean, std = CLIP_MEAN, CLIP_STD
    if settings.path is None:
        model = transformers.AutoModel.from_config(auto_config(settings.config or {}, "vision.config"))
    else:
        folder = Path(settings.path)
        if not (folder / "config.json").is_file():
            raise SettingsError(f"vision.path: no model folder at {folder}: it must hold a config.json")
        try:
            model = transformers.AutoModel.from_pretrained(str(folder), local_files_only=True)
        except (ValueError, OSError) as error:
            raise SettingsError(f"vision.path: {folder} does not load: {error}") from None
        if (folder / "preprocessor_config.json").is_file():
            preparing = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
            mean, std = tuple(preparing.get("image_mean", mean)), tuple(preparing.get("image_std", std))
    try:
        return TransformersEncoder(model, mean, std)
    except AttributeError as error:
        raise SettingsError(f"vision: a {type(model).__name__} is no vision encoder that weft knows: {error}") from None
