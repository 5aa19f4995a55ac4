"""Rights in stored files: Exiv2 and weft read what was written, and no pixel changes."""

import io

import msgspec
import numpy as np
import pyexiv2
import pytest
from PIL import Image

from crawlers.captured import Media
from jobs.phases.steps import image_step
from pipeline.image.codec import ImageEncoding, decode_image
from pipeline.image.rights import read_rights
from pipeline.image.rights_back import with_rights
from pipeline.image.rules import ImageRules
from schemas.consent import ConsentSettings
from schemas.documents import Rights

RIGHTS = Rights("Ann & <Bob>", '(c) "Ann"', "Agency", "Ask", "https://a.example/?a=1&b=2", "DMI-ALLOWED")


def picture(format: str, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (120, 160, 4), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, {"jpg": "JPEG"}.get(format, format.upper()))
    return out.getvalue()


@pytest.mark.parametrize(
    ("format", "mode"), [("jpg", "RGB"), ("jpg", "L"), ("png", "RGB"), ("webp", "RGB"), ("webp", "RGBA")]
)
def test_what_is_written_is_read_by_others_and_pixels_stay(format: str, mode: str) -> None:
    plain = decode_image(picture(format, mode), ImageRules(), ImageEncoding(resize="none", keep_below_bytes=1 << 30))
    assert plain.format == format
    written = with_rights(msgspec.structs.replace(plain, rights=RIGHTS))
    assert written.sha256 != plain.sha256
    assert read_rights(written.data)[1] == RIGHTS
    image = pyexiv2.ImageData(written.data)
    xmp, exif = image.read_xmp(), image.read_exif()
    image.close()
    assert xmp["Xmp.dc.creator"] == [RIGHTS.creator]
    assert xmp["Xmp.plus.DataMining"] == RIGHTS.data_mining
    assert xmp["Xmp.xmpRights.WebStatement"] == RIGHTS.web_statement
    assert exif == {}
    with Image.open(io.BytesIO(plain.data)) as one, Image.open(io.BytesIO(written.data)) as other:
        assert np.array_equal(np.asarray(one.convert("RGBA")), np.asarray(other.convert("RGBA")))


def test_an_image_without_rights_keeps_its_bytes() -> None:
    plain = decode_image(picture("jpg"))
    assert with_rights(plain) is plain


@pytest.mark.parametrize(("keep", "expected"), [(True, "Ann"), (False, "")])
def test_it_is_done_by_setting(keep: bool, expected: str) -> None:
    image = pyexiv2.ImageData(picture("jpg"))
    image.modify_xmp({"Xmp.dc.creator": ["Ann"]})
    image.modify_exif({"Exif.GPSInfo.GPSLatitude": "48/1 8/1 0/1"})
    data = bytes(image.get_bytes())
    image.close()
    rules = (ConsentSettings(), ImageRules(), ImageEncoding(keep_rights=keep), 0, ())
    stored = image_step(*rules, Media("https://a.example/a.jpg", {}, data))
    assert stored.rights.creator == "Ann"
    assert read_rights(stored.data)[1].creator == expected
    with Image.open(io.BytesIO(stored.data)) as opened:
        assert dict(opened.getexif()) == {}
