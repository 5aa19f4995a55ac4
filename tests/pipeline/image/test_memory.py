"""Decoding takes no more memory than the header lets expect, measured from outside."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.image.codec import ImageEncoding, decode, decode_image
from pipeline.image.rules import ImageRules
from schemas.drops import Drop
from tests.pipeline.colours import P3, cmyk_profile, profile
from tests.pipeline.makers import encoded, picture

_WIDTH, _HEIGHT = 3000, 2000
_SLACK = 40  # MB: strips that are converted at a time, libraries' own
_MEASURE = """
import sys
from pathlib import Path
from pipeline.image.codec import decode
from pipeline.image.rules import ImageRules
from schemas.drops import Drop

def highest():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

first, data = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_bytes()
decode(first)  # what libraries take once
Path("/proc/self/clear_refs").write_text("5")
before = highest()
decode(data)
taken = highest() - before
try:
    decode(data, ImageRules(max_decode_bytes=1))
except Drop as drop:
    print(taken // 1024, drop.detail.split()[3])
"""


def _large(mode: str = "RGB") -> Image.Image:
    return picture(300, 200).resize((_WIDTH, _HEIGHT)).convert(mode)


FILES = {
    "jpeg": lambda: encoded(_large(), "JPEG", icc_profile=profile(*P3)),
    "jpeg CMYK": lambda: encoded(_large("CMYK"), "JPEG", icc_profile=cmyk_profile()),
    "jpeg progressive": lambda: encoded(_large(), "JPEG", progressive=True, subsampling=0),
    "png": lambda: encoded(_large(), "PNG", compress_level=1, icc_profile=profile(*P3)),
    "png RGBA": lambda: encoded(_large("RGBA"), "PNG", compress_level=1),
    "png one colour clear": lambda: encoded(_large(), "PNG", compress_level=1, transparency=(1, 2, 3)),
    "png 16 bits": lambda: encoded(
        Image.fromarray(np.asarray(_large("L")).astype(np.uint16) * 257), "PNG", compress_level=1
    ),
    "gif": lambda: encoded(_large("P"), "GIF", save_all=True, append_images=[_large("P").rotate(180)]),
    "tiff": lambda: encoded(_large(), "TIFF", compression="tiff_lzw"),
    "bmp": lambda: encoded(_large(), "BMP"),
    "webp": lambda: encoded(_large("RGBA"), "WEBP", method=0),
    "avif": lambda: encoded(_large("RGBA"), "AVIF", speed=10, subsampling="4:4:4"),
}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it")
@pytest.mark.parametrize("name", FILES)
def test_decoding_takes_what_the_header_lets_expect(name: str, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(encoded(picture(), "PNG", icc_profile=profile(*P3)))
    large.write_bytes(FILES[name]())
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(small), str(large)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=True,
    )
    taken, expected = map(int, run.stdout.split())
    assert taken <= expected + _SLACK


@pytest.mark.parametrize("name", ["webp", "avif", "png", "jpeg progressive"])
def test_what_would_take_more_than_it_may_is_dropped_before_decoding(name: str) -> None:
    data = FILES[name]()
    with pytest.raises(Drop) as caught:
        decode(data, ImageRules(max_decode_bytes=30_000_000))
    assert caught.value.reason == "too_many_pixels"


def test_a_jpeg_of_too_many_scans_is_dropped_before_decoding() -> None:
    plain = encoded(picture(), "JPEG", progressive=True)
    last = plain.rindex(b"\xff\xda")
    bomb = plain[:-2] + plain[last:-2] * 100 + plain[-2:]
    with pytest.raises(Drop) as caught:
        decode_image(bomb)
    assert (caught.value.reason, caught.value.detail) == ("too_many_scans", "more than 100")
    assert decode_image(plain, ImageRules(max_scans=10), ImageEncoding()).width == 200
