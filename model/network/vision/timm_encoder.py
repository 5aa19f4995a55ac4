"""The encoders of timm: dm_nfnet_f6 is the paper's, and its ViTs, ConvNeXts and others work the same way."""

from pathlib import Path
from typing import Any

import torch

from model.network.config import VisionSettings
from model.network.late import Late, making
from model.network.vision.encoder import Encoder, import_extra
from schemas.settings import SettingsError


class TimmEncoder(Encoder):
    """The last feature map as a row of features; of a ViT its tokens, with the class token."""

    def __init__(self, model: Any, image_px: int) -> None:
        prepared = model.pretrained_cfg
        super().__init__(model.num_features, image_px, tuple(prepared["mean"]), tuple(prepared["std"]))
        self.model = model
        self.channels_last = getattr(model, "output_fmt", "NCHW") == "NHWC"

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.model.forward_features(pixels_FCHW)
        if out.ndim == 4:
            return out.flatten(1, 2) if self.channels_last else out.flatten(2).transpose(1, 2)
        return out


def load(settings: VisionSettings, late: Late | None = None) -> TimmEncoder:
    """From a local checkpoint, or with random weights. Raises `SettingsError`."""
    timm = import_extra("timm", "timm")
    if settings.path is not None and not Path(settings.path).is_file():
        raise SettingsError(f"vision.path: no checkpoint at {settings.path}")
    path = settings.path or ""
    try:
        with making(late):
            model = timm.create_model(settings.name, pretrained=False, checkpoint_path=path, num_classes=0)
    except RuntimeError as error:
        raise SettingsError(f"vision: {settings.name} with {settings.path or 'random weights'}: {error}") from None
    size = model.pretrained_cfg.get("input_size", (3, 0, 0))[1:]
    if model.pretrained_cfg.get("fixed_input_size") and set(size) != {settings.image_px}:
        raise SettingsError(f"vision.image_px is {settings.image_px}, but {settings.name} takes {size[0]} pixels alone")
    return TimmEncoder(model, settings.image_px)
