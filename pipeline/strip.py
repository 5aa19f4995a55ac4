"""Metadata out of JPEG and PNG files without touching their pixels: location, camera, comments, previews."""

_JPEG_DROPPED = frozenset((*range(0xE1, 0xF0), 0xFE)) - {0xE2, 0xEE}  # APPn and comments, not colour (ICC, Adobe)
_PNG_KEPT = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD")
)


def strip_jpeg(data: bytes) -> bytes:
    """`data` without its metadata segments, and without what follows the image. Expects a JPEG that decodes."""
    kept, position = [data[:2]], 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xDA:  # start of scan: compressed data follows to the end
            end = data.rfind(b"\xff\xd9")
            return b"".join(kept) + data[position : end + 2 if end > position else len(data)]
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position : position + length]
        is_icc = marker == 0xE2 and segment[4:15] == b"ICC_PROFILE"
        if marker not in _JPEG_DROPPED and (marker != 0xE2 or is_icc):
            kept.append(segment)
        position += length
    return data


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
