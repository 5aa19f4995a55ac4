import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from model.data.tokens import Tokens
from tests.model.makers import some_tokens

_PIECES = ["<unk>", "▁", "▁a", "▁dog", "dog", "▁Output", ":", "▁Question", "s", "▁hot", "▁<", ">", "!"]


def _llama_like(way: str) -> Tokens:
    """A space before whatever is given: by the normaliser (Llama 2, Mistral), or by Metaspace, always or at a start."""
    letters = sorted({letter for piece in _PIECES[1:] for letter in piece} - set(_PIECES))
    vocabulary = {piece: n for n, piece in enumerate([*_PIECES, *letters])}
    tokenizer = tokenizers.Tokenizer(models.Unigram([(piece, -(len(piece) ** 0.5)) for piece in vocabulary], 0, False))
    if way == "normaliser":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=way, split=False)
    tokenizer.decoder = decoders.Metaspace()
    return Tokens(tokenizer)


@pytest.mark.parametrize("way", ["normaliser", "always", "first"])
def test_a_candidate_has_the_pieces_that_it_has_within_its_text(way: str) -> None:
    tokens = _llama_like(way)
    for before, text in (("Output:", " dog"), ("Output:", " hot dogs"), ("Question: a Output:", " a dog")):
        assert tokens.encode(before) + tokens.encode_after(before, text) == tokens.encode(before + text)
    assert tokens.encode_after("Output:", " dog") == [_PIECES.index("▁dog")]
    assert tokens.encode_after("", "dog") == tokens.encode("dog")


def test_where_the_texts_melt_together_the_candidate_is_encoded_alone() -> None:
    tokens = _llama_like("always")
    assert tokens.encode("dog")[-1] != tokens.encode("do")[-1]
    assert tokens.encode_after("do", "g") == tokens.encode("g")
    assert tokens.encode_after("Output:", "") == tokens.encode("")


def test_a_byte_level_tokenizer_says_what_it_said() -> None:
    tokens = some_tokens()
    assert tokens.encode_after("the mat:", " cat") == tokens.encode(" cat")


@pytest.mark.parametrize("last", [3, 4, 7])
def test_new_tokens_have_ids_of_their_own_where_those_of_the_others_have_gaps(last: int) -> None:
    """The library would give them ids by the number of tokens: `<image>` that of c."""
    tokens = Tokens(tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1, "c": last}, [])))
    assert tokens.encode("abc") == [0, 1, last]
    assert (tokens.base_size, tokens.image_id, tokens.end_of_chunk_id) == (last + 1, last + 1, last + 2)
    assert tokens.decode([last, tokens.image_id]) == "c <image>"
