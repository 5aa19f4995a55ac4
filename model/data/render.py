"""The masks of a batch for eyes: as text for a terminal or a test, as a picture for a page."""

from PIL import Image, ImageDraw

from model.data.batch import Batch
from model.data.tokens import Tokens

_SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#9c755f")
_CELL_PX = 12


def media_string(batch: Batch, row: int) -> str:
    """One character a token: the medium it attends to, counted within the row; `.` for none, a blank for padding."""
    media, documents = batch.media_index_BT[row].tolist(), batch.document_BT[row].tolist()
    first = min((medium for medium in media if medium >= 0), default=0)
    return "".join(
        " " if document < 0 else "." if medium < 0 else _SYMBOLS[(medium - first) % len(_SYMBOLS)]
        for medium, document in zip(media, documents, strict=True)
    )


def render_text(batch: Batch, row: int, tokens: Tokens) -> str:
    """A line for each span of tokens that share document and medium: both, how many predicted, and the text.

    As in `doc 3  image 1    9 of 11 predicted  <image>Two cats.<|endofchunk|>`.
    """
    lines = []
    for start, stop in _stretches(batch, row):
        document, medium = int(batch.document_BT[row, start]), int(batch.media_index_BT[row, start])
        if document < 0:
            lines.append(f"padding  {stop - start}")
            continue
        predicted = int((batch.loss_weight_BT[row, start:stop] > 0).sum())
        seen = "nothing" if medium < 0 else f"medium {medium}"
        text = tokens.decode(batch.tokens_BT[row, start:stop].tolist())
        lines.append(f"doc {document}  {seen:<10} {predicted:>4} of {stop - start} predicted  {text!r}")
    return "\n".join(lines)


def render_picture(batch: Batch, row: int) -> Image.Image:
    """Left the self-attention of a row, right its attention to media: a line a token, a colour a document.

    A dot at the left marks a token that is predicted.
    """
    documents, media = batch.document_BT[row].tolist(), batch.media_index_BT[row].tolist()
    weights = batch.loss_weight_BT[row].tolist()
    columns = sorted({medium for medium in media if medium >= 0})
    length, gap = len(documents), 2
    width = 1 + length + gap + max(1, len(columns))
    picture = Image.new("RGB", (width * _CELL_PX, length * _CELL_PX), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(length):
        if documents[line] < 0:
            continue
        colour = _COLOURS[documents[line] % len(_COLOURS)]
        if weights[line] > 0:
            box = [3, line * _CELL_PX + 3, _CELL_PX - 4, (line + 1) * _CELL_PX - 4]
            draw.ellipse(box, fill="#333333")
        for column in range(line + 1):
            if documents[column] == documents[line]:
                _cell(draw, 1 + column, line, colour)
        if media[line] >= 0:
            _cell(draw, 1 + length + gap + columns.index(media[line]), line, colour)
    return picture


def _cell(draw: ImageDraw.ImageDraw, column: int, line: int, colour: str) -> None:
    x, y = column * _CELL_PX, line * _CELL_PX
    draw.rectangle([x, y, x + _CELL_PX - 2, y + _CELL_PX - 2], fill=colour)


def _stretches(batch: Batch, row: int) -> list[tuple[int, int]]:
    pairs = list(zip(batch.document_BT[row].tolist(), batch.media_index_BT[row].tolist(), strict=True))
    starts = [i for i in range(len(pairs)) if i == 0 or pairs[i] != pairs[i - 1]]
    return list(zip(starts, [*starts[1:], len(pairs)], strict=True))
