"""What stands in a model for an encoder that is not loaded, because all media come with its features."""

import torch

from model.data.feature_files import FeaturesInfo
from model.network.vision.encoder import Encoder


class AbsentEncoder(Encoder):
    """Knows the sizes of the encoder, and has no weight."""

    def __init__(self, info: FeaturesInfo) -> None:
        super().__init__(info.width, info.size_px, (), ())
        self.count = info.features

    def forward(self, frames_FCHW: torch.Tensor) -> torch.Tensor:
        """Raises `ValueError`."""
        raise ValueError("pixels were given to a model whose vision encoder is not loaded: it takes features alone")
