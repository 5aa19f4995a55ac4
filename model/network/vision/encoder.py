"""What every vision encoder offers, and how one is made of its settings.

Shapes: F frames, C channels, H and W pixels, V features a frame, I their width.
"""

import importlib
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from model.data.batch import normalise
from model.network.config import VisionSettings
from model.network.late import Late
from schemas.settings import SettingsError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Encoder(nn.Module):
    """A vision encoder. `mean` and `std` are those of pixels in 0 to 1 that it was trained with."""

    def __init__(self, dim: int, image_px: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.dim, self.image_px, self.mean, self.std = dim, image_px, mean, std

    def forward(self, frames_FCHW: torch.Tensor) -> torch.Tensor:
        """Features [F, V, I] of uint8 frames. Raises `ValueError` for frames of another size."""
        if frames_FCHW.shape[-2:] != (self.image_px, self.image_px):
            height, width = frames_FCHW.shape[-2:]
            raise ValueError(
                f"frames are {height} x {width} pixels, the vision encoder takes {self.image_px} x {self.image_px}: "
                f"set the loader's images.size_px to {self.image_px}"
            )
        pixels_FCHW = normalise(frames_FCHW, self.mean, self.std)
        weight = next(self.parameters(), None)
        return self.features(pixels_FCHW if weight is None else pixels_FCHW.to(weight.dtype))

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        """Features [F, V, I] of normalised pixels."""
        raise NotImplementedError


def make_encoder(settings: VisionSettings, late: Late | None = None) -> Encoder:
    """The encoder of these settings, made `late` if wanted.

    Raises `SettingsError` for a path without a model or a library that is missing.
    """
    name = "patch" if settings.kind == "patch" else f"{settings.kind}_encoder"
    module = importlib.import_module(f"model.network.vision.{name}")
    encoder: Encoder = module.load(settings, late)
    with late or nullcontext():
        return encoder.to(getattr(torch, settings.dtype))


def import_extra(module: str, package: str) -> Any:
    """A library that weft does not install. Raises `SettingsError` that says which and why it does not load."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            needed = f"{package} and a torchvision that fits torch"
            raise SettingsError(f"the package {package} is missing: install {needed}") from None
        raise SettingsError(f"{package} is installed, but needs {error.name}, which is missing") from None
    except (ImportError, RuntimeError) as error:  # torchvision that does not fit torch raises RuntimeError
        raise SettingsError(f"{package} is installed, but does not load: {error}") from None
