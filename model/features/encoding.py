"""A frozen encoder at work: frames in, what is stored of its features out.

Shapes: F frames, C channels, H and W pixels, V features a frame, I their width.
"""

from typing import Literal

import msgspec
import numpy as np
import torch

from model.data.batch import moved_to
from model.data.feature_files import Features, StoredAs
from model.data.fitting import Pixels
from model.network.config import VisionSettings
from model.network.vision.encoder import make_encoder
from schemas.drops import StepError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
_LARGEST = 127  # of int8


class Described(msgspec.Struct, frozen=True):
    """What an encoder takes and gives, and what it computes in."""

    size_px: int
    features: int
    width: int
    precision: str


def has_gpu() -> bool:
    return torch.cuda.is_available()


class EncoderHost:
    """The encoder in one process, on its GPU if there is one; frames of all tasks come one batch after the other."""

    def __init__(self, settings: VisionSettings, stored_as: StoredAs, precision: Precision = "auto") -> None:
        """`auto` is `vision.dtype`, or on a GPU bfloat16 where that says nothing else. Raises `SettingsError`."""
        self._device = torch.device("cuda" if has_gpu() else "cpu")
        if precision == "auto":
            plain = settings.dtype == "float32" and self._device.type == "cuda"
            precision = "bfloat16" if plain else settings.dtype
        self._settings, self._stored_as, self._precision = settings, stored_as, precision
        encoder = make_encoder(msgspec.structs.replace(settings, dtype=precision))
        self._encoder = encoder.to(self._device).eval().requires_grad_(False)

    def describe(self) -> Described:
        """By a black frame."""
        size = self._encoder.image_px
        found = self.encode(np.zeros((1, size, size, 3), np.uint8)).values_FVI
        return Described(size, found.shape[1], found.shape[2], self._precision)

    @torch.no_grad()
    def encode(self, frames_FHWC: Pixels) -> Features:
        """Features of frames, `vision.batch_frames` at a time. Raises `StepError` where they cannot be stored."""
        # What comes by way of Ray may not be written to, which torch warns of.
        writable_FHWC = np.require(frames_FHWC, requirements="W")
        parts = torch.from_numpy(writable_FHWC).permute(0, 3, 1, 2).split(self._settings.batch_frames)
        stored = [stored_of(self._encoder(moved_to(part, self._device)), self._stored_as) for part in parts]
        values, scales = zip(*stored, strict=True)
        values_FVI = self._to_host(torch.cat(values))
        return Features(values_FVI, None if scales[0] is None else self._to_host(torch.cat(scales)))

    def _to_host(self, found: torch.Tensor) -> np.ndarray:
        if found.device.type == "cuda":  # into memory that it copies to by itself, which torch keeps for the next
            host = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
            found = host.copy_(found)
        return found.numpy()


def stored_of(features_FVI: torch.Tensor, stored_as: StoredAs) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Features as they are stored, and the scales [F, I] of int8.

    A scale is of a channel of a frame: encoders have channels a hundred times as large as others, in all features, and
    a scale of each feature would leave nothing of the others. Raises `StepError` for what float16 does not hold.
    """
    half_FVI = features_FVI.half()
    if not bool(half_FVI.isfinite().all()):
        raise StepError("the encoder gives features that float16 does not hold: compute in float32, by --precision")
    if stored_as == "float16":
        return half_FVI, None
    scales_FI = features_FVI.float().abs().amax(dim=1) / _LARGEST
    steps_FVI = features_FVI.float() / scales_FI.clamp(min=1e-30)[:, None]
    return steps_FVI.round().to(torch.int8), scales_FI
