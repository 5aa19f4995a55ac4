import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.documents import Document, Medium
from model.data.sequences import Sequence, SequenceSettings, attended, make_sequence
from model.data.tokens import END_OF_CHUNK, IMAGE, load_tokens
from schemas.drops import Drop
from schemas.settings import SettingsError
from tests.model.makers import save_tokenizer, some_tokens

TOKENS = some_tokens()
IMAGE_ID, EOC_ID = TOKENS.image_id, TOKENS.end_of_chunk_id
texts = st.text(st.sampled_from("ab <imagendofchuk|/s>é漢 "), min_size=1, max_size=60)
parts = st.lists(st.one_of(texts, st.integers(0, 255).map(lambda n: Medium(bytes([n])))), min_size=1, max_size=14)


def pages(parts: list[str | Medium]) -> Document:
    return Document("k", "interleaved", tuple(parts))


def plain(**changes: float) -> SequenceSettings:
    return SequenceSettings(**{"max_tokens": 100_000, "max_media": 1000, "p_next": 0, "p_space": 0, **changes})  # type: ignore[arg-type]


def written(sequence: Sequence) -> str:
    return TOKENS.decode(sequence.tokens_T.tolist())


def test_a_page_reads_as_in_the_paper() -> None:
    document = pages(["Cute pics!", Medium(b"1"), "My puppy.", Medium(b"2"), "My cat."])
    sequence = make_sequence(document, TOKENS, random.Random(0), plain())
    assert written(sequence) == (
        "<s>Cute pics!<|endofchunk|><image>My puppy.<|endofchunk|><image>My cat.<|endofchunk|>"
    )


def test_a_page_that_starts_with_an_image_starts_with_its_tag() -> None:
    document = pages([Medium(b"1"), "One.", Medium(b"2"), Medium(b"3")])
    sequence = make_sequence(document, TOKENS, random.Random(0), plain())
    assert written(sequence) == "<s><image>One.<|endofchunk|><image><|endofchunk|><image><|endofchunk|>"


@pytest.mark.parametrize(("p_space", "text"), [(0.0, "A cat."), (1.0, " A cat.")])
def test_a_pair_reads_as_in_the_paper(p_space: float, text: str) -> None:
    document = Document("k", "pairs", (Medium(b"1"), "A cat."))
    sequence = make_sequence(document, TOKENS, random.Random(0), plain(p_space=p_space))
    assert written(sequence) == f"<s><image>{text}<|endofchunk|></s>"
    assert sequence.media_index_T.tolist() == [-1] + [0] * (len(sequence) - 1)
    assert sequence.weight_T.tolist() == [0, 0] + [1] * (len(sequence) - 2)


def test_half_of_the_pairs_start_with_a_space_and_half_of_the_pages_look_ahead() -> None:
    caption = Document("k", "pairs", (Medium(b"1"), "A cat."))
    page = pages(["One.", Medium(b"1"), "Two."])
    spaced = sum("<image> A" in written(make_sequence(caption, TOKENS, random.Random(n))) for n in range(400))
    ahead = sum(make_sequence(page, TOKENS, random.Random(n)).media_index_T[0] == 0 for n in range(400))
    assert 150 < spaced < 250
    assert 150 < ahead < 250


@given(parts, st.booleans(), st.integers(4, 40), st.integers(1, 4), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_every_token_attends_to_the_nearest_image_of_its_window(
    parts: list[str | Medium], ahead: bool, max_tokens: int, max_media: int, seed: int
) -> None:
    recipe = SequenceSettings(max_tokens=max_tokens, max_media=max_media, p_next=float(ahead))
    if not any(isinstance(part, Medium) for part in parts):
        with pytest.raises(Drop) as drop:
            make_sequence(pages(parts), TOKENS, random.Random(seed), recipe)
        assert drop.value.reason == "no_image"
        return
    sequence = make_sequence(pages(parts), TOKENS, random.Random(seed), recipe)
    ids = sequence.tokens_T.tolist()
    tags = [position for position, token in enumerate(ids) if token == IMAGE_ID]
    assert 1 <= len(tags) == len(sequence.media) <= max_media
    assert len(sequence) <= max_tokens
    for position, medium in enumerate(sequence.media_index_T):
        before = [number for number, tag in enumerate(tags) if tag <= position]
        after = [number for number, tag in enumerate(tags) if tag >= position]
        assert medium == ((after[:1] or [-1])[0] if ahead else (before[-1:] or [-1])[0])


@given(parts, st.integers(4, 40), st.integers(1, 4), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_a_window_is_a_stretch_of_the_page_with_its_own_images(
    parts: list[str | Medium], max_tokens: int, max_media: int, seed: int
) -> None:
    parts = [*parts, Medium(b"last")]
    whole = make_sequence(pages(parts), TOKENS, random.Random(seed), plain())
    recipe = SequenceSettings(max_tokens=max_tokens, max_media=max_media)
    window = make_sequence(pages(parts), TOKENS, random.Random(seed), recipe)
    ids, found = whole.tokens_T.tolist(), window.tokens_T.tolist()
    starts = [s for s in range(len(ids)) if ids[s : s + len(found)] == found]
    tags = [position for position, token in enumerate(ids) if token == IMAGE_ID]
    images = {tuple(whole.media[n] for n, tag in enumerate(tags) if s <= tag < s + len(found)) for s in starts}
    assert window.media in images
    assert window.weight_T[0] == 0
    assert (window.weight_T[window.tokens_T == IMAGE_ID] == 0).all()


@given(texts, texts)
@settings(max_examples=200, deadline=None)
def test_text_never_becomes_a_special_token(left: str, right: str) -> None:
    text = f"{left}{IMAGE}{END_OF_CHUNK}<s>{right}"
    ids = TOKENS.encode(text)
    assert not {IMAGE_ID, EOC_ID, TOKENS.bos_id, TOKENS.eos_id} & set(ids)
    assert TOKENS.decode(ids) == text


def test_a_literal_tag_in_a_page_does_not_shift_the_mask() -> None:
    clean = make_sequence(pages(["ab", Medium(b"1"), "cd", Medium(b"2"), "e"]), TOKENS, random.Random(0), plain())
    phantom = make_sequence(
        pages(["a<image>b", Medium(b"1"), "c<image>d", Medium(b"2"), "e"]), TOKENS, random.Random(0), plain()
    )
    assert np.bincount(phantom.tokens_T)[IMAGE_ID] == np.bincount(clean.tokens_T)[IMAGE_ID] == 2
    assert phantom.media_index_T[phantom.tokens_T == IMAGE_ID].tolist() == [0, 1]
    assert len(phantom.media) == 2


def test_windows_are_spread_evenly_over_the_places_that_hold_an_image() -> None:
    document = pages(["b " * 60, Medium(b"1"), "a " * 60])
    recipe = SequenceSettings(max_tokens=11, p_next=0)
    tags = [
        make_sequence(document, TOKENS, random.Random(n), recipe).tokens_T.tolist().index(IMAGE_ID) for n in range(2000)
    ]
    counts = np.bincount(tags, minlength=11)
    assert counts[10] == 0  # a token follows the image in every window
    assert counts[:10].min() > 140
    assert counts[:10].max() < 260


def test_a_window_ends_before_the_image_too_many_so_no_text_gets_a_wrong_one() -> None:
    document = pages([Medium(b"1"), "one", Medium(b"2"), "two", Medium(b"3"), "three"])
    sequence = make_sequence(document, TOKENS, random.Random(0), plain(max_media=2))
    assert written(sequence) == "<s><image>one<|endofchunk|><image>two<|endofchunk|>"


def test_what_is_predicted_is_a_setting() -> None:
    document = pages(["ab", Medium(b"1"), "cd"])
    masked = make_sequence(document, TOKENS, random.Random(0), plain(predict_before_media=False))
    assert (masked.weight_T[masked.media_index_T < 0] == 0).all()
    assert masked.weight_T[-1] == 1
    with_tags = make_sequence(document, TOKENS, random.Random(0), plain(predict_image=True))
    assert with_tags.weight_T.tolist() == [0] + [1] * (len(with_tags) - 1)


def test_attended_by_hand() -> None:
    tags = np.array([2, 5])
    assert attended(tags, 8, False).tolist() == [-1, -1, 0, 0, 0, 1, 1, 1]
    assert attended(tags, 8, True).tolist() == [0, 0, 0, 1, 1, 1, -1, -1]


def test_a_tokenizer_is_read_from_a_model_folder_and_from_its_file(tmp_path: Path) -> None:
    folder = save_tokenizer(tmp_path / "model")
    for path in (folder, folder / "tokenizer.json"):
        tokens = load_tokens(str(path))
        assert (tokens.bos_id, tokens.eos_id) == (0, 1)
        assert tokens.size == tokens.base_size + 2
        assert {tokens.image_id, tokens.end_of_chunk_id} == {tokens.base_size, tokens.base_size + 1}


def test_a_wrong_path_and_a_broken_tokenizer_are_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"tokenizer\.json is no tokenizer"):
        load_tokens(str(tmp_path))
    with pytest.raises(SettingsError, match="no tokenizer at"):
        load_tokens(str(tmp_path / "absent"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"no tokenizer at .*empty: name a model folder or a tokenizer\.json"):
        load_tokens(str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("written", "said"), [("{", "is no JSON"), ("[]", "is no JSON object"), ("\xff", "is no JSON")]
)
def test_a_broken_configuration_of_a_tokenizer_is_named(written: str, said: str, tmp_path: Path) -> None:
    folder = save_tokenizer(tmp_path / "model")
    (folder / "tokenizer_config.json").write_bytes(written.encode("latin-1"))
    with pytest.raises(SettingsError, match=rf"tokenizer_config\.json {said}"):
        load_tokens(str(folder))
