"""The image towers of open_clip, such as the ViT-L-14 of the paper's ablation and of OpenFlamingo."""

from pathlib import Path
from typing import Any

import torch

from model.network.config import VisionSettings
from model.network.late import Late, making
from model.network.vision.encoder import CLIP_MEAN, CLIP_STD, Encoder, import_extra
from schemas.settings import SettingsError


class OpenClipEncoder(Encoder):
    """The tokens of the last layer, without the class token."""

    def __init__(self, tower: Any) -> None:
        size = tower.image_size
        mean, std = getattr(tower, "image_mean", None) or CLIP_MEAN, getattr(tower, "image_std", None) or CLIP_STD
        super().__init__(tower.transformer.width, size if isinstance(size, int) else size[0], tuple(mean), tuple(std))
        tower.output_tokens = True
        self.model = tower

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        features_FVI: torch.Tensor = self.model(pixels_FCHW)[1]
        return features_FVI


def load(settings: VisionSettings, late: Late | None = None) -> OpenClipEncoder:
    """From a local checkpoint, or with random weights. Raises `SettingsError`."""
    open_clip = import_extra("open_clip", "open_clip_torch")
    if settings.path is not None and not Path(settings.path).is_file():
        raise SettingsError(f"vision.path: no checkpoint at {settings.path}")
    try:
        with making(late):
            model = open_clip.create_model(settings.name, pretrained=settings.path)
    except RuntimeError as error:
        raise SettingsError(f"vision: {settings.name} with {settings.path or 'random weights'}: {error}") from None
    if not hasattr(model.visual, "output_tokens"):
        raise SettingsError(f"vision.name: the image tower of {settings.name} gives no tokens: try kind timm")
    return OpenClipEncoder(model.visual)
