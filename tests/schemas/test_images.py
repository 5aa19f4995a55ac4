"""Images are opened in one place, and only as what the web has."""

import ast
import base64
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from jobs.commands.show import half_blocks
from jobs.dataset.check import _image_problem
from jobs.dataset.foreign import _height
from jobs.report.hostile import thumbnail
from model.data.images import ImageSettings
from model.data.images import open_image as open_for_training
from pipeline.image.codec import decode_image
from pipeline.image.hash import perceptual_hash
from schemas.drops import Drop
from schemas.images import FORMATS, on_white, open_image
from tests.pipeline.makers import attempt
from weft.pictures import open_picture
from weft.pictures import thumbnail as small_picture

ROOMS = ("weft", "jobs", "model", "pipeline", "crawlers", "schemas")
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 100 100
%%EndComments
(private.txt) (r) file closefile showpage
%%EOF
"""


def test_no_other_place_opens_an_image() -> None:
    root = Path(__file__).parents[2]
    found = [
        str(path.relative_to(root))
        for room in ROOMS
        for path in sorted((root / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "open" and ast.unparse(node.value).endswith("Image")
    ]
    assert found == ["schemas/images.py"]


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", refuse)
    Image.init()  # all formats that Pillow knows


@pytest.mark.parametrize(
    "read",
    [
        open_image,
        decode_image,
        open_picture,
        thumbnail,
        lambda data: open_for_training(data, ImageSettings()),
    ],
)
def test_postscript_under_the_name_of_an_image_is_of_no_format(read) -> None:
    with pytest.raises(Drop) as caught:
        read(EPS)
    assert caught.value.reason == "unsupported_format"


def test_readers_of_shards_say_so() -> None:
    assert "unsupported_format" in str(half_blocks(EPS, 80))
    assert _height(EPS) == 0
    assert "unsupported_format" in _image_problem(EPS, hashlib.sha256(EPS).hexdigest(), (100, 100))


@pytest.mark.parametrize("format", sorted(set(Image.SAVE) - set(FORMATS) | {"PPM", "ICO", "TGA"}))
def test_no_other_format_is_opened(format: str) -> None:
    out = io.BytesIO()
    try:
        Image.new("RGB", (64, 64), "red").save(out, format)
    except Exception:
        pytest.skip("Pillow does not write it so")
    found = attempt(open_image, out.getvalue())
    if isinstance(found, Drop):
        assert found.reason == "unsupported_format"
    else:
        assert found.format in (*FORMATS, "MPO")  # several are JPEG, BMP or PNG inside


def _deep(format: str, mode: str = "I;16", **options: object) -> bytes:
    """A ramp of grey, dark on the left, at 16 bits."""
    values = np.tile(np.linspace(0, 65535, 128), (96, 1))
    out = io.BytesIO()
    Image.fromarray(values.astype(">u2" if mode == "I;16B" else "<u2")).save(out, format, **options)
    return out.getvalue()


def _in_data(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


@pytest.mark.parametrize(("format", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_grey_of_16_bits_is_grey_wherever_it_is_decoded(format: str, mode: str) -> None:
    data = _deep(format, mode)
    ramp = np.tile(np.linspace(0, 255, 128), (96, 1))[:, :, None].repeat(3, axis=2)
    readers = [
        on_white(open_image(data)),
        open_for_training(data, ImageSettings()),
        _in_data(small_picture(open_image(data))),
    ]
    readers.append(open_image(decode_image(data).data))
    readers.append(Image.open(io.BytesIO(thumbnail(data))))
    for image in readers:
        found = np.asarray(image.convert("RGB").resize((128, 96))).astype(float)
        assert abs(found - ramp).mean() < 3
    assert perceptual_hash(open_image(data)) == perceptual_hash(on_white(open_image(data)))


def test_the_one_clear_level_of_16_bits_lies_on_white() -> None:
    image = open_image(_deep("PNG", transparency=0))
    assert image.info["transparency"] == 0
    for found in (on_white(image), open_for_training(_deep("PNG", transparency=0), ImageSettings())):
        row = np.asarray(found)[5, :, 0]
        assert row[0] == 255
        assert row[1] < 5
        assert row[-2] > 250
