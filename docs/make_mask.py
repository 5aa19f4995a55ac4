"""Draws docs/mask.png, and prints the same rows as text: python -m docs.make_mask"""

import random
from pathlib import Path

import numpy as np
import tokenizers

from model.data.batch import collate
from model.data.documents import Document, Medium
from model.data.render import media_string, render_picture, render_text
from model.data.row import to_row
from model.data.sequences import SequenceSettings, make_sequence
from model.data.tokens import Tokens

TEXTS = ["Two of my pets :", "A puppy on the grass .", "A cat in a hat ."]


def main() -> None:
    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: number for number, word in enumerate(["<s>", "</s>", *words])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="</s>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokens = Tokens(tokenizer, "<s>", "</s>")
    page = Document("page", "interleaved", (TEXTS[0], Medium(b""), TEXTS[1], Medium(b""), TEXTS[2]))
    pair = Document("pair", "pairs", (Medium(b""), TEXTS[1]))
    sequences = []
    for document, p_next in ((page, 0.0), (page, 1.0), (pair, 0.0)):
        recipe = SequenceSettings(p_next=p_next, p_space=0)
        sequences.append(make_sequence(document, tokens, random.Random(0), recipe))
    media = sum(len(sequence.media) for sequence in sequences)
    row = to_row(sequences, np.zeros((media, 1, 1, 3), np.uint8), np.ones(media, np.int32), 0, 1.0)
    batch = collate([row], 64, tokens.pad_id, ("example",))
    render_picture(batch, 0).save(Path(__file__).with_name("mask.png"), optimize=True)
    print(media_string(batch, 0))
    print(render_text(batch, 0, tokens))


if __name__ == "__main__":
    main()
