"""Pictures with texts beneath them, as one PNG."""

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from schemas.images import on_white

_SIDE, _GAP, _COLUMNS, _LINE_PX = 192, 12, 4, 18
_LETTERS = 30  # of a line beneath a picture


def write_sheet(path: str, cells: Sequence[tuple[Image.Image, str]]) -> None:
    """A grid of pictures, each brought to one size, with its text."""
    texts = ["\n".join(textwrap.wrap(text, _LETTERS)) for _, text in cells]
    lines = max((text.count("\n") + 1 for text in texts), default=1)
    high, wide = _SIDE + lines * _LINE_PX + 2 * _GAP, _SIDE + _GAP
    columns = min(_COLUMNS, max(1, len(cells)))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * wide + _GAP, rows * high + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, ((image, _), text) in enumerate(zip(cells, texts, strict=True)):
        left, top = _GAP + number % columns * wide, _GAP + number // columns * high
        fitted = on_white(image).resize((_SIDE, _SIDE), Image.Resampling.NEAREST if image.width < _SIDE else None)
        sheet.paste(fitted, (left, top))
        pen.multiline_text((left, top + _SIDE + 4), text, fill="black", font=font)
    sheet.save(path, "PNG")
