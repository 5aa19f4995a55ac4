"""Whatever is wrong with a file: what is stored of it opens everywhere, and shows what was judged."""

import hashlib
import io

import msgspec
import numpy as np
import pytest
from PIL import Image

from jobs.dataset.check import _image_problem
from model.data.images import ImageSettings
from model.data.images import open_image as open_for_training
from pipeline.image.codec import ImageEncoding, decode, store
from pipeline.image.rules import ImageRules
from pipeline.image.strip import strip
from schemas.drops import Drop
from tests.pipeline.colours import P3, profile
from tests.pipeline.makers import attempt, encoded, jpeg_segment, picture, png_chunk
from tests.pipeline.mutants import mutants

_RULES = ImageRules(min_side_px=1, max_aspect_ratio=99, min_color_range=0, max_pixels=1_000_000)
_IMAGE = picture(70, 50)

BASES = {
    "jpeg": encoded(_IMAGE, "JPEG"),
    "jpeg progressive": encoded(_IMAGE, "JPEG", progressive=True, exif=b"Exif\x00\x00MM\x00*" + bytes(20)),
    "jpeg grey, restarts": encoded(_IMAGE.convert("L"), "JPEG", restart_marker_blocks=3),
    "jpeg with profile": encoded(_IMAGE, "JPEG", icc_profile=profile(*P3), comment=b"a comment"),
    "jpeg CMYK": encoded(_IMAGE.convert("CMYK"), "JPEG"),
    "png": encoded(_IMAGE, "PNG"),
    "png palette": encoded(_IMAGE.quantize(64), "PNG", transparency=3),
    "png with profile": encoded(_IMAGE.convert("RGBA"), "PNG", icc_profile=profile(*P3)),
    "webp": encoded(_IMAGE, "WEBP"),
    "webp with metadata": encoded(_IMAGE, "WEBP", exif=b"MM\x00*" + bytes(20), xmp=b"<x/>", icc_profile=profile(*P3)),
    "webp lossless": encoded(_IMAGE.convert("RGBA"), "WEBP", lossless=True),
    "gif": encoded(_IMAGE, "GIF"),
    "avif": encoded(_IMAGE, "AVIF"),
}


def check_stored(data: bytes) -> bool:
    """Whether anything is stored of it; fails where that is not what was judged."""
    image = attempt(decode, data, _RULES)
    if isinstance(image, Drop):
        return False
    if image.kept is None:  # encoded anew: without loss, so that there is something to compare
        image = msgspec.structs.replace(image, stored_as="png")
    stored = store(image, ImageEncoding())
    assert _image_problem(stored.data, hashlib.sha256(stored.data).hexdigest(), (stored.width, stored.height)) == ""
    large = ImageSettings(size_px=max(stored.width, stored.height))
    shown = Image.open(io.BytesIO(stored.data)).convert("RGB")
    assert np.abs(np.asarray(shown).astype(int) - image.pixels).mean() < 0.5
    assert open_for_training(stored.data, large).size == shown.size  # its fast DCT is off where coefficients are absurd
    assert strip(stored.data).data == stored.data
    return True


@pytest.mark.parametrize("base", BASES)
def test_what_is_stored_of_a_damaged_file_is_what_was_judged(base: str) -> None:
    kept = sum(map(check_stored, mutants(BASES[base], 150)))
    assert kept > 5


@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xfe\x00\x00",
        b"\xff\xfe\x00\x01",
        b"\xff\xe1\x00\x00",
        b"\xff\xed\x00\x01",
        b"\xff\xd3",
        b"\xff\x01",
        b"junk",
        b"\x00\xff\x00",
        b"\xff\xff\xff",
        b"\xff\xfe\x00\x00" * 5,
        jpeg_segment(0xE2, b"ICC_PROFILE\x00\x02\x03cut"),
        jpeg_segment(0xE2, b"ICC_PROFILE\x00"),
        jpeg_segment(0xE0, b"JFIF\x00\x07\x07\x00\x00\x01\x00\x01\x00\x00"),
        jpeg_segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x09"),
    ],
)
@pytest.mark.parametrize("before", [b"\xff\xdb", b"\xff\xc0", b"\xff\xda"])
def test_junk_between_the_segments_of_a_jpeg_costs_nothing(segment: bytes, before: bytes) -> None:
    plain = BASES["jpeg"]
    at = plain.index(before)
    data = plain[:at] + segment + plain[at:]
    assert check_stored(data)
    assert np.array_equal(decode(data, _RULES).pixels, decode(plain, _RULES).pixels)


def test_a_progressive_jpeg_without_its_end_is_whole_where_no_scan_is_missing() -> None:
    plain = BASES["jpeg progressive"]
    assert check_stored(plain[:-2])
    assert np.array_equal(decode(plain[:-2], _RULES).pixels, decode(plain, _RULES).pixels)
    places = [at for at in range(len(plain) - 1) if plain[at : at + 2] in (b"\xff\xda", b"\xff\xc4")]
    for at in (*places[1:], len(plain) - 9):
        assert attempt(decode, plain[:at], _RULES).reason == "broken_image"


def test_a_png_without_its_end_is_whole_where_no_pixel_is_missing() -> None:
    plain = BASES["png"]
    assert decode(plain[:-12], _RULES).kept == decode(plain[:-5], _RULES).kept == plain
    for short in (13, 20, 60, 400):
        assert attempt(decode, plain[:-short], _RULES).reason == "broken_image"


def test_what_decoders_only_complain_of_is_put_right() -> None:
    plain = BASES["jpeg"]
    scan = plain.index(b"\xff\xda")
    spectrum = scan + 5 + 2 * plain[scan + 4]
    odd = {
        "spectral selection of a sequential scan": plain[:spectrum] + b"\x00\x00\x00" + plain[spectrum + 3 :],
        "no end": plain[:-2],
        "padding before the end": plain[:-2] + bytes(40) + plain[-2:],
    }
    for name, data in odd.items():
        assert check_stored(data), name
        assert np.array_equal(decode(data, _RULES).pixels, decode(plain, _RULES).pixels), name


@pytest.mark.parametrize("factors", [0x31, 0x13, 0x42, 0x24])
def test_sampling_that_turbojpeg_does_not_know_is_read_and_stored_anew(factors: int) -> None:
    data = sampled(factors)
    assert check_stored(data)
    cut = data[: len(data) * 2 // 3]
    assert attempt(decode, cut, _RULES).reason == "broken_image"
    assert attempt(decode, cut + b"\xff\xd9", _RULES).reason == "broken_image"


def sampled(factors: int) -> bytes:
    """96 x 96 pixels of one grey in three components, the first sampled so: as many blocks as that asks for."""
    across, down = factors >> 4, factors & 15
    blocks = (across * down + 2) * -(-12 // across) * -(-12 // down)
    grey = encoded(Image.new("L", (8, 8 * blocks), 90), "JPEG")
    frame, scan = grey.index(b"\xff\xc0"), grey.index(b"\xff\xda")
    tables = grey[frame + 2 + int.from_bytes(grey[frame + 2 : frame + 4], "big") : scan]
    shape = b"\x08\x00\x60\x00\x60\x03\x01" + bytes((factors,)) + b"\x00\x02\x11\x00\x03\x11\x00"
    head = jpeg_segment(0xDA, b"\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00")
    return grey[:frame] + jpeg_segment(0xC0, shape) + tables + head + grey[scan + 10 :]


def test_a_file_of_a_single_byte_more_or_less_is_never_stored_otherwise_than_judged() -> None:
    plain = BASES["png"]
    for at in range(8, 60):
        check_stored(plain[:at] + plain[at + 1 :])
        check_stored(plain[:at] + b"\x00" + plain[at:])
        check_stored(plain[:at] + png_chunk(b"tEXt", b"x\x00y") + plain[at:])
