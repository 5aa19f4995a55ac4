"""JPEG, PNG and WebP files down to what their pixels and colours need, without touching the pixels.

Location, camera, comments, previews, second images and trailing bytes go. What damage or carelessness left in a header
is put right the way browsers read it, so that strict decoders take the rest. What is stored is what these give.
"""

from pipeline.image.strip_jpeg import MAX_SCANS, strip_jpeg
from pipeline.image.strip_png import SIGNATURE, strip_png
from pipeline.image.strip_webp import strip_webp
from pipeline.image.stripped import Stripped


def strip(data: bytes, max_scans: int = MAX_SCANS, with_profile: bool = True) -> Stripped:
    """By the first bytes; of another format, nothing. Raises `Drop`: broken_image, too_many_scans, hdr."""
    if data.startswith(b"\xff\xd8\xff"):
        return strip_jpeg(data, max_scans, with_profile)
    if data.startswith(SIGNATURE):
        return strip_png(data, with_profile)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return strip_webp(data, with_profile)
    return Stripped(None)
