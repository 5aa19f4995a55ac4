"""Perceptual hash: equal or near for images that look the same, whatever their size and compression."""

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.resampling import Pixels, resampled
from schemas.images import on_white

_SIDE, _KEPT = 32, 8
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def perceptual_hash(image: Image.Image | Pixels) -> str:
    """64 bits as 16 hex digits, by the DCT method of imagehash's `phash` (Zauner 2010): the signs of the lowest 8 x 8
    frequencies of a 32 x 32 grey thumbnail against their median. Hashes of look-alikes differ in few bits."""
    pixels = np.asarray(on_white(image)) if isinstance(image, Image.Image) else image
    grey = resampled(pixels, _SIDE, _SIDE, "lanczos") @ _LUMA  # grey last: of a thumbnail it costs nothing
    basis = _cosines()
    low = (basis @ grey @ basis.T).flatten()
    ordered = np.sort(low)
    median = (ordered[low.size // 2 - 1] + ordered[low.size // 2]) / 2  # numpy's own takes longer than all the rest
    return np.packbits(low > median).tobytes().hex()


def hamming(left: str, right: str) -> int:
    """Bits in which two hashes differ, 0 to 64."""
    return (int(left, 16) ^ int(right, 16)).bit_count()


@functools.cache
def _cosines() -> NDArray[np.float64]:
    """The first rows of the DCT-II matrix, shape (8, 32)."""
    frequency, position = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    return np.cos(np.pi * frequency * (2 * position + 1) / (2 * _SIDE))
