"""WebP files down to the image, its alpha and its profile."""

import struct
from collections.abc import Iterator

from pipeline.image.stripped import Stripped, sized_profile

_PROFILE, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02
_PIXELS = (b"VP8 ", b"VP8L")


def strip_webp(data: bytes, with_profile: bool = True) -> Stripped:
    """An animation, and what is not formed as the container asks, is not to be kept: its `data` is None."""
    chunks = dict[bytes, bytes]()
    for kind, body in riff_chunks(data):
        chunks.setdefault(kind, body)
    pixels = next((kind for kind in chunks if kind in _PIXELS), b"")
    head = chunks.get(b"VP8X", b"")
    flags = head[0] if len(head) == 10 else 0
    profile = chunks.get(b"ICCP", b"") if flags & _PROFILE else b""
    exif = chunks.get(b"EXIF", b"") if flags & _EXIF else b""
    if not pixels or flags & _ANIMATION or (head and len(head) != 10):
        return Stripped(None, exif.removeprefix(b"Exif\x00\x00"), sized_profile(profile))
    kept = {pixels: chunks[pixels]}
    if flags & _ALPHA and b"ALPH" in chunks and pixels == b"VP8 ":
        kept = {b"ALPH": chunks[b"ALPH"], **kept}
    if with_profile and profile and profile == sized_profile(profile):
        kept = {b"ICCP": profile, **kept}
    if head:
        flags &= ~(_EXIF | _XMP | (0 if b"ICCP" in kept else _PROFILE))
        kept = {b"VP8X": bytes((flags,)) + head[1:], **kept}
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(value)) + value + bytes(len(value) % 2) for kind, value in kept.items()
    )
    stripped = b"RIFF" + struct.pack("<I", len(body)) + body
    return Stripped(stripped, exif.removeprefix(b"Exif\x00\x00"), sized_profile(profile))


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk that is all there."""
    position, stated = 12, 8 + int.from_bytes(data[4:8], "little")
    while position + 8 <= min(stated, len(data)):
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        if end > len(data):
            return
        yield data[position : position + 4], data[position + 8 : end]
        position = end + end % 2
