"""The one place that opens images: formats of the web alone, whatever a file is called.

Pillow knows dozens of others. Some start programs (EPS: Ghostscript), and none is meant to be met here.
"""

import io
import re
import warnings
from collections.abc import Sequence

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


def open_image(data: bytes, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Only the header is read here. Raises `Drop`: unsupported_format, too_many_pixels, broken_image."""
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
