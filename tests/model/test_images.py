import io
import random
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from model.data.documents import Medium
from model.data.images import ImageSettings, frames_of, open_image
from schemas.drops import Drop
from schemas.settings import SettingsError, load_settings
from tests.model.makers import photo

PLAIN = ImageSettings(size_px=64, p_flip=0, colour=0)


def halves(width: int, height: int, format: str = "PNG", **options: object) -> bytes:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 30, 200), (width // 2, 0, width, height))
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def frame(data: bytes, settings: ImageSettings = PLAIN, seed: int = 0) -> np.ndarray:
    return frames_of(Medium(data), random.Random(seed), settings)[0]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_the_aspect_is_kept_and_the_rest_is_the_mean(format: str) -> None:
    settings = ImageSettings(size_px=64, p_flip=0, colour=0, mean=(0.2, 0.4, 0.6))
    found = frame(halves(200, 100, format), settings)
    assert found.shape == (64, 64, 3)
    assert (found[:16] == (51, 102, 153)).all()
    assert (found[48:] == (51, 102, 153)).all()
    assert abs(found[32, 8].astype(int) - (200, 30, 30)).max() < 12
    assert abs(found[32, 56].astype(int) - (30, 30, 200)).max() < 12


@pytest.mark.parametrize("text", ["mean: [0.5, 1.2, 0.5]", "mean: [-0.1, 0, 0]", "colour: 1.5"])
def test_a_mean_and_changes_of_colour_that_no_picture_has_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="mean and colour are 0 to 1"):
        load_settings(ImageSettings, text)


def test_crop_and_stretch_leave_no_border() -> None:
    cropped = frame(halves(200, 100), ImageSettings(size_px=64, fit="crop", p_flip=0, colour=0))
    stretched = frame(halves(200, 100), ImageSettings(size_px=64, fit="stretch", p_flip=0, colour=0))
    for found in (cropped, stretched):
        assert abs(found[2, 2].astype(int) - (200, 30, 30)).max() < 3
        assert abs(found[61, 61].astype(int) - (30, 30, 200)).max() < 3


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    data = photo(3, 1200, 800)
    assert max(open_image(data, PLAIN).size) == 150  # an eighth is the least that JPEG knows
    full = Image.open(io.BytesIO(data)).resize((64, 43), Image.Resampling.LANCZOS)
    assert abs(frame(data)[10:53].astype(int) - np.asarray(full).astype(int)).mean() < 6


def test_flips_are_drawn_for_each_image() -> None:
    settings = ImageSettings(size_px=64, colour=0)
    flipped = sum(frame(halves(64, 64), settings, seed)[32, 8, 2] > 100 for seed in range(200))
    assert 70 < flipped < 130


def test_colours_change_a_little_and_by_the_seed_alone() -> None:
    settings = ImageSettings(size_px=64, p_flip=0, colour=0.2)
    plain, one, again, other = (
        frame(photo(1), s, seed) for s, seed in ((PLAIN, 0), (settings, 0), (settings, 0), (settings, 1))
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert 0 < abs(one.astype(int) - plain.astype(int)).mean() < 40


def test_transparency_lies_on_white_and_odd_modes_become_rgb() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(file, "PNG")
    assert (frame(file.getvalue()) == 255).all()
    for mode, format in (("L", "JPEG"), ("CMYK", "JPEG"), ("1", "PNG"), ("P", "GIF"), ("I;16", "PNG")):
        file = io.BytesIO()
        Image.new(mode, (80, 40)).save(file, format)
        assert frame(file.getvalue()).shape == (64, 64, 3)


def test_the_orientation_of_foreign_jpegs_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    assert abs(frame(halves(64, 64, "JPEG", exif=exif))[32, 8].astype(int) - (30, 30, 200)).max() < 12


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (photo(1)[:-400], "broken_image"),
        (b"\xff\xd8\xff" + b"x" * 50, "broken_image"),
        (photo(1, format="PNG")[:-900], "broken_image"),
        (b"<html>", "unsupported_format"),
        (b"", "unsupported_format"),
    ],
)
def test_what_does_not_decode_is_dropped(data: bytes, reason: str) -> None:
    with pytest.raises(Drop) as drop:
        frame(data)
    assert drop.value.reason == reason


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_too_many_pixels_are_told_from_the_header(format: str) -> None:
    with pytest.raises(Drop) as drop:
        frame(photo(1, format=format), ImageSettings(max_pixels=1000))
    assert drop.value.reason == "too_many_pixels"


def clip(seconds: float, fps: int = 10) -> bytes:
    """Grey frames: the brightness is 20 times the second."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(int(seconds * fps)):
            pixels = np.full((48, 64, 3), 20 * (number // fps), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("seconds", "frames"), [(0.5, 1), (3, 3), (8, 8), (12, 8)])
def test_a_clip_gives_a_frame_a_second_and_eight_at_most(seconds: float, frames: int) -> None:
    found = frames_of(Medium(clip(seconds), "clip"), random.Random(0), PLAIN)
    assert found.shape == (frames, 64, 64, 3)
    levels = found[:, 32, 32].astype(int).mean(axis=-1)
    assert all(12 < step < 28 for step in np.diff(levels))


def counting(seconds: int) -> bytes:
    """Ten frames a second, a grey of its own in each second: 8 times its number; a key frame a second."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.gop_size = 10
        for number in range(seconds * 10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 8 * (number // 10), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("span_s", "seconds"), [((0.0, 2.0), [0, 1]), ((1.0, 2.5), [1, 2]), ((7.0, 10.0), [7, 8, 9]), ((11.0, 30.0), [11])]
)
def test_of_a_long_clip_a_part_is_taken(span_s: tuple[float, float], seconds: list[int]) -> None:
    frames = frames_of(Medium(counting(12), "clip", span_s=span_s), random.Random(0), PLAIN)
    greys = [round(float(frame.mean()) / 8) for frame in frames]
    assert greys[: len(seconds)] == seconds
    assert len(greys) <= len(seconds) + 1  # the frame that the part ends with


def test_a_part_behind_the_end_of_a_clip_is_dropped() -> None:
    with pytest.raises(Drop) as drop:
        frames_of(Medium(counting(3), "clip", span_s=(8.0, 9.0)), random.Random(0), PLAIN)
    assert drop.value.reason == "broken_clip"


def test_frames_of_one_clip_are_augmented_alike() -> None:
    found = frames_of(Medium(clip(3, 10), "clip"), random.Random(1), ImageSettings(size_px=64, p_flip=1, colour=0.5))
    assert np.ptp(found[0][20:40, 10:50].astype(int), axis=(0, 1)).max() < 12


def test_a_broken_clip_is_dropped() -> None:
    for data in (b"no clip", clip(2)[:200]):
        with pytest.raises(Drop) as drop:
            frames_of(Medium(data, "clip"), random.Random(0), PLAIN)
        assert drop.value.reason == "broken_clip"
