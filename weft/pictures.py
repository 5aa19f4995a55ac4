"""Pictures of samples: opened with care, since whoever made a shard may be anybody, and made small for pages."""

import base64
import io

from PIL import Image

from schemas.drops import Drop
from schemas.images import STORED_FORMATS, on_white, open_image

_MAX_PIXELS = 100_000_000
_QUALITY = 75


def open_picture(data: bytes) -> Image.Image:
    """A picture of a shard, its header read; the pixels are decoded when they are first used, as Pillow does it.

    Raises `Drop`: unsupported_format, too_many_pixels, broken_image.
    """
    image = open_image(data, STORED_FORMATS)
    if image.width * image.height > _MAX_PIXELS:
        raise Drop("too_many_pixels", f"{image.width} x {image.height}")
    return image


def thumbnail(picture: bytes | Image.Image, side_px: int = 160) -> str:
    """A JPEG whose longer side has at most so many pixels, as a `data:` address. Raises `Drop` as `open_picture`."""
    image = open_picture(picture) if isinstance(picture, bytes) else picture
    try:
        image.draft("RGB", (2 * side_px, 2 * side_px))
        small = on_white(image)
        small.thumbnail((side_px, side_px))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=_QUALITY, optimize=True)
    except Exception as error:  # decoders of damaged data raise whatever they stumble over
        raise Drop("broken_image", f"{type(error).__name__}: {error}") from None
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
