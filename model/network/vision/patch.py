"""An encoder without weights: patches under a fixed orthogonal projection, with their positions.

Shapes: F frames, C channels, P patches a side, Q pixels of a patch a side, V = P * P features, I their width.
"""

import torch

from model.network.config import VisionSettings
from model.network.late import Late
from model.network.vision.encoder import Encoder

_HALF = (0.5, 0.5, 0.5)


class PatchEncoder(Encoder):
    """Each patch is turned by a random orthogonal matrix, always the same, and its place is added as sines and cosines.

    Nothing is lost where `dim` is at least 3 * patch_px^2, and nothing is learnt: the connector sees the pixels.
    """

    projection_QI: torch.Tensor
    positions_VI: torch.Tensor

    def __init__(self, image_px: int, patch_px: int, dim: int) -> None:
        super().__init__(dim, image_px, _HALF, _HALF)
        self.patch_px = patch_px
        # Not part of a checkpoint: they are the same in every process that makes them.
        self.register_buffer("projection_QI", torch.empty(3 * patch_px**2, dim), persistent=False)
        self.register_buffer("positions_VI", torch.empty((image_px // patch_px) ** 2, dim), persistent=False)
        self.make_buffers()

    def make_buffers(self) -> None:
        """What no file holds: made anew where the model was laid out without memory."""
        self.projection_QI.copy_(_orthogonal(*self.projection_QI.shape))
        self.positions_VI.copy_(_positions(self.image_px // self.patch_px, self.dim))

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        sides = pixels_FCHW.unfold(2, self.patch_px, self.patch_px).unfold(3, self.patch_px, self.patch_px)
        patches_FVQ = sides.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        features_FVI: torch.Tensor = patches_FVQ @ self.projection_QI + self.positions_VI
        return features_FVI


def load(settings: VisionSettings, late: Late | None = None) -> PatchEncoder:
    """Made at once: it has no weights."""
    return PatchEncoder(settings.image_px, settings.patch_px, settings.dim)


def _orthogonal(rows: int, columns: int) -> torch.Tensor:
    generator = torch.Generator("cpu").manual_seed(0)
    tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=torch.float64, device="cpu")
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    matrix: torch.Tensor = q if rows >= columns else q.T
    return matrix.float().contiguous()


def _positions(side: int, dim: int) -> torch.Tensor:
    """Sines and cosines [side * side, dim]: half of the width for the line, half for the column."""
    quarter = dim // 4
    # Waves from 6 to 600 patches: those of a text's positions, up to 60,000, would be flat over a picture.
    frequencies = 100.0 ** -(torch.arange(quarter, dtype=torch.float64, device="cpu") / quarter)
    angles = torch.arange(side, dtype=torch.float64, device="cpu")[:, None] * frequencies
    one = torch.cat([angles.sin(), angles.cos()], dim=1)
    both = torch.cat([one[:, None].expand(-1, side, -1), one[None].expand(side, -1, -1)], dim=2)
    return both.flatten(0, 1).float()
