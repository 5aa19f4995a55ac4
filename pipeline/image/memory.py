"""How much memory decoding will take, told from the header: most formats need several times what their pixels do."""

from PIL import Image

from pipeline.image.stripped import Stripped
from schemas.drops import Drop

_RESULT = 3  # bytes of a pixel in RGB
_RESAMPLED = 3 * _RESULT  # with the copies that the resampler makes
_OF_MODE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}  # of a pixel of Pillow's; of all others 4
#: Bytes of a pixel that libraries hold besides, as measured: canvases of animations, planes, copies for Pillow.
_LIBRARY = {"WEBP": 10, "AVIF": 9}


def refuse_hungry(header: Image.Image, stripped: Stripped, size: tuple[int, int], max_bytes: int) -> None:
    """Raises `Drop("too_many_pixels")` for what would take more than `max_bytes`, the file itself not counted.

    `size` is that to which the DCT brings a JPEG down.
    """
    if header.format == "JPEG":
        needed = size[0] * size[1] * _RESAMPLED + _coefficients(header, stripped)
    else:
        a_pixel = _LIBRARY.get(header.format or "", 0) + _OF_MODE.get(header.mode, 4) + _RESULT
        needed = header.width * header.height * max(a_pixel, _RESAMPLED)
    if needed > max_bytes:
        detail = f"{header.width}x{header.height} {header.format} takes {needed >> 20} MiB, cap {max_bytes >> 20}"
        raise Drop("too_many_pixels", detail)


def _coefficients(header: Image.Image, stripped: Stripped) -> int:
    """Bytes of the coefficients of a JPEG, which all stay in memory where they come in more than one scan."""
    if stripped.scans < 2:
        return 0
    factors = [(across, down) for _, across, down, _ in getattr(header, "layer", ())]
    whole = max((across for across, _ in factors), default=1) * max((down for _, down in factors), default=1)
    samples = sum(across * down for across, down in factors) / (whole or 1)  # of a damaged frame, which none decodes
    return int(header.width * header.height * samples * 2)
