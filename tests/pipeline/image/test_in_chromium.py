"""What is stored looks as Chromium shows what was served: a matrix of colours, depths and oddities."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from pipeline.image.codec import ImageEncoding, decode_image
from pipeline.image.rules import ImageRules
from schemas.drops import Drop
from tests.chromium import CHROMIUM, chromium, drawn
from tests.pipeline.colours import (
    ADOBE_RGB,
    BLUE,
    GREEN,
    P3,
    PROPHOTO,
    RED,
    cmyk_profile,
    grey_profile,
    profile,
    table_profile,
)
from tests.pipeline.image.test_mutants import sampled
from tests.pipeline.makers import encoded, jpeg_segment, picture, png_chunk

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")

_RULES = ImageRules(min_side_px=1, min_color_range=0, max_aspect_ratio=99)
_KEEP = ImageEncoding()
_SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
_PIXELS = picture(96, 72)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page()


def png(*chunks: bytes, image: Image.Image = _PIXELS) -> bytes:
    data = encoded(image, "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def gama(value: int) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", value))


def chrm(values: tuple[int, ...]) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *values))


def cicp(*codes: int) -> bytes:
    return png_chunk(b"cICP", bytes(codes))


def iccp(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"x\x00\x00" + zlib.compress(profile))


def raw_png(samples: np.ndarray, colour_type: int, depth: int = 16, *chunks: bytes) -> bytes:
    """A PNG of samples at 16 bits or packed bytes, shape (height, width, channels), which Pillow does not write."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\x00" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width * max(1, 8 // depth), height, depth, colour_type, 0, 0, 0)
    parts = [png_chunk(b"IHDR", head), *chunks, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep(channels: int) -> np.ndarray:
    """16 bits, other in every pixel."""
    values = np.asarray(_PIXELS.convert("RGBA")).astype(np.uint32)[:, :, :channels] * 257
    noise = np.random.default_rng(1).integers(0, 256, values.shape)
    return (values // 256 * 256 + noise).astype(np.uint16)


def packed() -> np.ndarray:
    """Bytes that hold several samples each, all there are."""
    return (np.arange(36 * 72) % 256).astype(np.uint8).reshape(72, 36, 1)


def see_through(channels: int) -> tuple[np.ndarray, bytes]:
    """The same with one colour in a stripe, and others that differ from it in the lower bytes alone; its tRNS chunk."""
    values = deep(channels)
    values[10:30], values[40:60] = 0x8040, 0x8041
    return values, png_chunk(b"tRNS", struct.pack(">H", 0x8040) * channels)


def jpeg(image: Image.Image = _PIXELS, **options: object) -> bytes:
    return encoded(image, "JPEG", **{"quality": 95, **options})


def cmyk(**options: object) -> bytes:
    inks = np.asarray(_PIXELS.convert("CMYK")).copy()
    inks[:, :, 3] = np.linspace(0, 200, 96).astype(np.uint8)
    return jpeg(Image.fromarray(inks, "CMYK"), **options)


def ycck(**options: object) -> bytes:
    """The same inks, said to be stored as YCCK."""
    return cmyk(**options).replace(b"Adobe\x00d\x00\x00\x00\x00\x00", b"Adobe\x00d\x00\x00\x00\x00\x02")


def avif(codes: tuple[int, int, int, int] | None = None, **options: object) -> bytes:
    data = encoded(_PIXELS, "AVIF", **{"quality": 95, **options})
    at = data.index(b"nclx") + 4
    if codes is None:
        return data
    return data[:at] + struct.pack(">HHHB", *codes[:3], codes[3] << 7) + data[at + 7 :]


def palette(transparency: bytes | int | None = None) -> bytes:
    options = {} if transparency is None else {"transparency": transparency}
    return encoded(_PIXELS.quantize(200), "PNG", **options)


def turned(orientation: int) -> bytes:
    return b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + bytes((orientation,)) + bytes(6)


def turned_twice(first: int, second: int) -> bytes:
    data = jpeg(exif=b"Exif\x00\x00" + turned(first))
    return before(b"\xff\xdb", jpeg_segment(0xE1, b"Exif\x00\x00" + turned(second)), data)


def before(marker: bytes, inserted: bytes, data: bytes | None = None) -> bytes:
    data = jpeg() if data is None else data
    at = data.index(marker)
    return data[:at] + inserted + data[at:]


def half_clear(image: Image.Image = _PIXELS) -> Image.Image:
    clear = image.convert("RGBA")
    clear.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (72, 1))))
    return clear


_GREY = _PIXELS.convert("L")
_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'

#: What makes the bytes, and by how much the mean may be off: lossy formats round.
MATRIX: dict[str, tuple[str, Callable[[], bytes], float]] = {
    "png plain": ("png", png, 0),
    "png gAMA of sRGB": ("png", lambda: png(gama(45455)), 0),
    "png gAMA of sRGB, with its primaries": ("png", lambda: png(gama(45455), chrm(_SRGB)), 2),
    "png linear": ("png", lambda: png(gama(100000)), 1),
    "png gAMA of a Mac": ("png", lambda: png(gama(55556)), 1),
    "png gAMA 0": ("png", lambda: png(gama(0)), 0),
    "png gAMA 1": ("png", lambda: png(gama(1)), 1),
    "png cHRM alone": ("png", lambda: png(chrm(_P3)), 0),
    "png P3 by cHRM and gAMA": ("png", lambda: png(gama(45455), chrm(_P3)), 1),
    "png sRGB before gAMA": ("png", lambda: png(png_chunk(b"sRGB", b"\x00"), gama(100000)), 0),
    "png profile before sRGB": ("png", lambda: png(png_chunk(b"sRGB", b"\x00"), iccp(profile(*P3))), 1),
    "png profile before gAMA": ("png", lambda: png(gama(100000), iccp(profile(*ADOBE_RGB))), 1),
    "png cICP P3": ("png", lambda: png(cicp(12, 13, 0, 1)), 1),
    "png cICP before profile": ("png", lambda: png(cicp(12, 13, 0, 1), iccp(profile(GREEN, RED, BLUE))), 1),
    "png cICP linear": ("png", lambda: png(cicp(1, 8, 0, 1)), 1),
    "png cICP BT.2020": ("png", lambda: png(cicp(9, 1, 0, 1)), 1.5),
    "png cICP of narrow range": ("png", lambda: png(cicp(12, 13, 0, 0)), 2),
    "png cICP unspecified": ("png", lambda: png(cicp(2, 2, 0, 1)), 0),
    "png ProPhoto": ("png", lambda: png(iccp(profile(*PROPHOTO, gamma=1.8))), 1.5),
    "png broken profile": ("png", lambda: png(iccp(b"not a profile" * 20)), 0),
    "png profile by tables": ("png", lambda: png(iccp(table_profile())), 2),
    "png sRGB chunk too late": ("png", lambda: png(image=_PIXELS.quantize(64)), 0),
    "png grey": ("png", lambda: png(image=_GREY), 0),
    "png grey linear": ("png", lambda: png(gama(100000), image=_GREY), 1),
    "png grey, grey profile": ("png", lambda: png(iccp(grey_profile(1.0)), image=_GREY), 1),
    "png grey, profile of RGB": ("png", lambda: png(iccp(profile(*P3)), image=_GREY), 1.5),
    "png RGB, grey profile": ("png", lambda: png(iccp(grey_profile(1.0))), 1),
    "png palette": ("png", palette, 0),
    "png palette linear": ("png", lambda: png(gama(100000), image=_PIXELS.quantize(200)), 1),
    "png palette, half clear": ("png", lambda: palette(bytes(range(0, 200, 2))), 1),
    "png palette, one clear": ("png", lambda: palette(7), 0),
    "png half clear": ("png", lambda: encoded(half_clear(), "PNG"), 1),
    "png half clear P3": ("png", lambda: png(iccp(profile(*P3)), image=half_clear()), 1.5),
    "png grey half clear": ("png", lambda: encoded(half_clear(_GREY).convert("LA"), "PNG"), 1),
    "png 16 bits": ("png", lambda: raw_png(deep(3), 2), 1),
    "png 16 bits P3": ("png", lambda: raw_png(deep(3), 2, 16, iccp(profile(*P3))), 1.5),
    "png 16 bits with alpha": ("png", lambda: raw_png(deep(4), 6), 1),
    "png 16 bits grey": ("png", lambda: raw_png(deep(1), 0), 1),
    "png 16 bits grey linear": ("png", lambda: raw_png(deep(1), 0, 16, gama(100000)), 1),
    "png 16 bits grey with alpha": ("png", lambda: raw_png(deep(2), 4), 1),
    "png 16 bits, one clear": ("png", lambda: raw_png(see_through(3)[0], 2, 16, see_through(3)[1]), 1),
    "png 16 bits grey, one clear": ("png", lambda: raw_png(see_through(1)[0], 0, 16, see_through(1)[1]), 1),
    "png 8 bits, one clear": ("png", lambda: png(png_chunk(b"tRNS", struct.pack(">3H", 0, 0, 0))), 1),
    "png 4 bits grey, one clear": (
        "png",
        lambda: raw_png(packed(), 0, 4, png_chunk(b"tRNS", b"\x00\x09")),
        1,
    ),
    "png 2 bits grey, one clear": (
        "png",
        lambda: raw_png(packed(), 0, 2, png_chunk(b"tRNS", b"\x00\x02")),
        1,
    ),
    "png 1 bit grey, one clear": (
        "png",
        lambda: raw_png(packed(), 0, 1, png_chunk(b"tRNS", b"\x00\x00")),
        1,
    ),
    "jpeg plain": ("jpeg", jpeg, 1),
    "jpeg grey": ("jpeg", lambda: jpeg(_GREY), 1),
    "jpeg P3": ("jpeg", lambda: jpeg(icc_profile=profile(*P3)), 2),
    "jpeg P3 called sRGB": ("jpeg", lambda: jpeg(icc_profile=profile(*P3, name=b"sRGB")), 2),
    "jpeg Adobe RGB": ("jpeg", lambda: jpeg(icc_profile=profile(*ADOBE_RGB)), 2),
    "jpeg gamma 2.2": ("jpeg", lambda: jpeg(icc_profile=profile(RED, GREEN, BLUE)), 2),
    "jpeg swapped": ("jpeg", lambda: jpeg(icc_profile=profile(GREEN, RED, BLUE)), 2),
    "jpeg by tables": ("jpeg", lambda: jpeg(icc_profile=table_profile(), subsampling=0), 2),
    "jpeg broken profile": ("jpeg", lambda: jpeg(icc_profile=b"no profile" * 40), 1),
    "jpeg profile of CMYK on RGB": ("jpeg", lambda: jpeg(icc_profile=cmyk_profile()), 1),
    "jpeg grey, grey profile": ("jpeg", lambda: jpeg(_GREY, icc_profile=grey_profile(1.0)), 2),
    "jpeg grey, profile of RGB": ("jpeg", lambda: jpeg(_GREY, icc_profile=profile(*P3, gamma=1.0)), 2),
    "jpeg CMYK": ("jpeg", cmyk, 2),
    "jpeg YCCK": ("jpeg", ycck, 2),
    "jpeg CMYK with profile": ("jpeg", lambda: cmyk(icc_profile=cmyk_profile()), 2),
    "jpeg YCCK with profile": ("jpeg", lambda: ycck(icc_profile=cmyk_profile()), 2),
    "jpeg CMYK, profile of RGB": ("jpeg", lambda: cmyk(icc_profile=profile(*P3)), 2),
    "jpeg on its side": ("jpeg", lambda: jpeg(exif=b"Exif\x00\x00" + turned(6)), 1),
    "jpeg on its side, by the first of two": ("jpeg", lambda: turned_twice(6, 3), 1),
    "jpeg on its side by XMP alone": ("jpeg", lambda: jpeg(xmp=_XMP), 1),
    "jpeg junk between segments": ("jpeg", lambda: before(b"\xff\xdb", b"junk"), 1),
    "jpeg comment of no length": ("jpeg", lambda: before(b"\xff\xdb", b"\xff\xfe\x00\x00"), 1),
    "jpeg half a profile": ("jpeg", lambda: before(b"\xff\xdb", b"\xff\xe2\x00\x14ICC_PROFILE\x00\x01\x02half"), 1),
    "jpeg unknown JFIF": ("jpeg", lambda: jpeg().replace(b"JFIF\x00\x01", b"JFIF\x00\x09"), 1),
    "jpeg padding before its end": ("jpeg", lambda: jpeg()[:-2] + bytes(50) + b"\xff\xd9", 1),
    "jpeg odd sampling": ("jpeg", lambda: sampled(0x31), 1),
    "png on its side": ("png", lambda: encoded(_PIXELS, "PNG", exif=turned(8)), 0),
    "png damaged text": ("png", lambda: png(png_chunk(b"tEXt", b"a\x00b")[:-1] + b"?"), 0),
    "png behind its end": ("png", lambda: png() + b"more", 0),
    "webp P3": ("webp", lambda: encoded(_PIXELS, "WEBP", lossless=True, icc_profile=profile(*P3)), 2),
    "webp half clear": ("webp", lambda: encoded(half_clear(), "WEBP", lossless=True), 2),
    "gif": ("gif", lambda: encoded(_PIXELS, "GIF"), 2),
    "bmp": ("bmp", lambda: encoded(_PIXELS, "BMP"), 2),
    "avif": ("avif", avif, 2),
    "avif narrow range": ("avif", lambda: avif(range="limited"), 2),
    "avif of a camera": ("avif", lambda: avif((1, 1, 6, 1)), 2),
    "avif P3": ("avif", lambda: avif((12, 13, 6, 1)), 2),
    "avif BT.2020": ("avif", lambda: avif((9, 1, 6, 1)), 2),
    "avif linear": ("avif", lambda: avif((1, 8, 6, 1)), 2),
    "avif gamma 2.2": ("avif", lambda: avif((1, 4, 6, 1)), 2),
    "avif unspecified": ("avif", lambda: avif((2, 2, 6, 1)), 2),
    "avif matrix of BT.709": ("avif", lambda: avif((1, 13, 1, 1)), 2),
    "avif profile before codes": ("avif", lambda: encoded(_PIXELS, "AVIF", quality=95, icc_profile=profile(*P3)), 2),
    "avif half clear": ("avif", lambda: encoded(half_clear(), "AVIF", quality=95), 5),  # it stretches the alpha,
}


@pytest.mark.parametrize("name", MATRIX)
def test_what_is_stored_looks_as_in_chromium(name: str, page: Page) -> None:
    kind, make, tolerance = MATRIX[name]
    data = make()
    shown = drawn(page, data, kind)
    assert shown is not None
    for encoding in (_KEEP, ImageEncoding(format="png", resize="none")):
        stored = decode_image(data, _RULES, encoding)
        plain = np.asarray(Image.open(io.BytesIO(stored.data)).convert("RGB")).astype(np.int32)  # profiles not applied
        limit = tolerance + (3 if stored.format == "jpg" else 0)  # encoded at quality 90
        assert np.abs(plain - shown).mean() <= limit
        again = drawn(page, stored.data, {"jpg": "jpeg"}.get(stored.format, stored.format))  # and where they are
        assert again is not None
        assert np.abs(again - shown).mean() <= limit


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("make", [lambda code: png(cicp(9, code, 0, 1)), lambda code: avif((9, code, 9, 1))])
def test_high_dynamic_range_is_dropped_by_its_own_reason(make: Callable[[int], bytes], transfer: int) -> None:
    with pytest.raises(Drop) as caught:
        decode_image(make(transfer), _RULES)
    assert caught.value.reason == "hdr"
