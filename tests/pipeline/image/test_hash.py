import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pipeline.image.hash import hamming, perceptual_hash
from tests.pipeline.makers import blobs, encoded, opened

SEEDS = range(12)


def naive_hash(image):
    """The DCT-II written out as its double sum, one coefficient at a time; bits in rows, the first the highest."""
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)).astype(float)
    low = []
    for v in range(8):
        for u in range(8):
            total = 0.0
            for y in range(32):
                down = math.cos(math.pi * v * (2 * y + 1) / 64)
                for x in range(32):
                    total += grey[y, x] * down * math.cos(math.pi * u * (2 * x + 1) / 64)
            low.append(total)
    middle = sorted(low)
    median = (middle[31] + middle[32]) / 2
    return f"{int(''.join('1' if value > median else '0' for value in low), 2):016x}"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bits_are_the_signs_of_the_low_frequencies_against_their_median(seed):
    assert perceptual_hash(blobs(seed)) == naive_hash(blobs(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hash_is_16_hex_digits_with_half_of_its_bits_set(seed):
    phash = perceptual_hash(blobs(seed))
    assert len(phash) == 16
    assert int(phash, 16).bit_count() == 32
    assert phash == perceptual_hash(blobs(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_look_alikes_differ_in_few_bits(seed):
    image = blobs(seed)
    phash = perceptual_hash(image)
    for other in (
        opened(encoded(image, "JPEG", quality=40)),
        opened(encoded(image, "WEBP", quality=40)),
        image.resize((160, 120), Image.Resampling.LANCZOS),
        image.resize((1000, 750), Image.Resampling.BICUBIC),
        image.resize((320, 200)),
        ImageEnhance.Brightness(image).enhance(0.8),
        image.convert("L"),
    ):
        assert hamming(phash, perceptual_hash(other)) <= 8


def test_different_pictures_differ_in_many_bits():
    hashes = [perceptual_hash(blobs(seed)) for seed in SEEDS]
    distances = [hamming(left, right) for at, left in enumerate(hashes) for right in hashes[:at]]
    assert min(distances) >= 16
    assert 28 <= sum(distances) / len(distances) <= 36


def test_turning_a_picture_changes_its_hash():
    image = blobs(5)
    for turned in (image.transpose(Image.Transpose.ROTATE_90), image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
        assert hamming(perceptual_hash(image), perceptual_hash(turned)) >= 16


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        ("0" * 16, "0" * 16, 0),
        ("0" * 16, "f" * 16, 64),
        ("8000000000000001", "0" * 16, 2),
        ("00000000000000ff", "0f", 4),
    ],
)
def test_hamming_counts_the_bits_that_differ(left, right, distance):
    assert hamming(left, right) == hamming(right, left) == distance


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 2)])
def test_any_size_has_a_hash(size):
    assert len(perceptual_hash(Image.new("RGB", size, (9, 99, 199)))) == 16
