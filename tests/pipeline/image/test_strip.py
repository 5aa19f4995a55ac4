import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.image.strip import strip
from tests.pipeline.colours import P3
from tests.pipeline.colours import profile as colour_profile
from tests.pipeline.makers import (
    attempt,
    clean_jpeg,
    clean_png,
    encoded,
    jpeg_segment,
    noise,
    opened,
    picture,
    png_chunk,
)

SECRET = b"TAKEN-AT-HOME"


def exif(text=SECRET):
    tags = Image.Exif()
    tags[0x010E] = text.decode()
    tags.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)  # GPS latitude
    return tags


def with_segments(jpeg, *segments):
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_chunks(png, *chunks):
    """Chunks put right after the header."""
    return png[:33] + b"".join(chunks) + png[33:]


def same_pixels(left, right):
    left, right = opened(left), opened(right)
    return left.mode == right.mode and np.array_equal(np.asarray(left), np.asarray(right))


# --- JPEG


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"optimize": True, "quality": 30}, {"subsampling": 0}, {"restart_marker_blocks": 3}],
    ids=["baseline", "progressive", "optimized", "444", "restarts"],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_loses_its_metadata_and_not_a_pixel(mode, options):
    data = encoded(noise(70, 45).convert(mode), "JPEG", exif=exif(), comment=SECRET, dpi=(72, 72), **options)
    data = with_segments(
        data,
        jpeg_segment(0xED, b"Photoshop 3.0\x00" + SECRET),
        jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + SECRET),
    )
    assert data.count(SECRET) == 4
    stripped = clean_jpeg(data)
    assert SECRET not in stripped
    assert len(stripped) < len(data)
    assert same_pixels(stripped, data)
    assert not opened(stripped).getexif()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 95),
    st.integers(0, 99),
    st.binary(max_size=60),
    st.booleans(),
)
def test_any_jpeg_keeps_its_pixels_exactly(width, height, quality, seed, body, progressive):
    data = encoded(noise(width, height, seed), "JPEG", quality=quality, progressive=progressive)
    segments = [jpeg_segment(marker, body) for marker in (0xE1, 0xE3, 0xED, 0xFE)]
    assert same_pixels(clean_jpeg(with_segments(data, *segments)), data)
    assert clean_jpeg(with_segments(data, *segments)) == clean_jpeg(data)


def test_stripping_twice_changes_nothing_more():
    once = clean_jpeg(encoded(picture(), "JPEG", exif=exif()))
    assert clean_jpeg(once) == once


@pytest.mark.parametrize("marker", [*range(0xE1, 0xE2), *range(0xE3, 0xEE), 0xEF, 0xFE])
def test_every_application_segment_but_those_of_colour_goes(marker):
    plain = encoded(picture(), "JPEG")
    assert clean_jpeg(with_segments(plain, jpeg_segment(marker, SECRET))) == clean_jpeg(plain)


def test_a_colour_profile_stays():
    profile = colour_profile(P3[1], P3[0], P3[2])
    stripped = clean_jpeg(encoded(picture(), "JPEG", icc_profile=profile, exif=exif()))
    assert opened(stripped).info["icc_profile"] == profile


def test_other_segments_under_the_marker_of_profiles_go():
    plain = encoded(picture(), "JPEG")
    assert clean_jpeg(with_segments(plain, jpeg_segment(0xE2, b"MPF\x00" + SECRET))) == clean_jpeg(plain)


def test_the_adobe_segment_stays_because_it_says_how_colours_are_stored():
    data = encoded(picture().convert("CMYK"), "JPEG")
    assert b"Adobe" in data
    assert b"Adobe" in clean_jpeg(data)
    assert same_pixels(clean_jpeg(data), data)


def test_fill_bytes_between_segments_are_passed_over():
    plain = encoded(picture(), "JPEG")
    filled = with_segments(plain, b"\xff\xff\xff" + jpeg_segment(0xE1, SECRET))
    assert SECRET not in clean_jpeg(filled)
    assert same_pixels(clean_jpeg(filled), plain)


@pytest.mark.parametrize("tail", [SECRET, b"\x00" * 100, SECRET + b"\xff"])
def test_what_follows_the_image_goes(tail):
    plain = encoded(picture(), "JPEG")
    assert clean_jpeg(plain + tail) == clean_jpeg(plain)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_second_image_appended_to_the_first_goes_with_its_metadata(progressive):
    plain = encoded(picture(), "JPEG", progressive=progressive)
    stripped = clean_jpeg(plain + encoded(picture(64, 64), "JPEG", exif=exif()))
    assert SECRET not in stripped
    assert stripped == clean_jpeg(plain)


def test_metadata_between_the_scans_of_a_jpeg_goes():
    plain = encoded(picture(), "JPEG", progressive=True)
    second_scan = plain.index(b"\xff\xda", plain.index(b"\xff\xda") + 2)
    at = plain.rindex(b"\xff\xc4", 0, second_scan) if b"\xff\xc4" in plain[:second_scan] else second_scan
    dirty = plain[:at] + jpeg_segment(0xFE, SECRET) + plain[at:]
    assert np.array_equal(np.asarray(opened(dirty)), np.asarray(opened(plain)))
    assert SECRET not in clean_jpeg(dirty)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_jpeg_do_not_raise(data):
    for start in (b"", b"\xff\xd8", b"\xff\xd8\xff"):
        attempt(strip, start + data)


# --- PNG


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_loses_its_metadata_and_not_a_pixel(mode):
    if mode == "I;16":
        image = Image.fromarray(np.arange(70 * 45, dtype=np.uint16).reshape(45, 70) * 20)
    else:
        image = noise(70, 45).convert("RGBA" if mode in ("LA", "RGBA") else "RGB").convert(mode)
    info = PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_text("Zipped", SECRET.decode(), zip=True)
    info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    data = encoded(image, "PNG", pnginfo=info, exif=exif(), dpi=(72, 72))
    data = with_chunks(data, png_chunk(b"tIME", b"\x07\xe8\x01\x02\x03\x04\x05"), png_chunk(b"prVt", SECRET))
    stripped = clean_png(data)
    for kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"prVt", b"pHYs", SECRET):
        assert kind not in stripped
    assert same_pixels(stripped, data)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 99),
    st.sampled_from(["L", "RGB", "RGBA", "P"]),
    st.binary(max_size=60),
)
def test_any_png_keeps_its_pixels_exactly(width, height, seed, mode, body):
    data = encoded(noise(width, height, seed).convert(mode), "PNG")
    assert clean_png(with_chunks(data, png_chunk(b"tEXt", body), png_chunk(b"abCd", body))) == data
    assert same_pixels(clean_png(data), data)


def test_transparency_palette_and_colour_chunks_of_a_png_stay():
    image = picture().quantize(16)
    data = encoded(image, "PNG", transparency=3, icc_profile=colour_profile(*P3))
    data = with_chunks(data, png_chunk(b"gAMA", (45455).to_bytes(4, "big")))
    assert clean_png(data) == data
    for kind in (b"PLTE", b"tRNS", b"iCCP", b"gAMA"):
        assert kind in clean_png(data)


def test_an_animated_png_keeps_its_first_frame_alone():
    frames = [picture(), noise(200, 150)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    stripped = clean_png(data)
    assert b"acTL" in data
    assert b"acTL" not in stripped
    assert b"fdAT" not in stripped
    assert getattr(opened(stripped), "n_frames", 1) == 1
    assert np.array_equal(np.asarray(opened(stripped)), np.asarray(frames[0]))


def test_what_follows_the_end_of_a_png_goes():
    plain = encoded(picture(), "PNG")
    assert clean_png(plain + SECRET) == plain
    assert clean_png(plain + plain) == plain


@given(st.binary(max_size=200))
def test_bytes_that_are_no_png_do_not_raise(data):
    attempt(strip, b"\x89PNG\r\n\x1a\n" + data)
    attempt(strip, b"RIFF" + data[:4] + b"WEBP" + data)


def test_a_stripped_file_is_still_of_its_format():
    assert Image.open(io.BytesIO(clean_jpeg(encoded(picture(), "JPEG")))).format == "JPEG"
    assert Image.open(io.BytesIO(clean_png(encoded(picture(), "PNG")))).format == "PNG"
