"""Stripped bytes become RGB pixels: strictly decoded, in sRGB, on white, with few copies at a time."""

import re
from collections.abc import Iterator

import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile

from pipeline.image.avif import avif_profile
from pipeline.image.colour import Conversion, conversion, without_black
from pipeline.image.resampling import Pixels
from pipeline.image.strip_jpeg import without_padding
from pipeline.image.stripped import Stripped
from schemas.drops import Drop
from schemas.images import on_white, open_image, with_8_bits

_STRIP_PIXELS = 1 << 20  # what is converted at a time
_PADDING = re.compile(r"(?<!\d)(\d{1,10}) extraneous bytes before marker 0xd9")
_FILLER = bytes(range(1, 250)) * 2
_ODD_SAMPLING = "Could not determine subsampling level"
_GREY, _COLOUR = 0, 2  # colour types of PNG
_OF_SPACE = {"1": "L", "L": "L", "LA": "L", "I": "L", "I;16": "L", "I;16B": "L", "CMYK": "CMYK"}


class Decoded(msgspec.Struct, frozen=True):
    """`pixels` are RGB of shape (height, width, 3). `data` is what they were decoded from, where that looks the same to
    readers that apply profiles and those that do not; None where it is not to be kept."""

    pixels: Pixels
    data: bytes | None
    has_profile: bool = False  # one that is not worth applying, or that cannot be read


def decoded(data: bytes, header: Image.Image, stripped: Stripped, target: tuple[int, int]) -> Decoded:
    """The whole image, decoded at less than about twice `target` where that is cheap.

    `header` is that of `data`, which is `stripped.data` or, where there is none, the file as it came. Raises `Drop`:
    broken_image, hdr.
    """
    try:
        profile = stripped.profile or header.info.get("icc_profile") or b""
        if header.format == "AVIF" and not profile:
            profile = avif_profile(data)
        found = conversion(profile) if profile and header.format not in ("GIF", "BMP") else None
        apply = found if found and not found.keeps_colours and _suits(found, header.mode) else None
        if header.format == "JPEG":
            pixels, kept = _jpeg(data, header, apply, target)
        else:
            header.load()
            pixels, kept = _flat(data, header, apply), stripped.data
        return Decoded(pixels, None if apply else kept, bool(profile) and found is None)
    except Drop:
        raise
    except Exception as error:  # decoders of damaged data raise whatever they stumble over
        raise Drop("broken_image", f"{type(error).__name__}: {error}") from None


def in_srgb(image: Image.Image, apply: Conversion | None = None) -> Image.Image:
    """The image in RGB, transparency laid on white, 16 bits brought to 8, colours brought to sRGB before."""
    if apply is None:
        return on_white(image)
    image, alpha = with_8_bits(image), None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    image = apply(image if image.mode == apply.mode else image.convert(apply.mode))
    if alpha:
        image.putalpha(alpha)
    return on_white(image)


def _suits(found: Conversion, mode: str) -> bool:
    """Whether a profile is for such colours. One of RGB may be said of grey."""
    space = _OF_SPACE.get(mode, "RGB")
    return found.mode == space or (found.mode, space) == ("RGB", "L")


def _jpeg(
    data: bytes, header: Image.Image, apply: Conversion | None, target: tuple[int, int]
) -> tuple[Pixels, bytes | None]:
    """Strictly: libjpeg alone takes damaged data for grey blocks."""
    inks = {"CMYK": "CMYK", "L": "GRAY"}.get(apply.mode, "RGB") if apply else "CMYK" if header.mode == "CMYK" else "RGB"
    least = {}
    if (size := scaled(header.size, target)) != header.size:
        least = {"min_width": size[0], "min_height": size[1]}
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, inks, strict=True, **least)
    except ValueError as error:
        if padding := _PADDING.search(str(error)):
            without = without_padding(data, int(padding[1]))
            if without is None:
                raise
            data, pixels = without, simplejpeg.decode_jpeg(without, inks, strict=True, **least)
        elif _ODD_SAMPLING in str(error):
            return _flat(data, _odd_jpeg(data), apply), None
        else:
            raise
    if inks == "RGB" and apply is None:
        return pixels, data
    return _converted(pixels, inks, apply), data if header.mode != "CMYK" else None


def _odd_jpeg(data: bytes) -> Image.Image:
    """A JPEG whose sampling factors TurboJPEG does not know, by Pillow, which keeps libjpeg's warnings to itself.

    Raises `ValueError` where compressed data is lacking: then what is put behind it shows in the picture.
    """
    image, filled = open_image(data, ("JPEG",)), open_image(data[:-2] + _FILLER + data[-2:], ("JPEG",))
    if image.tobytes() != filled.tobytes():
        raise ValueError("premature end of data")
    return image


def _converted(pixels: Pixels, inks: str, apply: Conversion | None) -> Pixels:
    """In strips, and in place where the channels are three."""
    out = pixels if pixels.shape[2] == 3 else np.empty((*pixels.shape[:2], 3), np.uint8)
    for rows in _strips(*pixels.shape[:2]):
        strip = without_black(pixels[rows]) if inks == "CMYK" else pixels[rows]
        if apply and inks == "CMYK":
            strip = np.pad(255 - strip, ((0, 0), (0, 0), (0, 1)))
        out[rows] = (
            np.asarray(apply(Image.fromarray(strip[:, :, 0] if inks == "GRAY" else strip, apply.mode)))
            if apply
            else strip
        )
    return out


def _flat(data: bytes, image: Image.Image, apply: Conversion | None) -> Pixels:
    """A loaded image in RGB on white."""
    out = np.empty((image.height, image.width, 3), np.uint8)
    key = _ColourKey(data, image) if image.format == "PNG" and data[25] in (_GREY, _COLOUR) else None
    if key:
        image.info.pop("transparency", None)
    for rows in _strips(image.height, image.width):
        strip = image.crop((0, rows.start, image.width, rows.stop)) if len(out) > rows.stop - rows.start else image
        out[rows] = np.asarray(in_srgb(strip, apply))
        if key and (hidden := key.hides(strip, rows)) is not None:
            out[rows][hidden] = 255
    return out


class _ColourKey:
    """The one colour that a PNG of grey or RGB may call transparent, compared at the depth of the file."""

    def __init__(self, data: bytes, image: Image.Image) -> None:
        self._stated, self._depth = image.info.get("transparency"), data[24]
        self._low: Image.Image | None = None
        if self._stated is not None and data[25] == _COLOUR and self._depth == 16:
            low = open_image(data, ("PNG",))  # Pillow drops the lower bytes, so they are decoded by themselves
            assert isinstance(low, ImageFile.ImageFile)
            low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
            self._low = low

    def hides(self, strip: Image.Image, rows: slice) -> NDArray[np.bool_] | None:
        """Where some rows are transparent, shape (rows, width)."""
        if self._stated is None:
            return None
        values, stated = np.asarray(strip), np.asarray(self._stated)
        if values.ndim == 2:
            scale = 1 if self._depth in (1, 16) else 255 // ((1 << self._depth) - 1)
            return np.asarray(values == stated * scale)
        if self._low is None:
            return np.asarray((values == stated).all(axis=2))
        low = np.asarray(self._low.crop((0, rows.start, self._low.width, rows.stop)))
        return np.asarray(((values == stated >> 8) & (low == stated & 255)).all(axis=2))


def _strips(height: int, width: int) -> Iterator[slice]:
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))


def scaled(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """To what a JPEG is brought down inside the DCT."""
    scale = _cheap_scale(size, target)
    return -(-size[0] // scale), -(-size[1] // scale)


def _cheap_scale(size: tuple[int, int], target: tuple[int, int]) -> int:
    """By how much a JPEG may be brought down inside the DCT: 1, 2, 4 or 8, and no further than to `target`.

    Other scales cost more than they save: libjpeg-turbo has fast code for these alone.
    """
    spare = min(size[0] // target[0], size[1] // target[1])
    return max(scale for scale in (1, 2, 4, 8) if scale <= max(1, spare))
