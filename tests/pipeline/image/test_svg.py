"""Drawings become images, and nothing that a drawing names is opened."""

import gzip

import pytest
from PIL import Image

from pipeline.image.codec import ImageEncoding, decode, decode_image
from pipeline.image.rules import ImageRules
from pipeline.image.svg import is_drawing, read_drawing
from schemas.drops import Drop

SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
HALVES = "<rect width='200' height='200' fill='#fff'/><rect width='100' height='200' fill='#00f'/>"


def drawing(inside: str = HALVES, size: str = 'width="200" height="200"', before: str = "") -> bytes:
    return f"{before}<svg {SPACES} {size}>{inside}</svg>".encode()


def pixels(data: bytes, **encoding):
    return decode(data, encoding=ImageEncoding(**encoding)).pixels.astype(int)


def reason_of(data: bytes, rules: ImageRules = ImageRules()) -> str:
    with pytest.raises(Drop) as drop:
        decode(data, rules)
    return drop.value.reason


@pytest.mark.parametrize(
    "before",
    [
        "",
        "\ufeff",
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- made - by hand -->\n',
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
        '<!DOCTYPE svg [ <!ENTITY ns_svg "http://www.w3.org/2000/svg"> ]>',
    ],
)
def test_a_drawing_is_drawn_and_stored_as_png(before):
    stored = decode_image(drawing(before=before), ImageRules(), ImageEncoding(size_px=128))
    assert (stored.format, stored.original_format) == ("png", "svg")
    assert (stored.original_width, stored.original_height) == (200, 200)
    assert (stored.width, stored.height) == (128, 128)
    shown = pixels(drawing(before=before), size_px=128)
    assert abs(shown[64, 32] - (0, 0, 255)).max() < 8
    assert abs(shown[64, 96] - 255).max() < 8


def test_packed_drawings_are_drawn():
    assert is_drawing(gzip.compress(drawing()))
    assert (pixels(gzip.compress(drawing())) == pixels(drawing())).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ('width="3in" height="144pt"', (288, 192)),
        ('viewBox="0 0 300 100"', (300, 100)),
        ('width="100%" height="100%" viewBox="0,0,320,200"', (320, 200)),
        ('width="600" viewBox="0 0 300 100"', (600, 200)),
        ('height="50" viewBox="-5 -5 300 100"', (150, 50)),
        ("", (300, 150)),
        ('width="wide" height="-3"', (300, 150)),
    ],
)
def test_the_size_of_a_drawing_is_what_it_declares(size, expected):
    found = read_drawing(drawing(size=size))
    assert (found.width, found.height) == expected


def test_small_drawings_are_drawn_large_and_large_ones_small():
    rules, encoding = ImageRules(svg_px=400), ImageEncoding(resize="none")
    for size in ('width="80" height="64"', 'width="8000" height="6400"'):
        assert decode(drawing(HALVES, size + ' viewBox="0 0 200 160"'), rules, encoding).pixels.shape == (320, 400, 3)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ('width="24" height="24"', "too_small"),
        ('viewBox="0 0 24 24"', "too_small"),
        ('width="1000" height="100"', "bad_aspect_ratio"),
        ('width="100000" height="90000"', "too_many_pixels"),
    ],
)
def test_a_drawing_is_judged_by_its_declared_size(size, reason):
    assert reason_of(drawing(size=size)) == reason


def test_words_are_drawn_in_the_same_letters_everywhere():
    words = "<text x='10' y='100' font-size='60' font-family='Arial'>Wind</text>"
    assert pixels(drawing(words)).min() < 50
    unknown = words.replace("Arial", "No Such Letters")
    assert (pixels(drawing(words)) == pixels(drawing(unknown))).all()


def test_drawings_may_be_left_out():
    assert reason_of(drawing(), ImageRules(svg_px=0)) == "vector_image"


@pytest.mark.parametrize(
    "inside",
    [
        "<image href='{path}' width='200' height='200'/>",
        "<image xlink:href='{path}' width='200' height='200'/>",
        "<image xmlns:y='http://www.w3.org/1999/xlink' y:href=' {path}' width='200' height='200'/>",
        "<image href='file://{path}' width='200' height='200'/>",
        "<filter id='f'><feImage href='{path}'/></filter><rect width='200' height='200' filter='url(#f)'/>",
        "<image href='red.png' xml:base='{folder}/' width='200' height='200'/>",
        "&picture;",
        "&written;",
    ],
)
def test_no_file_is_opened_whatever_a_drawing_names(inside, tmp_path, monkeypatch):
    path = tmp_path / "red.png"
    Image.new("RGB", (200, 200), "red").save(path)
    monkeypatch.chdir(tmp_path)
    entities = f'<!ENTITY picture \'<image href="{path}" width="200" height="200"/>\'>'
    entities += f'<!ENTITY written \'&#60;image hre&#102;="{path}" width="200" height="200"/>\'>'
    entities += f"<!ENTITY file SYSTEM '{path}'>"
    data = drawing(HALVES + inside.format(path=path, folder=tmp_path), before=f"<!DOCTYPE svg [{entities}]>")
    assert (pixels(data) == pixels(drawing())).all()


def test_pictures_inside_a_drawing_are_drawn_unless_they_are_huge():
    import base64
    import io

    def embedded(picture: Image.Image) -> bytes:
        out = io.BytesIO()
        picture.save(out, "PNG")
        said = base64.b64encode(out.getvalue()).decode()
        return drawing(f"{HALVES}<image xlink:href='data:image/png;base64,{said}' width='100' height='200'/>")

    assert (pixels(embedded(Image.new("RGB", (50, 100), "red")))[256, 128] == (255, 0, 0)).all()
    assert (pixels(embedded(Image.new("1", (30_000, 30_000)))) == pixels(drawing())).all()


def _laughs(line: str) -> str:
    names = "abcdefghij"
    uses = [f"&{name};" for name in names]
    said = "".join(f"<!ENTITY {name} '{below * 10}'>" for below, name in zip(uses, names[1:], strict=False))
    return f'<!DOCTYPE svg [<!ENTITY a "{line}">{said}]>'


def test_drawings_that_unfold_without_end_are_dropped():
    assert reason_of(drawing("<text>&j;</text>", before=_laughs("haha"))) in ("too_large", "broken_image")
    assert reason_of(drawing("&f;", before=_laughs("<g/>" * 20))) in ("too_large", "broken_image")
    uses = "".join(f"<g id='u{at}'>" + f"<use href='#u{at - 1}'/>" * 10 + "</g>" for at in range(1, 9))
    assert reason_of(drawing(f"<rect id='u0' width='1' height='1'/>{uses}<use href='#u8'/>")) == "broken_image"
    assert reason_of(gzip.compress(drawing(" " * (50 << 20)))) == "too_large"


@pytest.mark.parametrize(
    "data",
    [
        drawing()[:-20],
        drawing("<g>" * 10_000 + "</g>" * 10_000),
        b"<svg",
        b"<svg width='300' height='200'>\xff\xfe</svg>",
        gzip.compress(drawing())[:-30],
        drawing(before="<?xml version='1.0' encoding='no-such'?>"),
    ],
)
def test_damaged_drawings_are_broken(data):
    assert reason_of(data) in ("broken_image", "unsupported_format")


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><svg></svg>",
        b"<html><body><svg width='24'></svg></body></html>",
        b"<?xml version='1.0'?><rss><svg></svg></rss>",
        b"<!-- " * 5000,
        b"",
    ],
)
def test_pages_that_hold_a_drawing_are_none(data):
    assert not is_drawing(data)


def test_scripts_and_pages_inside_a_drawing_are_left_out():
    inside = "<script>alert(1)</script><foreignObject width='9' height='9'><b xmlns='x'>no<i/></b></foreignObject>"
    written = read_drawing(drawing(inside + HALVES)).markup
    assert "alert" not in written
    assert "<i" not in written
    assert (pixels(drawing(inside + HALVES)) == pixels(drawing())).all()
