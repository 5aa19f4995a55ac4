"""The one place that opens images, and makes them RGB: formats of the web alone, whatever a file is called.

Pillow knows dozens of others. Some start programs (EPS: Ghostscript), and none is meant to be met here.
"""

import io
import re
import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from schemas.drops import Drop

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
STORED_FORMATS = ("JPEG", "PNG", "WEBP")  # what weft stores
#: What stands before the root of a drawing: a mark, the declaration, comments, a document type that is no other's.
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<\?[^>]*+>|<!--(?:[^-]|-(?!->))*+-->|<!DOCTYPE\s++(?:\w{1,9}:)?svg\b[^>\[]*+(?:\[[^\]]*+\]\s*+)?+>)*+"
    rb"<(?:\w{1,9}:)?svg[\s>/]"
)
_SVG_HEAD = 8_192  # bytes: editors write long comments


def is_svg(data: bytes) -> bool:
    """Whether the first bytes are those of a drawing in SVG, which `pipeline.image.svg` draws."""
    return _SVG.match(data[:_SVG_HEAD]) is not None


def open_image(data: bytes, formats: Sequence[str] = FORMATS, max_pixels: int = 0) -> Image.Image:
    """Only the header is read here. `max_pixels`, where it is more than Pillow takes by itself, raises its limit.

    Raises `Drop`: unsupported_format, too_many_pixels, broken_image.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels  # it refuses twice as many, and callers more than this
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pixels, which callers judge by rules of their own, and of odd EXIF
            return Image.open(io.BytesIO(data), formats=tuple(formats))
    except UnidentifiedImageError:
        raise Drop("unsupported_format", repr(data[:8])) from None
    except Image.DecompressionBombError as error:
        raise Drop("too_many_pixels", str(error)) from None
    except Exception as error:  # parsers of damaged headers raise whatever they stumble over
        raise Drop("broken_image", f"{type(error).__name__}: {error}") from None


def on_white(image: Image.Image) -> Image.Image:
    """The image in RGB, transparency laid on white, 16 bits brought to 8. Decodes what is not decoded yet."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image.convert("RGB")
    image = with_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def with_8_bits(image: Image.Image) -> Image.Image:
    """16 bits of grey scaled to 8, which Pillow's convert would clip to white; the one level of a PNG that is called
    transparent becomes alpha. An image of another mode as it is."""
    if not image.mode.startswith("I"):
        return image
    grey = image.convert("F").point(lambda value: value * (255 / 65535)).convert("L")
    stated = grey.info.pop("transparency", None)
    if stated is not None:
        grey.putalpha(Image.fromarray(np.where(np.asarray(image) == stated, np.uint8(0), np.uint8(255))))
    return grey
