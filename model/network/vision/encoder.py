"""What every vision encoder offers, and how one is made of its settings.

Shapes: F frames, C channels, H and W pixels, V features a frame, I their width.
"""

from collections.abc import Callable

import torch
from torch import nn

from model.data.batch import normalise
from model.network.config import VisionSettings


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
        return self.features(normalise(frames_FCHW, self.mean, self.std))

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        """Features [F, V, I] of normalised pixels."""
        raise NotImplementedError


def make_encoder(settings: VisionSettings) -> Encoder:
    """The encoder of these settings. Raises `SettingsError` for a path without a model or a library that is missing."""
    return _MAKERS[settings.kind](settings)


def _patch(settings: VisionSettings) -> Encoder:
    from model.network.vision.patch import PatchEncoder

    return PatchEncoder(settings.image_px, settings.patch_px, settings.dim)


_MAKERS: dict[str, Callable[[VisionSettings], Encoder]] = {"patch": _patch}
