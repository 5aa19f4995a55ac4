import hashlib
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.image.codec import ImageEncoding, decode, decode_image
from pipeline.image.hash import hamming, perceptual_hash
from pipeline.image.rules import ImageRules
from schemas.drops import Drop
from tests.pipeline.colours import BLUE, GREEN, RED, profile
from tests.pipeline.makers import (
    attempt,
    blobs,
    clean_jpeg,
    clean_png,
    dropped,
    encoded,
    far_apart,
    noise,
    opened,
    picture,
    pixels,
    png_chunk,
)

SECRET = b"TAKEN-AT-HOME"


def refused(data, **rules):
    with pytest.raises(Drop) as caught:
        decode_image(data, ImageRules(**rules))
    return dropped(caught)


def exif(orientation=1):
    tags = Image.Exif()
    tags[0x010E] = SECRET.decode()
    tags[0x0112] = orientation
    tags.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)  # GPS latitude
    return tags


# --- formats


@pytest.mark.parametrize(
    ("format", "stored_as"),
    [
        ("JPEG", "jpg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "jpg"),
        ("BMP", "jpg"),
        ("TIFF", "jpg"),
        ("AVIF", "jpg"),
    ],
)
def test_each_format_is_read_and_stored(format, stored_as):
    image = blobs(3, 200, 150)
    data = encoded(image, format)
    stored = decode_image(data)
    assert (stored.format, stored.original_format) == (stored_as, format.lower())
    assert (stored.width, stored.height) == (stored.original_width, stored.original_height) == (200, 150)
    assert opened(stored.data).format == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[stored_as]
    assert opened(stored.data).size == (200, 150)
    assert far_apart(stored.data, image) < 12
    assert stored.original_sha256 == hashlib.sha256(data).hexdigest()
    assert stored.sha256 == hashlib.sha256(stored.data).hexdigest()
    assert hamming(stored.phash, perceptual_hash(image)) <= 4


def test_the_first_frame_of_an_animated_gif_is_taken():
    data = encoded(picture(), "GIF", save_all=True, append_images=[noise(200, 150)], duration=100)
    stored = decode_image(data)
    assert (stored.format, stored.original_format) == ("jpg", "gif")
    assert far_apart(stored.data, picture()) < 8


def test_the_first_frame_of_an_animated_webp_is_taken():
    data = encoded(picture(), "WEBP", save_all=True, append_images=[noise(200, 150)], duration=100)
    assert opened(data).n_frames == 2
    stored = decode_image(data)
    assert stored.format == "webp"
    assert getattr(opened(stored.data), "n_frames", 1) == 1
    assert far_apart(stored.data, picture()) < 8


def test_the_first_frame_of_an_animated_png_is_taken():
    data = encoded(picture(), "PNG", save_all=True, append_images=[noise(200, 150)])
    stored = decode_image(data)
    assert getattr(opened(stored.data), "n_frames", 1) == 1
    assert far_apart(stored.data, picture()) == 0


def test_a_multi_picture_jpeg_is_stored_as_its_first_picture():
    data = encoded(picture(), "MPO", save_all=True, append_images=[noise(200, 150)], exif=exif())
    stored = decode_image(data)
    assert stored.format == "jpg"
    assert opened(stored.data).format == "JPEG"
    assert SECRET not in stored.data
    assert far_apart(stored.data, picture()) < 4


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_other_colours_is_read(mode):
    stored = decode_image(encoded(picture().convert(mode), "JPEG", quality=95))
    assert stored.format == "jpg"
    assert far_apart(stored.data, picture().convert(mode).convert("RGB")) < 4


def test_a_cmyk_jpeg_is_stored_in_rgb():
    assert opened(decode_image(encoded(picture().convert("CMYK"), "JPEG")).data).mode == "RGB"


@pytest.mark.parametrize("values", [np.float32, np.int32])
def test_a_tiff_of_measurements_has_no_white_and_is_no_picture(values) -> None:
    """Elevations, say: heights of 0 to 1 became a black picture, those of 32 bits a white one."""
    with pytest.raises(Drop) as caught:
        decode_image(encoded(Image.fromarray(np.eye(64).astype(values)), "TIFF"))
    assert dropped(caught)[0] == "unsupported_format"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("format", ["keep", "jpg"])
def test_a_png_of_any_mode_is_read(mode, format):
    image = picture()
    if mode == "I;16":
        given = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        given = image.quantize(256) if mode == "P" else image.convert(mode)
    stored = decode_image(encoded(given, "PNG"), encoding=ImageEncoding(format=format, quality=95))
    expected = image.convert("L") if mode == "I;16" else given
    assert far_apart(stored.data, expected.convert("RGB")) < (12 if mode == "1" else 4)


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped():
    grey = np.linspace(0, 65535, 200 * 150).reshape(150, 200).astype(np.uint16)
    stored = decode_image(encoded(Image.fromarray(grey), "PNG"))
    assert np.abs(pixels(stored.data)[:, :, 0] - grey / 257).max() <= 1


def test_a_transparent_palette_is_laid_on_white():
    image = Image.new("P", (100, 100), 0)
    image.putpalette([255, 0, 0, 0, 0, 255, 0, 255, 0])
    image.paste(1, (0, 0, 100, 50))
    for format in ("PNG", "GIF"):
        data = encoded(image, format, transparency=0)
        stored = decode_image(data, encoding=ImageEncoding(format="jpg", quality=95))
        assert pixels(stored.data)[80, 50].min() > 245
        assert np.abs(pixels(stored.data)[20, 50] - [0, 0, 255]).max() < 10


def test_half_transparent_pixels_are_mixed_with_white():
    image = picture().convert("RGBA")
    image.putalpha(128)
    stored = decode_image(encoded(image, "PNG"), encoding=ImageEncoding(format="webp", quality=100))
    assert far_apart(stored.data, Image.blend(Image.new("RGB", image.size, "white"), picture(), 128 / 255)) < 4


def test_the_hash_of_a_transparent_image_is_that_of_the_image_on_white():
    image = picture().convert("RGBA")
    image.putalpha(Image.fromarray(np.linspace(0, 255, 200 * 150).reshape(150, 200).astype(np.uint8)))
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    assert decode_image(encoded(image, "PNG")).phash == perceptual_hash(on_white)


# --- orientation


STORED_FROM_UPRIGHT = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("size_px", [512, 60])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED_FROM_UPRIGHT)
def test_an_image_stands_upright_whatever_its_orientation(orientation, format, size_px):
    upright, turn = picture(200, 120), STORED_FROM_UPRIGHT[orientation]
    lying = upright if turn is None else upright.transpose(turn)
    quality = {} if format in ("PNG", "TIFF") else {"quality": 95}
    stored = decode_image(
        encoded(lying, format, exif=exif(orientation), **quality), encoding=ImageEncoding(size_px=size_px, quality=95)
    )
    size = (200, 120) if size_px == 512 else (100, 60)
    assert (stored.width, stored.height) == opened(stored.data).size == size
    assert (stored.original_width, stored.original_height) == (200, 120)
    assert far_apart(stored.data, upright.resize(size, Image.Resampling.LANCZOS)) < 5
    assert opened(stored.data).getexif().get(0x0112, 1) == 1


def test_rules_judge_the_upright_size():
    data = encoded(picture(100, 290), "JPEG", exif=exif(6))
    stored = decode_image(data)
    assert (stored.original_width, stored.original_height) == (290, 100)
    assert refused(encoded(picture(100, 310), "JPEG", exif=exif(6))) == ("bad_aspect_ratio", "310x100")


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_means_nothing_is_ignored(orientation):
    assert decode_image(encoded(picture(), "JPEG", exif=exif(orientation))).width == 200


def test_damaged_exif_is_ignored():
    data = encoded(picture(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert decode_image(data).data == clean_jpeg(data)


# --- metadata


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
@pytest.mark.parametrize("stored_as", ["keep", "jpg", "png", "webp"])
@pytest.mark.parametrize("size_px", [512, 100])
def test_no_exif_reaches_the_stored_bytes(format, stored_as, size_px):
    data = encoded(picture(), format, exif=exif())
    assert SECRET in data
    stored = decode_image(data, encoding=ImageEncoding(format=stored_as, size_px=size_px))
    assert SECRET not in stored.data
    assert not opened(stored.data).getexif()


@pytest.mark.parametrize("stored_as", ["keep", "jpg", "png", "webp"])
@pytest.mark.parametrize("size_px", [512, 100])
@pytest.mark.parametrize("kind", ["gif", "cmyk", "png", "webp", "jpeg", "mpo"])
def test_no_comment_or_xmp_reaches_the_stored_bytes(kind, stored_as, size_px):
    info = PngInfo()
    info.add_text("comment", SECRET.decode())
    info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    data = {
        "gif": lambda: encoded(picture(), "GIF", comment=SECRET),
        "cmyk": lambda: encoded(picture().convert("CMYK"), "JPEG", comment=SECRET, xmp=SECRET),
        "png": lambda: encoded(picture(), "PNG", pnginfo=info),
        "webp": lambda: encoded(picture(), "WEBP", xmp=SECRET),
        "jpeg": lambda: encoded(picture(), "JPEG", comment=SECRET, xmp=SECRET),
        "mpo": lambda: encoded(picture(), "MPO", save_all=True, append_images=[picture()], comment=SECRET),
    }[kind]()
    assert SECRET in data
    stored = decode_image(data, encoding=ImageEncoding(format=stored_as, size_px=size_px))
    assert SECRET not in stored.data


def test_what_is_appended_to_a_jpeg_does_not_reach_the_stored_bytes():
    hidden = encoded(picture(64, 64), "JPEG", exif=exif())
    assert SECRET not in decode_image(encoded(picture(), "JPEG") + hidden).data


# --- bytes kept


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_bytes_are_kept_where_nothing_is_to_do(format):
    data = encoded(picture(), format)
    stored = decode_image(data)
    assert stored.data == data
    assert stored.sha256 == stored.original_sha256


def test_kept_bytes_lose_their_metadata_without_losing_a_pixel():
    jpeg = encoded(picture(), "JPEG", exif=exif())
    assert decode_image(jpeg).data == clean_jpeg(jpeg)
    assert far_apart(decode_image(jpeg).data, jpeg) == 0
    png = encoded(picture(), "PNG", exif=exif())
    assert decode_image(png).data == clean_png(png)
    assert far_apart(decode_image(png).data, png) == 0


def test_large_files_are_encoded_again():
    data = encoded(noise(500, 500), "JPEG", quality=100)
    assert decode_image(data, encoding=ImageEncoding(keep_below_bytes=len(data))).data == data
    again = decode_image(data, encoding=ImageEncoding(keep_below_bytes=len(data) - 1))
    assert again.data != data
    assert len(again.data) < len(data)


def test_a_resized_image_is_encoded_again():
    data = encoded(picture(), "JPEG")
    stored = decode_image(data, encoding=ImageEncoding(size_px=100))
    assert stored.original_sha256 == hashlib.sha256(data).hexdigest() != stored.sha256


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
@pytest.mark.parametrize("original", ["JPEG", "PNG", "WEBP", "GIF"])
def test_every_image_can_be_stored_in_one_format(original, format):
    data = encoded(picture(), original)
    stored = decode_image(data, encoding=ImageEncoding(format=format))
    assert stored.format == format
    assert opened(stored.data).format == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[format]
    same = (original, format) in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"))
    assert (stored.data == data) == same


def test_the_quality_is_a_setting():
    data = encoded(noise(200, 200), "BMP")
    for format in ("jpg", "webp"):
        low, high = (decode_image(data, encoding=ImageEncoding(format=format, quality=q)).data for q in (20, 95))
        assert len(low) < len(high) / 2


def test_a_webp_that_would_be_longer_than_webp_allows_is_dropped():
    data = encoded(picture(100, 16_384), "PNG")
    with pytest.raises(Drop) as caught:
        decode_image(data, ImageRules(max_aspect_ratio=999, min_color_range=0), ImageEncoding("none", format="webp"))
    assert dropped(caught) == ("too_big", "100x16384, WebP holds sides up to 16383")


def test_the_same_image_gives_the_same_bytes():
    for format in ("jpg", "png", "webp"):
        encoding = ImageEncoding(format=format, size_px=100)
        assert decode_image(encoded(picture(), "BMP"), encoding=encoding) == decode_image(
            encoded(picture(), "BMP"), encoding=encoding
        )


# --- size


@pytest.mark.parametrize(
    ("resize", "size_px", "size", "expected"),
    [
        ("shortest", 100, (400, 200), (200, 100)),
        ("shortest", 100, (200, 400), (100, 200)),
        ("longest", 100, (400, 200), (100, 50)),
        ("longest", 100, (200, 400), (50, 100)),
        ("none", 100, (400, 200), (400, 200)),
        ("shortest", 200, (400, 200), (400, 200)),
        ("longest", 400, (400, 200), (400, 200)),
        ("shortest", 512, (400, 200), (400, 200)),
        ("longest", 512, (400, 200), (400, 200)),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_one_side_is_brought_down_to_its_size(resize, size_px, size, expected, format):
    stored = decode_image(encoded(picture(*size), format), encoding=ImageEncoding(resize=resize, size_px=size_px))
    assert (stored.width, stored.height) == opened(stored.data).size == expected
    assert (stored.original_width, stored.original_height) == size
    assert far_apart(stored.data, picture(*size).resize(expected, Image.Resampling.LANCZOS)) < 4


@settings(max_examples=60, deadline=None)
@given(
    st.integers(64, 400),
    st.integers(64, 400),
    st.integers(1, 500),
    st.sampled_from(["shortest", "longest"]),
    st.sampled_from(["JPEG", "PNG"]),
)
def test_resizing_never_enlarges_and_keeps_the_shape_to_a_pixel(width, height, size_px, resize, format):
    stored = decode_image(
        encoded(picture(width, height), format),
        ImageRules(max_aspect_ratio=10, min_color_range=0),
        ImageEncoding(resize=resize, size_px=size_px),
    )
    assert stored.width <= width
    assert stored.height <= height
    assert opened(stored.data).size == (stored.width, stored.height)
    side = (min if resize == "shortest" else max)(stored.width, stored.height)
    assert side == min(size_px, (min if resize == "shortest" else max)(width, height))
    assert abs(stored.width - stored.height * width / height) <= max(1, width / height)
    assert abs(stored.height - stored.width * height / width) <= max(1, height / width)


# --- refused


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><html><body>Not found</body></html>",
        b'<rss version="2.0"></rss>',
        b"%PDF-1.7",
        b"\x00" * 100,
        b"GIF",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
)
def test_what_is_no_image_is_refused_with_its_first_bytes(data):
    assert refused(data) == ("unsupported_format", repr(data[:8]))


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "PCX", "SGI", "JPEG2000", "PDF"])
def test_image_formats_that_are_not_of_the_web_are_refused(format):
    assert refused(encoded(picture(), format))[0] == "unsupported_format"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
def test_a_file_cut_short_is_broken(format, share):
    data = encoded(noise(120, 90), format)
    assert refused(data[: int(len(data) * share)])[0] == "broken_image"


@pytest.mark.parametrize("size_px", [512, 64])
def test_a_jpeg_cut_short_is_broken_also_when_it_is_decoded_small(size_px):
    data = encoded(picture(600, 600), "JPEG")
    with pytest.raises(Drop) as caught:
        decode_image(data[: len(data) * 2 // 3], encoding=ImageEncoding(size_px=size_px))
    assert caught.value.reason == "broken_image"


def test_a_png_without_its_end_is_not_stored_without_its_end():
    data = encoded(picture(), "PNG")
    result = attempt(decode_image, data[:-12])
    if isinstance(result, Drop):
        assert result.reason == "broken_image"
    else:
        assert result.data.endswith(data[-12:])


def test_a_png_of_damaged_pixels_is_broken():
    data = bytearray(encoded(noise(120, 90), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert refused(bytes(data))[0] == "broken_image"


def png_of(width, height, depth, color, raw):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in chunks)


def test_too_many_pixels_are_refused_by_the_header():
    assert refused(encoded(picture(), "PNG"), max_pixels=200 * 150 - 1) == ("too_many_pixels", "200x150")
    assert refused(png_of(8001, 8000, 8, 2, b"")) == ("too_many_pixels", "8001x8000")


def test_more_pixels_than_pillow_takes_are_for_the_settings_to_judge(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # is as it was behind this
    data = png_of(14_000, 14_000, 8, 2, b"")
    assert refused(data)[0] == "too_many_pixels"
    assert refused(data, max_pixels=1 << 28, max_side_px=9000) == ("too_big", "14000x14000")


MEASURE = """
import resource, sys
from pipeline.image.codec import decode_image
from schemas.drops import Drop
data = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_image(data)
except Drop as drop:
    print(drop.reason)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_bomb_of_20000_by_20000_pixels_is_refused_without_decoding_it(tmp_path):
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_of(20_000, 20_000, 1, 0, bytes(20_000 * 2501)))
    assert bomb.stat().st_size < 300_000
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(bomb)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=True,
    )
    reason, kibibytes = run.stdout.split()
    assert reason == "too_many_pixels"
    assert int(kibibytes) < 40 * 1024  # decoded, it takes 400 MB


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_bomb_in_the_metadata_of_a_png_is_an_image_or_a_drop(kind):
    packed = zlib.compress(bytes(80 << 20))
    plain = encoded(picture(), "PNG")
    data = plain[:33] + png_chunk(kind, b"name\x00\x00" + packed) + plain[33:]
    result = attempt(decode_image, data)
    if isinstance(result, Drop):
        assert result.reason == "broken_image"
    else:
        assert result.data == plain


def test_a_file_over_the_byte_cap_is_too_large_before_anything_is_read():
    data = encoded(picture(), "PNG")
    assert refused(data, max_bytes=len(data) - 1) == ("too_large", f"{len(data)} bytes, cap {len(data) - 1}")
    assert decode_image(data, ImageRules(max_bytes=len(data))).data == data


@pytest.mark.parametrize(
    ("size", "reason"), [((63, 100), "too_small"), ((100, 301), "bad_aspect_ratio"), ((301, 100), "bad_aspect_ratio")]
)
def test_an_image_is_dropped_for_its_size(size, reason):
    assert refused(encoded(picture(*size), "PNG")) == (reason, f"{size[0]}x{size[1]}")


def test_an_image_is_dropped_for_its_longest_side():
    assert refused(encoded(picture(200, 150), "PNG"), max_side_px=199) == ("too_big", "200x150")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_an_image_of_one_colour_is_dropped(format):
    reason, detail = refused(encoded(Image.new("RGB", (100, 100), (40, 90, 200)), format))
    assert reason == "single_color"
    assert int(detail.removeprefix("range ").removesuffix(" < 12")) < 5  # lossy formats round


def test_an_image_that_is_wholly_transparent_is_of_one_colour():
    image = picture().convert("RGBA")
    image.putalpha(0)
    assert refused(encoded(image, "PNG"))[0] == "single_color"


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
def test_damage_anywhere_gives_an_image_or_a_drop(format, changes, kept):
    data = bytearray(DAMAGED[format])
    for place, value in changes:
        data[int(place * len(data))] = value
    result = attempt(decode_image, bytes(data[: int(len(data) * max(kept, 0.2))]))
    if isinstance(result, Drop):
        told_by_header = {"unsupported_format", "too_many_pixels", "too_small", "too_big", "bad_aspect_ratio"}
        assert result.reason in {"broken_image", "single_color"} | told_by_header
    else:
        assert opened(result.data).size == (result.width, result.height)


DAMAGED = {format: encoded(picture(80, 70), format) for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")}


# --- colour profiles


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("stored_as", ["jpg", "png", "webp"])
def test_the_colours_of_a_profile_become_srgb(format, stored_as):
    options = {} if format in ("PNG", "TIFF") else {"quality": 95}
    data = encoded(picture(), format, icc_profile=profile(GREEN, RED, BLUE), **options)
    stored = decode_image(data, encoding=ImageEncoding(format=stored_as, size_px=100, quality=95))
    swapped = Image.merge("RGB", [picture().getchannel(at) for at in (1, 0, 2)]).resize((133, 100))
    assert far_apart(stored.data, swapped) < 8
    assert far_apart(stored.data, picture().resize((133, 100))) > 30
    kept = opened(stored.data).info.get("icc_profile", b"")
    assert b"swapped" not in kept


def test_bytes_with_the_profile_of_srgb_are_kept_by_what_it_does_and_not_by_its_name():
    alike = encoded(picture(), "PNG", icc_profile=profile(RED, GREEN, BLUE))
    assert decode_image(alike).data == alike
    called_so = encoded(picture(), "PNG", icc_profile=profile(GREEN, RED, BLUE, b"sRGB"))
    assert far_apart(decode_image(called_so).data, picture()) > 30


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_what_a_profile_makes_other_is_stored_in_srgb_without_it(format):
    image = blobs(3)
    data = encoded(image, format, icc_profile=profile(GREEN, RED, BLUE))
    stored = decode_image(data)
    assert "icc_profile" not in opened(stored.data).info
    swapped = Image.merge("RGB", [image.getchannel(at) for at in (1, 0, 2)])
    assert far_apart(stored.data, swapped) < 8
    assert hamming(perceptual_hash(swapped), perceptual_hash(image)) > 4
    assert hamming(stored.phash, perceptual_hash(swapped)) <= 4


@pytest.mark.parametrize("broken", [b"not a profile", b"\x00" * 200, profile(RED, GREEN, BLUE)[:150]])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_profile_that_cannot_be_read_is_ignored(broken, format):
    stored = decode_image(encoded(picture(), format, icc_profile=broken), encoding=ImageEncoding(size_px=100))
    assert far_apart(stored.data, picture().resize((133, 100))) < 4


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
@pytest.mark.parametrize("stored_as", ["jpg", "png", "webp"])
def test_a_profile_that_was_not_applied_is_not_stored_beside_rgb_pixels(format, stored_as):
    """A grey or broken profile would be read against pixels it was not made for."""
    data = encoded(picture(), format, icc_profile=b"not a profile" * 9)
    stored = decode_image(data, encoding=ImageEncoding(format=stored_as, size_px=100))
    assert b"not a profile" not in stored.data


def test_a_stored_image_prints_its_size_and_not_its_bytes():
    assert repr(decode_image(encoded(picture(), "PNG"))).startswith("StoredImage(200x150 png, ")


def test_the_file_need_not_end_where_the_image_ends():
    assert decode_image(encoded(picture(), "JPEG") + b"\r\n<!-- served by x -->").width == 200


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_transparency_lies_on_white_even_where_nothing_else_is_to_do(format):
    image = picture(120, 90).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 40, 90))
    stored = opened(decode_image(encoded(image, format, lossless=True)).data)
    assert stored.mode == "RGB"
    assert min(stored.getpixel((10, 45))) > 250


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("size_px", [512, 100])
def test_pixels_that_steps_are_given_can_never_be_written_to(kind: str, size_px: int) -> None:
    image = decode(encoded(picture(300, 200), kind), encoding=ImageEncoding(size_px=size_px))
    own = np.zeros((100, 120, 3), np.uint8)
    for given_to_steps in (image, image.with_pixels(own), image.with_pixels(image.image.rotate(90))):
        with pytest.raises(ValueError, match="read-only"):
            given_to_steps.pixels[:] = 0
    own[:] = 1  # a step's own array stays its own
    image.image.putpixel((0, 0), (1, 2, 3))  # Pillow makes a copy
