"""Metadata out of JPEG and PNG files without touching their pixels: location, camera, comments, previews."""

import re
import zlib

_JPEG_DROPPED = frozenset((*range(0xE1, 0xF0), 0xFE)) - {0xE2, 0xEE}  # APPn and comments, not colour (ICC, Adobe)
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in compressed data neither a stuffed byte nor a restart
_PNG_KEPT = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD")
)


def strip_jpeg(data: bytes) -> bytes:
    """`data` without its metadata segments, and without what follows the image. Expects a JPEG that decodes."""
    kept, position = [data[:2]], 2
    while position + 2 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xD9:  # end of image
            return b"".join([*kept, data[position : position + 2]])
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        end = position + length
        if marker == 0xDA:  # start of scan: compressed data follows, up to the next marker
            found = _JPEG_MARKER.search(data, end)
            end = found.start() if found else len(data)
        is_icc = marker == 0xE2 and data[position + 4 : position + 15] == b"ICC_PROFILE"
        if marker not in _JPEG_DROPPED and (marker != 0xE2 or is_icc):
            kept.append(data[position:end])
        position = end
    return b"".join(kept)


def strip_png(data: bytes) -> bytes:
    """`data` with only the chunks that its pixels and colours need; an animation is left with its first frame."""
    kept, position = [data[:8]], 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if kind in _PNG_KEPT:
            kept.append(data[position : position + 12 + length])
        if kind == b"IEND":
            break
        position += 12 + length
    return b"".join(kept)


def is_sound_png(data: bytes) -> bool:
    """Whether every chunk has its checksum, and the last is the end: Pillow shows damaged pixels without a word."""
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 8 + length
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        if data[position + 4 : position + 8] == b"IEND":
            return True
        position = end + 4
    return False
