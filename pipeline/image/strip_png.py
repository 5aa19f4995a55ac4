"""PNG files down to the chunks that their pixels and colours need, each in its place and with its checksum."""

import zlib
from collections.abc import Iterator

from pipeline.image.icc import SRGB, cicp_profile, matrix_profile, refuse_hdr
from pipeline.image.stripped import Stripped, sized_profile
from schemas.drops import Drop

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_LENGTHS = {
    b"tRNS": range(1, 257),
    b"gAMA": (4,),
    b"cHRM": (32,),
    b"sRGB": (1,),
    b"cICP": (4,),
    b"iCCP": range(4, 1 << 24),
    b"sBIT": range(1, 5),
    b"bKGD": (1, 2, 6),
}
_BEFORE_PALETTE = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"iCCP", b"sBIT")
_MAX_PROFILE_BYTES = 1 << 20  # what Pillow reads too
_PALETTE = 3  # a colour type
_USUAL_GAMMA = 45_455
_SCREEN_GAMMA = 2.4  # BT.1886


def strip_png(data: bytes, with_profile: bool = True) -> Stripped:
    """Of an animation the first frame is left. Raises `Drop`: broken_image for damage in what is needed, hdr."""
    kept, colour, exif, has_palette, has_pixels = [data[:8]], dict[bytes, bytes](), b"", False, False
    for kind, chunk, is_sound in _chunks(data):
        body = chunk[8:-4]
        if kind in _CRITICAL or kind[:1].isupper():
            if not is_sound or kind not in _CRITICAL:
                raise Drop("broken_image", f"chunk {kind!r}: damaged or unknown")
            kept.append(chunk)
            has_palette, has_pixels = has_palette or kind == b"PLTE", has_pixels or kind == b"IDAT"
            if kind == b"IEND":
                break
        elif not is_sound:
            continue
        elif kind == b"eXIf":
            exif = exif or body
        elif kind in _LENGTHS and len(body) in _LENGTHS[kind] and kind not in colour and not has_pixels:
            if kind in _BEFORE_PALETTE and has_palette:
                continue
            colour[kind] = body
            if kind != b"iCCP" or (with_profile and _profile(body)[1]):
                kept.append(chunk)
    else:  # cut behind its pixels, or within them: that the decoder notices
        kept.append(_END)
    if not has_pixels or (data[25] == _PALETTE and not has_palette):
        raise Drop("broken_image", "no IDAT, or no PLTE")
    return Stripped(b"".join(kept), exif, _stated_profile(colour))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Kind, the whole chunk, and whether it has its checksum."""
    position = 8
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            return
        chunk = data[position:end]
        yield chunk[4:8], chunk, zlib.crc32(memoryview(chunk)[4:-4]) == int.from_bytes(chunk[-4:], "big")
        position = end


def chunks_of(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """The bodies of the chunks of a kind; whether they are sound is not asked."""
    position = 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == wanted:
            yield data[position + 8 : end]
        position = end + 4


def _stated_profile(colour: dict[bytes, bytes]) -> bytes:
    """In the order of browsers: cICP, iCCP, sRGB, gAMA with or without cHRM."""
    if b"cICP" in colour:
        primaries, transfer, matrix, is_full = colour[b"cICP"]
        if matrix == 0 and is_full == 1 and 2 not in (primaries, transfer):
            refuse_hdr(transfer)
            return cicp_profile(primaries, transfer, _SCREEN_GAMMA)
    if b"iCCP" in colour and (profile := _profile(colour[b"iCCP"])[0]):
        return profile
    gamma = int.from_bytes(colour.get(b"gAMA", b""), "big")
    if b"sRGB" in colour or gamma == 0 or (gamma == _USUAL_GAMMA and b"cHRM" not in colour):
        return b""
    stated = colour.get(b"cHRM", b"")
    chromaticities = tuple(int.from_bytes(stated[at : at + 4], "big") / 100_000 for at in range(0, len(stated), 4))
    return matrix_profile(chromaticities or SRGB, 100_000 / gamma)


def _profile(body: bytes) -> tuple[bytes, bool]:
    """The profile of an iCCP chunk, and whether nothing else lies in the chunk. "" where it is broken or too large."""
    _, _, packed = body.partition(b"\x00")
    inflating = zlib.decompressobj()
    try:
        profile = inflating.decompress(packed[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return b"", False
    sized = sized_profile(profile)
    return sized, sized == profile and bool(profile) and inflating.eof and not inflating.unused_data
