"""How a picture is brought to the square that a vision encoder takes."""

import functools

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]


def fitted(image: Image.Image, size: int, fit: str) -> Image.Image:
    """`pad`: the longer side is `size`; `crop`: the middle square; `stretch`: another aspect. RGB in and out."""
    width, height = image.size
    if fit == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    scale = size / max(width, height)
    within = max(1, round(width * scale)), max(1, round(height * scale))
    return image if within == image.size else image.resize(within, Image.Resampling.BILINEAR)


def framed(image: Image.Image, size: int, mean: Colour) -> Pixels:
    """Pixels [size, size, 3]: the image in the middle of a square of the mean colour, 0 to 1."""
    pixels = np.asarray(image)
    if pixels.shape[:2] == (size, size):
        return pixels
    frame = _blank(size, mean).copy()
    top, left = (size - pixels.shape[0]) // 2, (size - pixels.shape[1]) // 2
    frame[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return frame


@functools.lru_cache(maxsize=4)
def _blank(size: int, mean: Colour) -> Pixels:
    """A square of the mean colour. Filling one pixel by pixel takes as long as a tenth of decoding does."""
    frame = np.empty((size, size, 3), np.uint8)
    frame[:] = [round(255 * value) for value in mean]
    return frame
