import numpy as np
import pytest
from PIL import Image

from pipeline.image.rules import ImageRules, color_rules, size_rules
from schemas.drops import Drop
from tests.pipeline.makers import dropped, noise, picture


@pytest.mark.parametrize(
    ("size", "rules", "reason"),
    [
        ((63, 100), {}, "too_small"),
        ((100, 63), {}, "too_small"),
        ((0, 0), {}, "too_small"),
        ((100, 301), {}, "bad_aspect_ratio"),
        ((301, 100), {}, "bad_aspect_ratio"),
        ((20_001, 7000), {"max_pixels": 1 << 40}, "too_big"),
        ((8000, 8001), {}, "too_many_pixels"),
        ((100_000, 1), {"max_pixels": 99_999}, "too_many_pixels"),
    ],
)
def test_an_image_is_dropped_for_the_rule_its_size_breaks(size, rules, reason):
    with pytest.raises(Drop) as caught:
        size_rules(*size, ImageRules(**rules))
    assert dropped(caught) == (reason, f"{size[0]}x{size[1]}")


@pytest.mark.parametrize(
    ("size", "rules"),
    [
        ((64, 64), {}),
        ((100, 300), {}),
        ((300, 100), {}),
        ((8000, 8000), {}),
        ((20_000, 7000), {"max_pixels": 1 << 40}),
        ((10, 10), {"min_side_px": 10}),
        ((200, 100), {"max_aspect_ratio": 2.0}),
    ],
)
def test_an_image_at_the_edge_of_every_rule_passes(size, rules):
    size_rules(*size, ImageRules(**rules))


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (12, 200, 90)])
def test_an_image_of_one_colour_is_dropped(color):
    with pytest.raises(Drop) as caught:
        color_rules(np.asarray(Image.new("RGB", (200, 100), color)), ImageRules())
    assert dropped(caught) == ("single_color", "range 0 < 12")


def test_the_range_of_the_widest_channel_decides():
    def ramp(widest):
        values = np.full((160, 160, 3), 100, np.uint8)
        values[80:, :, 1] = 100 + widest
        return values

    color_rules(ramp(12), ImageRules())
    with pytest.raises(Drop) as caught:
        color_rules(ramp(11), ImageRules())
    assert dropped(caught) == ("single_color", "range 11 < 12")


def test_noise_that_averages_out_is_one_colour_and_a_picture_is_not():
    color_rules(np.asarray(picture()), ImageRules())
    with pytest.raises(Drop) as caught:
        color_rules(np.asarray(noise(1600, 1600)), ImageRules())
    assert caught.value.reason == "single_color"


def test_a_small_mark_on_plain_ground_still_counts():
    image = Image.new("RGB", (320, 320), (255, 255, 255))
    image.paste((0, 0, 0), (0, 0, 20, 20))
    color_rules(np.asarray(image), ImageRules())


def test_the_rule_can_be_turned_off():
    color_rules(np.asarray(Image.new("RGB", (100, 100))), ImageRules(min_color_range=0))
