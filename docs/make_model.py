"""Draws docs/model.svg: who attends to what in a packed row, what stands before a layer: python -m docs.make_model

The mask is that of a batch the loader made, not drawn by hand.
"""

import random
from pathlib import Path

import numpy as np
import tokenizers

from model.data.batch import Batch, collate, self_attention_mask
from model.data.documents import Document, Medium
from model.data.row import to_row
from model.data.sequences import SequenceSettings, make_sequence
from model.data.tokens import END_OF_CHUNK, IMAGE, Tokens

TEXTS = ["My pets :", "A puppy .", "A cat ."]
CELL, LATENTS, LEFT, TOP = 17, 3, 96, 150
COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1")
INK, DIM = "#0f172a", "#64748b"


def main() -> None:
    batch, words = _batch()
    length = len(words)
    right = LEFT + (length + 2) * CELL
    media = len(batch.frame_offsets_M1) - 1
    width, height = right + media * (LATENTS + 1) * CELL + 420, TOP + length * CELL + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(LEFT, 28, "self-attention of the frozen language model", bold=True),
        _text(LEFT, 46, "within a document, backwards", dim=True),
        _text(right, 28, "gated cross-attention", bold=True),
        _text(right, 46, f"to the {LATENTS} latents of one medium", dim=True),
        *_words(words, batch),
        *_self_attention(batch, length),
        *_cross_attention(batch, length, media, right),
        *_block(right + media * (LATENTS + 1) * CELL + 50),
        "</svg>",
    ]
    Path(__file__).with_name("model.svg").write_text("\n".join(parts) + "\n")


def _batch() -> tuple[Batch, list[str]]:
    """A page whose text looks back, and the same page, its text looking ahead, in one row; and its tokens."""
    known = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: number for number, word in enumerate(["<s>", *known])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<s>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokens = Tokens(tokenizer, "<s>")
    page = Document("page", "interleaved", (TEXTS[0], Medium(b""), TEXTS[1], Medium(b""), TEXTS[2]))
    sequences = tuple(
        make_sequence(page, tokens, random.Random(0), SequenceSettings(p_next=p_next)) for p_next in (0.0, 1.0)
    )
    media = sum(len(sequence.media) for sequence in sequences)
    row = to_row(sequences, np.zeros((media, 1, 1, 3), np.uint8), np.ones(media, np.int32), 0, 1.0)
    batch = collate([row], len(row), tokens.pad_id, ("example",))
    shown = {IMAGE: "<image>", END_OF_CHUNK: "<EOC>"}
    words = [tokens.decode([token]) for token in batch.tokens_BT[0].tolist()]
    return batch, [shown.get(word, word) for word in words]


def _words(words: list[str], batch: Batch) -> list[str]:
    parts = []
    for place, word in enumerate(words):
        middle = CELL * place + CELL - 4
        parts.append(_text(LEFT - 8, TOP + middle, word, size=12, anchor="end"))
        turned = f'transform="rotate(-60 {LEFT + middle} {TOP - 8})"'
        parts.append(_text(LEFT + middle, TOP - 8, word, size=12, more=turned))
    second = batch.document_BT[0].tolist().index(1)
    beside, below = LEFT + (second - 2) * CELL, TOP + (second + 6) * CELL
    parts.append(_text(beside, TOP + 5 * CELL, "a page: its text looks back,", dim=True, size=12))
    parts.append(_text(beside, TOP + 6 * CELL, "none before the first image", dim=True, size=12))
    parts.append(_text(LEFT + 8, below, "the same page packed behind it:", dim=True, size=12))
    parts.append(_text(LEFT + 8, below + CELL, "here its text looks ahead", dim=True, size=12))
    return parts


def _self_attention(batch: Batch, length: int) -> list[str]:
    mask, document = self_attention_mask(batch)[0], batch.document_BT[0].tolist()
    return [
        _cell(LEFT + column * CELL, TOP + line * CELL, "#94a3b8" if document[line] == 0 else "#cbd5e1")
        for line in range(length)
        for column in range(length)
        if mask[line, column]
    ]


def _cross_attention(batch: Batch, length: int, media: int, right: int) -> list[str]:
    parts = []
    for medium in range(media):
        x = right + medium * (LATENTS + 1) * CELL
        parts.append(_text(x, TOP - 10, f"medium {medium}", size=11))
        for line in range(length):
            sees = int(batch.media_index_BT[0, line]) == medium
            colour = COLOURS[medium] if sees else "#f1f5f9"
            parts += [_cell(x + latent * CELL, TOP + line * CELL, colour) for latent in range(LATENTS)]
    return parts


def _block(x: int) -> list[str]:
    """What happens to a token before a layer, from below."""
    steps = [
        ("layer of the language model, frozen", "#dbeafe"),
        ("+  tanh(b) · feed-forward", "#fef3c7"),
        ("+  tanh(a) · cross-attention", "#fef3c7"),
        ("hidden states", "white"),
    ]
    sources = [
        ("64 latents of each image or clip", "#dcfce7"),
        ("connector: Perceiver Resampler", "#dcfce7"),
        ("vision encoder, frozen", "#dbeafe"),
        ("frames", "white"),
    ]
    parts = [
        _text(x, 28, "before every k-th layer", bold=True),
        _text(x, 46, "a and b begin at 0: no change", dim=True),
    ]
    parts += _stack(x, TOP - 60, steps)
    parts += _stack(x, TOP + 190, sources)
    side, low, high = x + 300, TOP + 190 + 18, TOP - 60 + 2 * 56 + 18
    path = f"M{side},{low} h24 V{high} h-20 m6,-4 l-6,4 l6,4"
    parts.append(f'<path d="{path}" fill="none" stroke="{DIM}"/>')
    parts.append(_text(side - 6, TOP + 172, "keys, values", dim=True, size=12, anchor="end"))
    return parts


def _stack(x: int, top: int, steps: list[tuple[str, str]]) -> list[str]:
    parts = []
    for number, (name, colour) in enumerate(steps):
        y = top + 56 * number
        parts.append(
            f'<rect x="{x}" y="{y}" width="300" height="36" rx="6" fill="{colour}" stroke="#94a3b8"/>'
            + _text(x + 150, y + 23, name, anchor="middle")
        )
        if number:
            parts.append(_arrow(x + 150, y - 2, y - 18))
    return parts


def _cell(x: int, y: int, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" fill="{colour}"/>'


def _text(
    x: int,
    y: int,
    text: str,
    bold: bool = False,
    dim: bool = False,
    size: int = 14,
    anchor: str = "start",
    more: str = "",
) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    style = f'font-size="{size}" text-anchor="{anchor}" fill="{DIM if dim else INK}"{" font-weight=" if bold else ""}'
    return f'<text x="{x}" y="{y}" {style}{chr(34) + "bold" + chr(34) if bold else ""} {more}>{escaped}</text>'


def _arrow(x: int, bottom: int, top: int) -> str:
    """Upwards."""
    return f'<path d="M{x},{bottom} V{top} m-4,6 l4,-6 l4,6" fill="none" stroke="{DIM}"/>'


if __name__ == "__main__":
    main()
