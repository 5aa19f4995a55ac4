"""What is left of an image file without its metadata."""

import struct

import msgspec

_ORIENTATION, _SHORT = 0x0112, 3


class Stripped(msgspec.Struct, frozen=True):
    """A file without its metadata, and of that what decides how its pixels look.

    `data` is None where the file is not of the form that its format has: it may be decoded, but not be kept.
    """

    data: bytes | None
    exif: bytes = b""  # a TIFF file
    profile: bytes = b""  # ICC: of the file, or made of what it says of its colours otherwise
    scans: int = 1  # of a JPEG


def sized_profile(profile: bytes) -> bytes:
    """A profile as long as it says that it is; "" where it is shorter."""
    size = int.from_bytes(profile[:4], "big")
    return profile[:size] if len(profile) >= size >= 128 else b""


def stated_orientation(exif: bytes) -> int:
    """1 to 8, of the first directory of EXIF; 1 where it says nothing, or is damaged before."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (entries,) = struct.unpack_from(order + "H", exif, start)
    for at in range(start + 2, min(start + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", exif, at)
        if (tag, kind, count) == (_ORIENTATION, _SHORT, 1):
            return value if value in range(1, 9) else 1
    return 1
