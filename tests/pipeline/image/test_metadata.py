"""No metadata in any file that is kept or encoded: wherever it may hide, and whatever its container says of it."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.image.codec import decode, store
from pipeline.image.rules import ImageRules
from pipeline.image.strip import strip
from tests.pipeline.colours import BLUE, GREEN, RED, profile
from tests.pipeline.makers import encoded, jpeg_segment, opened, picture, png_chunk

SECRET = b"TAKEN-AT-HOME"
EXIF = (
    b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x0e\x00\x02\x00\x00\x00\x0e\x00\x00\x00\x1a\x00\x00\x00\x00"
    + SECRET
    + b"\x00"
)
_RULES = ImageRules(min_side_px=1, min_color_range=0)
_SRGB = profile(RED, GREEN, BLUE)


def jpeg(*segments: bytes, before: bytes = b"", **options: object) -> bytes:
    """Segments behind the first, or before the first marker named."""
    data = encoded(picture(), "JPEG", **options)
    at = data.rindex(before) if before else 2 + 2 + int.from_bytes(data[4:6], "big")
    return data[:at] + b"".join(segments) + data[at:]


def jfif(thumbnail: bytes) -> bytes:
    plain = encoded(picture(), "JPEG")
    head = plain[6:18] + bytes((len(thumbnail) // 3, 1)) + thumbnail
    return plain[:2] + jpeg_segment(0xE0, head) + plain[20:]


def png(*chunks: bytes, at: int = 33, image: Image.Image | None = None) -> bytes:
    data = encoded(image or picture(), "PNG")
    return data[:at] + b"".join(chunks) + data[at:]


def webp(*chunks: tuple[bytes, bytes], flags: int = 0, size: int = 0, extended: bool = True) -> bytes:
    """A WebP of these chunks behind its pixels, with these flags; `size` more bytes are stated than there are."""
    pixels = encoded(picture(), "WEBP")[12:]
    body = b"WEBP"
    if extended:
        body += b"VP8X" + struct.pack("<IB3x", 10, flags) + struct.pack("<I", 199)[:3] + struct.pack("<I", 149)[:3]
    body += pixels
    for kind, value in chunks:
        body += kind + struct.pack("<I", len(value)) + value + bytes(len(value) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + size) + body


FILES = {
    "jpeg Exif": lambda: jpeg(jpeg_segment(0xE1, b"Exif\x00\x00" + EXIF)),
    "jpeg Exif twice": lambda: jpeg(*[jpeg_segment(0xE1, b"Exif\x00\x00" + EXIF)] * 2),
    "jpeg Exif after the scan began": lambda: jpeg(
        jpeg_segment(0xE1, b"Exif\x00\x00" + EXIF), before=b"\xff\xda", progressive=True
    ),
    "jpeg XMP": lambda: jpeg(jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + SECRET)),
    "jpeg extended XMP": lambda: jpeg(jpeg_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\x00" + SECRET)),
    "jpeg IPTC": lambda: jpeg(jpeg_segment(0xED, b"Photoshop 3.0\x00" + SECRET)),
    "jpeg comment": lambda: jpeg(jpeg_segment(0xFE, SECRET)),
    "jpeg thumbnail in JFIF": lambda: jfif(SECRET + b"xx"),
    "jpeg thumbnail in JFXX": lambda: jpeg(jpeg_segment(0xE0, b"JFXX\x00\x13\x02\x01" + SECRET)),
    "jpeg JFXX with a JPEG": lambda: jpeg(jpeg_segment(0xE0, b"JFXX\x00\x10" + jfif(SECRET + b"xx"))),
    "jpeg MPF": lambda: jpeg(jpeg_segment(0xE2, b"MPF\x00" + SECRET)) + jfif(SECRET + b"xx"),
    "jpeg FlashPix": lambda: jpeg(jpeg_segment(0xE2, b"FPXR\x00" + SECRET)),
    "jpeg long Adobe segment": lambda: jpeg(jpeg_segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x01" + SECRET)),
    "jpeg not of Adobe": lambda: jpeg(jpeg_segment(0xEE, SECRET)),
    "jpeg junk between": lambda: jpeg(SECRET),
    "jpeg junk before the scan": lambda: jpeg(SECRET, before=b"\xff\xda"),
    "jpeg tail": lambda: jpeg() + SECRET,
    "jpeg behind its profile": lambda: jpeg(icc_profile=_SRGB + SECRET),
    "jpeg half a profile": lambda: jpeg(jpeg_segment(0xE2, b"ICC_PROFILE\x00\x01\x02" + SECRET)),
    "png text": lambda: png(
        png_chunk(b"tEXt", b"a\x00" + SECRET), png_chunk(b"iTXt", b"a\x00\x00\x00\x00\x00" + SECRET)
    ),
    "png zipped text": lambda: png(png_chunk(b"zTXt", b"a\x00\x00" + zlib.compress(SECRET, 0))),
    "png eXIf": lambda: png(png_chunk(b"eXIf", EXIF)),
    "png own chunks": lambda: png(png_chunk(b"prVt", SECRET), png_chunk(b"caBX", SECRET)),
    "png at its end": lambda: png(png_chunk(b"tEXt", b"a\x00" + SECRET), at=-12),
    "png tail": lambda: png() + SECRET,
    "png in a colour chunk": lambda: png(png_chunk(b"gAMA", struct.pack(">I", 45455) + SECRET)),
    "png in a chunk that stands twice": lambda: png(
        png_chunk(b"bKGD", bytes(6)), png_chunk(b"bKGD", SECRET[:6]), png_chunk(b"sBIT", SECRET[:9])
    ),
    "png behind its profile": lambda: png(png_chunk(b"iCCP", b"x\x00\x00" + zlib.compress(_SRGB + SECRET, 0))),
    "png behind the stream of its profile": lambda: png(
        png_chunk(b"iCCP", b"x\x00\x00" + zlib.compress(_SRGB) + SECRET)
    ),
    "png in a damaged chunk": lambda: png(png_chunk(b"tEXt", SECRET)[:-1] + b"x"),
    "webp EXIF": lambda: webp((b"EXIF", EXIF), flags=8),
    "webp EXIF without its flag": lambda: webp((b"EXIF", EXIF)),
    "webp XMP without its flag": lambda: webp((b"XMP ", SECRET)),
    "webp EXIF in a simple file": lambda: webp((b"EXIF", EXIF), extended=False),
    "webp own chunk": lambda: webp((b"PRVT", SECRET)),
    "webp second picture": lambda: webp((b"VP8 ", SECRET)),
    "webp profile without its flag": lambda: webp((b"ICCP", SECRET)),
    "webp tail": lambda: webp() + SECRET,
    "webp tail counted in": lambda: webp(size=14) + SECRET + b"x",
    "gif comment": lambda: encoded(picture(), "GIF", comment=SECRET),
    "tiff Exif": lambda: encoded(picture(), "TIFF", description=SECRET.decode()),
    "avif Exif": lambda: encoded(picture(), "AVIF", exif=EXIF, xmp=SECRET),
}


@pytest.mark.parametrize("name", FILES)
def test_nothing_but_the_picture_is_stored(name: str) -> None:
    data = FILES[name]()
    part = SECRET[:6]
    assert part in data
    image = decode(data, _RULES)
    stored = store(image).data
    assert part not in stored
    found = opened(stored)
    assert not found.getexif()
    assert not {"exif", "xmp", "comment", "XML:com.adobe.xmp", "photoshop", "mp"} & found.info.keys()
    assert strip(stored).data == stored
    plain = np.asarray(found.convert("RGB")).astype(int)
    assert np.abs(plain - image.pixels).mean() < (0.1 if image.kept is not None else 4)
    if not name.startswith(("gif", "tiff", "avif")):
        assert image.kept is not None


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_file_without_metadata_is_stored_byte_for_byte(format: str) -> None:
    for options in ({}, {"icc_profile": _SRGB}):
        data = encoded(picture(), format, **options)
        assert store(decode(data, _RULES)).data == data
