"""What every vision encoder offers, and how one is made of its settings.

Shapes: F frames, C channels, H and W pixels, V features a frame, I their width.
"""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain
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
        weight = next(chain(self.parameters(), self.buffers()), None)
        return self.features(pixels_FCHW if weight is None else pixels_FCHW.to(weight.dtype))

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        """Features [F, V, I] of normalised pixels."""
        raise NotImplementedError


def without_part(encoder: Encoder) -> list[nn.Parameter]:
    """Parameters that have no part in the features: of layers behind the one that is taken, of a head."""
    parameters = list(encoder.parameters())
    if not parameters:
        return []
    device = parameters[0].device
    frame_FCHW = torch.zeros(1, 3, encoder.image_px, encoder.image_px, dtype=torch.uint8, device=device)
    with torch.enable_grad():
        gradients = torch.autograd.grad(encoder(frame_FCHW).sum(), parameters, allow_unused=True)
    return [one for one, gradient in zip(parameters, gradients, strict=True) if gradient is None]


def make_encoder(settings: VisionSettings, late: Late | None = None) -> Encoder:
    """The encoder of these settings, made `late` if wanted.

    Raises `SettingsError` for a path without a model or a library that is missing.
    """
    encoder = _loader(settings.kind)(settings, late)
    if settings.mean is not None and settings.std is not None:
        encoder.mean, encoder.std = settings.mean, settings.std
    with late or nullcontext():
        return encoder.to(getattr(torch, settings.dtype))


def _loader(kind: str) -> Callable[[VisionSettings, Late | None], Encoder]:
    """Each brings a library of its own, so only the one that is asked for is imported."""
    if kind == "transformers":
        from model.network.vision.transformers_encoder import load as of_transformers

        return of_transformers
    if kind == "open_clip":
        from model.network.vision.open_clip_encoder import load as of_open_clip

        return of_open_clip
    if kind == "timm":
        from model.network.vision.timm_encoder import load as of_timm

        return of_timm
    from model.network.vision.patch import load as of_patches

    return of_patches


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
