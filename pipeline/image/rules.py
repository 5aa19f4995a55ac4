"""Images dropped for what they are, with the numbers of the papers."""

import math
from typing import ClassVar

from pipeline.image.resampling import Pixels, resampled
from schemas.drops import Drop
from schemas.settings import Bounds, Settings


class ImageRules(Settings, frozen=True):
    """Sizes are those of the original, after its orientation is applied."""

    bounds: ClassVar[Bounds] = {"max_aspect_ratio": (1, math.inf), "svg_px": (0, 16_384)}

    max_bytes: int = 32 << 20
    max_pixels: int = 64_000_000
    """Width times height, read from the header: no pixel of a larger image is decoded. 64 million take 190 MB as they
    are judged, and up to `max_decode_bytes` while they are decoded."""
    max_decode_bytes: int = 600_000_000
    """Memory that decoding may take besides the file, estimated from the header. Per pixel: JPEG 9 bytes of what is
    left after scaling, and up to 8 where it is progressive; PNG, GIF, BMP and TIFF 9; AVIF 16; WebP 17."""
    max_scans: int = 100
    """Of a progressive JPEG; ordinary ones have about ten. Each takes as long as the image is large."""
    min_side_px: int = 64
    """Flamingo: 64. OBELICS: 150."""
    max_side_px: int = 20_000
    """OBELICS: 20,000."""
    max_aspect_ratio: float = 3.0
    """Longer over shorter side. Flamingo: 3. OBELICS: 2."""
    svg_px: int = 1024
    """A drawing in SVG is judged by the size that it declares, and drawn with so many pixels on its longer side.
    0: it is dropped. At most 16,384."""
    min_color_range: int = 12
    """The widest range of a channel, of 255, over a 16 x 16 thumbnail; below it the image is single-coloured."""


def size_rules(width: int, height: int, rules: ImageRules) -> None:
    """Judge an image by its header. Raises `Drop`: too_many_pixels, too_small, too_big, bad_aspect_ratio."""
    size = f"{width}x{height}"
    if width * height > rules.max_pixels:
        raise Drop("too_many_pixels", size)
    if min(width, height) < rules.min_side_px:
        raise Drop("too_small", size)
    if max(width, height) > rules.max_side_px:
        raise Drop("too_big", size)
    if max(width, height) > rules.max_aspect_ratio * min(width, height):
        raise Drop("bad_aspect_ratio", size)


def color_rules(pixels: Pixels, rules: ImageRules) -> None:
    """Judge decoded pixels, RGB of shape (height, width, 3). Raises `Drop("single_color")`."""
    thumbnail = resampled(pixels, 16, 16, "box").reshape(-1, 3)
    widest = int((thumbnail.max(axis=0) - thumbnail.min(axis=0)).max())
    if widest < rules.min_color_range:
        raise Drop("single_color", f"range {widest} < {rules.min_color_range}")
