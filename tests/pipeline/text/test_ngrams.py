import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.ngrams import ngram_hashes, normal_words

_words = st.lists(st.sampled_from("ash birch cedar elm fir".split()), max_size=30)


def test_words_are_told_without_case_punctuation_and_unicode_form() -> None:
    assert normal_words("The CAFÉ, “open” 24/7 — ﬁne!") == ["the", "café", "open", "24", "7", "fine"]
    assert normal_words("Cafe\u0301") == normal_words("café")


def test_characters_of_scripts_without_spaces_are_words() -> None:
    assert normal_words("花の美術館 open") == [*"花の美術館", "open"]


@given(_words, st.integers(1, 6))
def test_equal_ngrams_and_only_they_have_equal_hashes(words: list[str], n: int) -> None:
    hashes = ngram_hashes(words, n).tolist()
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    if len(words) >= n:
        assert len(hashes) == len(grams)
        assert len(set(hashes)) == len(set(grams))
        assert len(set(zip(hashes, grams, strict=True))) == len(set(grams))
    else:
        assert len(hashes) == min(1, len(words))


def test_hashes_are_the_same_in_every_process() -> None:
    code = (
        "from pipeline.text.ngrams import ngram_hashes; print(ngram_hashes('one two three four'.split(), 3).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(ngram_hashes("one two three four".split(), 3).tolist())
    assert ngram_hashes("one two three".split(), 3).dtype == np.uint64
