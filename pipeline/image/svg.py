"""Drawings in SVG: made harmless, then drawn on white by resvg, which runs no script and asks no network.

resvg reads the files that an `<image>` names, and entities can write one. So a drawing is read by expat first, which
loads nothing, and written anew: without a document type, scripts, foreign elements and addresses of anything outside.
"""

import binascii
import re
import zlib
from base64 import b64decode
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

import msgspec
import numpy as np
import resvg_py

from pipeline.image.resampling import Pixels
from schemas.drops import Drop
from schemas.images import is_svg, open_image

_MAX_BYTES = 4 << 20  # of the markup, as it came and as it is written anew
_MAX_HEAD = 8_192  # bytes in which the root of a packed drawing begins
_MAX_DEPTH = 100  # of elements: each may hold a canvas of its own
_MAX_EMBEDDED_PIXELS = 16_000_000  # of a picture inside a drawing
_DEFAULT = (300.0, 150.0)  # of a drawing that says no size, in browsers
_GZIP = b"\x1f\x8b"
_LEFT_OUT = frozenset(("script", "foreignObject"))
_LENGTH = re.compile(r"\s*+\+?(\d{1,9}+(?:\.\d{0,9}+)?+|\.\d{1,9}+)\s*+(px|pt|pc|mm|cm|in|em|ex)?+\s*+")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "em": 16.0}
_NUMBER = re.compile(r"-?(?:\d{1,9}\.?\d{0,9}|\.\d{1,9})")
_BREAKS = str.maketrans({"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
_EMBEDDED = re.compile(r"data:image/(?:png|jpe?g|gif|webp)[^,]{0,100},", re.IGNORECASE)
#: The same everywhere, so that a drawing looks the same: they come with Matplotlib.
_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique", "DejaVuSansMono")
_FAMILY = "DejaVu Sans"


class Drawing(msgspec.Struct, frozen=True):
    """A drawing that refers to nothing outside itself; its size in CSS pixels is what it declares."""

    markup: str
    width: int
    height: int


def is_drawing(data: bytes) -> bool:
    """Whether a file is SVG, packed by gzip or not."""
    if not data.startswith(_GZIP):
        return is_svg(data)
    try:
        return is_svg(zlib.decompressobj(wbits=31).decompress(data, _MAX_HEAD))
    except zlib.error:
        return False


def read_drawing(data: bytes) -> Drawing:
    """Of an SVG file, packed by gzip or not. Raises `Drop`: too_large, broken_image."""
    if data.startswith(_GZIP):
        data = _unpacked(data)
    if len(data) > _MAX_BYTES:
        raise Drop("too_large", f"{len(data)} bytes of SVG, cap {_MAX_BYTES}")
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: of a charset that there is not
        raise Drop("broken_image", f"SVG: {error}") from None
    width, height = (max(1, round(side)) for side in reader.size)
    return Drawing("".join(reader.written), width, height)


def draw(drawing: Drawing, longest_px: int) -> Pixels:
    """RGB of shape (height, width, 3), with so many pixels on its longer side. Raises `Drop("broken_image")`."""
    width = max(1, round(longest_px * min(1.0, drawing.width / drawing.height)))
    try:
        png = resvg_py.svg_to_bytes(
            drawing.markup,
            width=width,
            background="white",
            skip_system_fonts=True,
            font_files=_font_files(),
            monospace_family=f"{_FAMILY} Mono",
            font_family=_FAMILY,
            serif_family=_FAMILY,
            sans_serif_family=_FAMILY,
            cursive_family=_FAMILY,
            fantasy_family=_FAMILY,
        )
    except BaseException as error:  # a panic of Rust's is no `Exception`
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        raise Drop("broken_image", f"SVG: {error}"[:200]) from None
    return np.asarray(open_image(png, ("PNG",)).convert("RGB"))


class _Reader:
    """Writes the elements of a drawing anew as expat meets them."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.size = _DEFAULT
        self._length = self._depth = 0
        self._left_out = 0  # the depth at which an element began that is left out
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Drop("broken_image", f"SVG: elements {self._depth} levels deep")
        if self._left_out:
            return
        if _local(name) in _LEFT_OUT:
            self._left_out = self._depth
            return
        if self._depth == 1:
            if _local(name) != "svg":
                raise Drop("broken_image", f"SVG: its root is <{name[:40]}>")
            self.size = _size(attributes)
            attributes |= {"width": f"{self.size[0]:g}", "height": f"{self.size[1]:g}"}
        self._write(f"<{name}{''.join(_stated(*one) for one in attributes.items() if _stays(*one))}>")

    def _end(self, name: str) -> None:
        if not self._left_out:
            self._write(f"</{name}>")
        elif self._left_out == self._depth:
            self._left_out = 0
        self._depth -= 1

    def _text(self, text: str) -> None:
        if not self._left_out:
            self._write(escape(text, quote=False))

    def _write(self, markup: str) -> None:
        self._length += len(markup)
        if self._length > _MAX_BYTES:
            raise Drop("too_large", f"SVG whose entities write more than {_MAX_BYTES} characters")
        self.written.append(markup)


def _stated(key: str, value: str) -> str:
    return f' {key}="{escape(value).translate(_BREAKS)}"'


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _stays(key: str, value: str) -> bool:
    """Whether an attribute refers to nothing outside: to a part of the drawing, or to a picture that stands in it."""
    if _local(key) != "href":
        return _local(key) != "base"
    return value.lstrip().startswith("#") or _is_picture(value)


def _is_picture(value: str) -> bool:
    """Whether a value is a picture of no more pixels than are fit to be drawn."""
    match = _EMBEDDED.match(value)
    if not match:
        return False
    try:
        packed = unquote_to_bytes(value[match.end() :])
        data = b64decode(packed) if ";base64" in match[0].lower() else packed
        with open_image(data, ("PNG", "JPEG", "GIF", "WEBP")) as image:
            return image.width * image.height <= _MAX_EMBEDDED_PIXELS
    except (Drop, binascii.Error, ValueError):
        return False


def _size(attributes: dict[str, Any]) -> tuple[float, float]:
    """Width and height by a root's attributes, as browsers understand them."""
    stated = [_pixels(attributes.get(side, "")) for side in ("width", "height")]
    box = [float(number) for number in _NUMBER.findall(attributes.get("viewBox", ""))[:4]]
    ratio = box[2] / box[3] if len(box) == 4 and box[2] > 0 and box[3] > 0 else 0.0
    match stated:
        case [float(width), float(height)]:
            return width, height
        case [float(width), None]:
            return width, width / (ratio or 2.0)
        case [None, float(height)]:
            return height * (ratio or 2.0), height
    return (box[2], box[3]) if ratio else _DEFAULT


def _pixels(length: str) -> float | None:
    """CSS pixels; None for a share of what is around, and for nonsense."""
    match = _LENGTH.fullmatch(length)
    value = float(match[1]) * _PIXELS.get(match[2] or "", 8.0) if match else 0.0
    return value if value > 0 else None


def _unpacked(data: bytes) -> bytes:
    """Raises `Drop`: too_large, broken_image."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        found = unpacking.decompress(data, _MAX_BYTES + 1)
    except zlib.error as error:
        raise Drop("broken_image", f"SVG: {error}") from None
    if not unpacking.eof:
        raise Drop("too_large" if len(found) > _MAX_BYTES else "broken_image", "SVG in gzip")
    return found


@cache
def _font_files() -> list[str]:
    found = find_spec("matplotlib")
    assert found is not None
    folder = Path(str(found.origin)).parent / "mpl-data" / "fonts" / "ttf"
    return [str(folder / f"{name}.ttf") for name in _FONTS]
