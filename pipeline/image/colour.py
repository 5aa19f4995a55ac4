"""Colours of any profile as sRGB, about as Chromium shows them.

Whether a profile is that of sRGB is told by what it does to colours, not by what it is called.
"""

import functools
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]

#: How far a profile may move colours, of 255, and still count as sRGB: less than the curve of gamma 2.2 does.
_MAX_MEAN_SHIFT, _MAX_SHIFT = 1.5, 12
_MAX_BYTES = 4 << 20  # the largest of printers have under three million
_OTHER_TABLES = (b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2", b"D2B3")
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


class Conversion:
    """From the colours of a profile to sRGB. Raises `ValueError` for a profile that cannot be used."""

    def __init__(self, profile: bytes) -> None:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(_of_one_intent(profile)))
            self.mode = _SPACES[source.profile.xcolor_space.strip()]
            self._transform = ImageCms.buildTransform(
                source, _srgb(), self.mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
            )
        except (ImageCms.PyCMSError, OSError, ValueError, KeyError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None
        self.keeps_colours = self.mode != "CMYK" and self._shift_is_small()

    def __call__(self, image: Image.Image) -> Image.Image:
        """RGB of an image of `mode`."""
        return ImageCms.applyTransform(image, self._transform) or image  # None is of transforms in place

    def _shift_is_small(self) -> bool:
        sample = _sample().convert(self.mode) if self.mode == "L" else _sample()
        before = np.asarray(sample.convert("RGB")).astype(np.int16)
        shift = np.abs(np.asarray(self(sample)).astype(np.int16) - before)
        return bool(shift.mean() <= _MAX_MEAN_SHIFT and shift.max() <= _MAX_SHIFT)


@functools.lru_cache(maxsize=16)
def conversion(profile: bytes) -> Conversion | None:
    """None for a profile that cannot be used, or is too large to: it is ignored, as browsers do."""
    if len(profile) > _MAX_BYTES:
        return None
    try:
        return Conversion(profile)
    except ValueError:
        return None


def without_black(inks: Pixels) -> Pixels:
    """Three inks of four, shape (height, width, 4), 255 where there is none. Without a profile that is RGB, as browsers
    show it; with one, Chromium asks the profile about these three."""
    return (inks[:, :, :3].astype(np.uint16) * inks[:, :, 3:] // 255).astype(np.uint8)


def _of_one_intent(profile: bytes) -> bytes:
    """With its first table alone, which Chromium uses whatever is intended: the others by a name that says nothing.

    The black of a perceptual intent would be moved, which browsers do not do.
    """
    count = min(int.from_bytes(profile[128:132], "big"), 100)
    table = bytearray(profile)
    if b"A2B0" in (profile[at : at + 4] for at in range(132, 132 + 12 * count, 12)):
        for at in range(132, 132 + 12 * count, 12):
            if profile[at : at + 4] in _OTHER_TABLES:
                table[at : at + 4] = b"x" + table[at + 1 : at + 4]
    return bytes(table)


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@functools.cache
def _sample() -> Image.Image:
    """Colours from all over the cube."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3))
