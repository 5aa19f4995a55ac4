import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.image import resampling
from pipeline.image.pixels import _cheap_scale
from pipeline.image.resampling import resampled
from tests.pipeline.makers import blobs

FILTERS = ["box", "bicubic", "lanczos"]
needs_simd = pytest.mark.skipif(resampling.Resizer is None, reason="cykooz-resizer has no wheel for this machine")


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("size", [(341, 256), (32, 32), (16, 16), (700, 20), (1, 1)])
def test_a_filter_is_that_of_pillow_to_two_levels(filter, size):
    image = blobs(3)
    expected = np.asarray(image.resize(size, Image.Resampling[filter.upper()]), np.int16)
    pixels = resampled(np.asarray(image), *size, filter)
    assert (pixels.shape, pixels.dtype) == ((size[1], size[0], 3), np.uint8)
    assert np.abs(pixels - expected).max() <= 2


@needs_simd
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(1, 300))
def test_all_instruction_sets_give_the_same_bytes(seed, width, height, to_width, to_height):
    from cykooz_resizer import CpuExtensions, ImageData, PixelType, Resizer

    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for filter in FILTERS:
        plain = Resizer()
        plain.cpu_extensions = CpuExtensions.none
        target = ImageData(to_width, to_height, PixelType.U8x3)
        source = ImageData(width, height, PixelType.U8x3, pixels.tobytes())
        plain.resize(source, target, resampling._options(filter))
        assert resampled(pixels, to_width, to_height, filter).tobytes() == target.get_buffer()


def test_without_the_wheel_pillow_does_it(monkeypatch):
    monkeypatch.setattr(resampling, "Resizer", None)
    image = blobs(4)
    expected = np.asarray(image.resize((50, 40), Image.Resampling.BICUBIC))
    assert np.array_equal(resampled(np.asarray(image), 50, 40), expected)


def test_fine_stripes_become_grey_and_no_pattern():
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[:, ::2] = 255
    small = resampled(pixels, 90, 90)
    assert np.ptp(small[:, 3:-3].astype(int)) <= 8


@pytest.mark.parametrize(
    ("size", "target", "scale"),
    [
        ((640, 480), (341, 256), 1),
        ((682, 512), (341, 256), 2),
        ((681, 512), (341, 256), 1),
        ((4096, 3072), (341, 256), 8),
        ((40000, 30000), (341, 256), 8),
        ((2048, 1536), (341, 256), 4),
        ((100, 100), (100, 100), 1),
    ],
)
def test_a_jpeg_is_brought_down_in_the_dct_by_powers_of_two_and_never_below_its_target(size, target, scale):
    assert _cheap_scale(size, target) == scale
