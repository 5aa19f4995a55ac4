"""What stands in a model for an encoder that is not loaded, because all media come with its features."""

from typing import Self

import torch

from model.data.feature_files import FeaturesInfo
from model.network.vision.encoder import Encoder


class AbsentEncoder(Encoder):
    """Knows the sizes of the encoder, and has no weight."""

    def __init__(self, dim: int, image_px: int, count: int) -> None:
        super().__init__(dim, image_px, (), ())
        self.count = count  # of features of a frame

    @classmethod
    def of(cls, info: FeaturesInfo) -> Self:
        return cls(info.width, info.size_px, info.features)

    def forward(self, frames_FCHW: torch.Tensor) -> torch.Tensor:
        """Raises `ValueError`."""
        raise ValueError("pixels were given to a model whose vision encoder is not loaded: it takes features alone")
