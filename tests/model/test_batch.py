import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.batch import Batch, collate, normalise, self_attention_mask
from model.data.documents import Document, Medium
from model.data.render import media_string, render_picture, render_text
from model.data.row import Row, to_row
from model.data.sequences import Sequence, SequenceSettings, make_sequence
from tests.model.makers import some_tokens

TOKENS = some_tokens()


def row(sequences: list[Sequence], source: int = 0, weight: float = 1.0) -> Row:
    num_media = sum(len(sequence.media) for sequence in sequences)
    counts = np.arange(1, num_media + 1, dtype=np.int32) % 3 + 1
    frames = np.zeros((int(counts.sum()), 4, 6, 3), np.uint8)
    return to_row(sequences, frames, counts, source, weight)


def sequence(key: str, texts: list[str], p_next: float = 0.0) -> Sequence:
    parts: list[str | Medium] = []
    for text in texts:
        parts += [text, Medium(text.encode())]
    recipe = SequenceSettings(p_next=p_next)
    return make_sequence(Document(key, "interleaved", (*parts, "end")), TOKENS, random.Random(0), recipe)


def two_rows() -> Batch:
    rows = [row([sequence("a", ["one", "two"]), sequence("b", ["three"])]), row([sequence("c", ["four"], 1.0)], 1, 0.2)]
    return collate(rows, 64, TOKENS.pad_id, ("pages", "pairs"))


@given(
    st.lists(
        st.lists(st.lists(st.sampled_from(["a", "bc de", "f"]), min_size=1, max_size=3), max_size=3),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=100, deadline=None)
def test_unpacking_a_batch_gives_the_sequences_back(pages: list[list[list[str]]]) -> None:
    made = [[sequence(f"{b}.{d}", texts) for d, texts in enumerate(documents)] for b, documents in enumerate(pages)]
    rows = [row(of_row) for of_row in made]
    batch = collate(rows, 256, TOKENS.pad_id, ("pages",))
    if batch.keys:
        batch.check()
    sequences = [s for of_row in made for s in of_row]
    media = [medium for s in sequences for medium in s.media]
    assert batch.keys == tuple(s.key for s in sequences)
    for number, expected in enumerate(sequences):
        mine = batch.document_BT == number
        assert batch.tokens_BT[mine].tolist() == expected.tokens_T.tolist()
        assert batch.position_BT[mine].tolist() == list(range(len(expected)))
        assert np.array_equal(batch.loss_weight_BT[mine].numpy(), expected.weight_T)
        attended = [media[m] if m >= 0 else None for m in batch.media_index_BT[mine].tolist()]
        assert attended == [expected.media[m] if m >= 0 else None for m in expected.media_index_T]
    assert int((batch.document_BT >= 0).sum()) == sum(map(len, sequences))


def test_the_mask_as_a_string() -> None:
    batch = collate([row([sequence("a", ["ab", "c"]), sequence("b", ["d"])])], 24, TOKENS.pad_id, ("pages",))
    tokens = len(TOKENS.encode("ab")), len(TOKENS.encode("end"))
    expected = "." * (1 + tokens[0] + 1) + "0" * 3 + "1" * (tokens[1] + 2) + "." * 3 + "2" * (tokens[1] + 2)
    assert media_string(batch, 0) == expected.ljust(24)


def test_the_mask_as_text_says_what_each_stretch_sees() -> None:
    lines = render_text(two_rows(), 1, TOKENS).splitlines()
    assert lines[0].startswith("doc 2  medium 3")
    assert "<s>four<|endofchunk|><image>" in lines[0]
    assert lines[1].startswith("doc 2  nothing")
    assert lines[2].startswith("padding")


def test_the_picture_colours_what_is_attended_and_nothing_else() -> None:
    batch = two_rows()
    picture = render_picture(batch, 0)
    mask = self_attention_mask(batch)[0] & (batch.document_BT[0] >= 0)[:, None]
    cell = picture.height // 64
    coloured = [
        [picture.getpixel(((1 + c) * cell + 4, r * cell + 4)) != (255, 255, 255) for c in range(64)] for r in range(64)
    ]
    assert coloured == mask.tolist()


def test_self_attention_stays_inside_documents() -> None:
    batch = two_rows()
    mask = self_attention_mask(batch)
    assert mask.any(-1).all()
    for b in range(2):
        for t in range(64):
            seen = mask[b, t].nonzero().flatten().tolist()
            document = int(batch.document_BT[b, t])
            same = [s for s in range(t + 1) if int(batch.document_BT[b, s]) == document]
            assert seen == (same if document >= 0 else [t])


def test_weights_carry_the_lambda_of_their_dataset() -> None:
    batch = two_rows()
    assert batch.source_D.tolist() == [0, 0, 1]
    assert set(batch.loss_weight_BT[1].tolist()) == {0.0, float(np.float32(0.2))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: replace(b, media_index_BT=torch.zeros_like(b.media_index_BT)), "padding attends to nothing"),
        (lambda b: replace(b, loss_weight_BT=torch.ones_like(b.loss_weight_BT)), "padding is not predicted"),
        (lambda b: replace(b, media_index_BT=b.media_index_BT.clamp(max=0)), "each medium belongs to one document"),
        (lambda b: replace(b, frames_FCHW=b.frames_FCHW[1:]), "frames are those of the media"),
        (lambda b: replace(b, keys=b.keys[1:]), "a key and a source for each document"),
    ],
)
def test_a_broken_batch_is_told(change, message: str) -> None:  # type: ignore[no-untyped-def]
    two_rows().check()
    with pytest.raises(ValueError, match=message):
        change(two_rows()).check()


def test_frames_lie_channels_last_and_are_normalised_as_asked() -> None:
    batch = two_rows()
    assert batch.frames_FCHW.shape[1:] == (3, 4, 6)
    assert batch.frames_FCHW.is_contiguous(memory_format=torch.channels_last)
    grey = normalise(torch.full((1, 3, 2, 2), 51, dtype=torch.uint8), (0.2, 0.1, 0.0), (1.0, 0.5, 0.25))
    assert torch.allclose(grey[0, :, 0, 0], torch.tensor([0.0, 0.2, 0.8]), atol=1e-6)


def test_a_batch_moves_and_pickles() -> None:
    batch = two_rows()
    again = pickle.loads(pickle.dumps(batch.to("cpu")))
    assert torch.equal(again.media_index_BT, batch.media_index_BT)
    assert again.keys == batch.keys
    assert batch.fill == pytest.approx((batch.document_BT >= 0).sum().item() / 128)
