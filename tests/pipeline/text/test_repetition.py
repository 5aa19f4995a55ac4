from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.repetition import Ngrams, duplicate_shares

WORDS = st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", "ä", ""]), max_size=40)


def naive_top_share(words, n):
    """Over all n-grams that occur most often: the longest one's characters times its count, over all characters."""
    grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
    counts = Counter(grams)
    most = max(counts.values(), default=0)
    if most < 2:
        return 0.0
    longest = max(sum(map(len, gram)) for gram, count in counts.items() if count == most)
    return most * longest / max(1, sum(map(len, words)))


def naive_duplicate_share(words, n):
    """Characters of words covered by an n-gram that also starts further left, over all characters."""
    covered = set()
    for at in range(len(words) - n + 1):
        if any(words[earlier : earlier + n] == words[at : at + n] for earlier in range(at)):
            covered |= set(range(at, at + n))
    return sum(len(words[at]) for at in covered) / max(1, sum(map(len, words)))


@given(WORDS, st.integers(1, 12))
def test_the_top_share_equals_a_naive_count(words, n):
    assert Ngrams(words).top_share(n) == pytest.approx(naive_top_share(words, n))


@given(WORDS, st.integers(1, 12))
def test_the_duplicate_share_equals_a_naive_comparison_of_all_pairs(words, n):
    assert Ngrams(words).duplicate_share(n) == pytest.approx(naive_duplicate_share(words, n))


@given(WORDS, st.permutations(range(1, 8)))
def test_the_order_in_which_measures_are_asked_for_does_not_matter(words, order):
    shared = Ngrams(words)
    for n in order:
        assert shared.duplicate_share(n) == Ngrams(words).duplicate_share(n)
        assert shared.top_share(n) == Ngrams(words).top_share(n)


def test_shares_of_small_texts_by_hand():
    ngrams = Ngrams("to be or not to be".split())  # 13 characters
    assert ngrams.top_share(2) == pytest.approx(2 * 4 / 13)  # "to be" twice
    assert ngrams.duplicate_share(2) == pytest.approx(4 / 13)  # the second "to be"
    assert ngrams.top_share(3) == 0.0
    assert ngrams.duplicate_share(3) == 0.0


def test_among_equally_frequent_ngrams_the_longest_counts():
    assert Ngrams("a b x a b long words y long words".split()).top_share(2) == pytest.approx(2 * 9 / 24)


def test_a_word_in_several_repeated_ngrams_counts_once():
    assert Ngrams(["x"] * 10).duplicate_share(3) == pytest.approx(0.9)  # all but the first word


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b"], [""]])
def test_a_text_shorter_than_the_ngram_repeats_nothing(words):
    assert Ngrams(words).top_share(3) == 0.0
    assert Ngrams(words).duplicate_share(3) == 0.0


def test_ten_thousand_different_words_are_told_apart():
    words = [f"w{number}" for number in range(10_000)]
    ngrams = Ngrams(words)
    assert ngrams.duplicate_share(10) == 0.0
    again = Ngrams(words + words[:10])
    assert again.duplicate_share(10) == pytest.approx(sum(map(len, words[:10])) / sum(map(len, words + words[:10])))


# --- lines and paragraphs


@pytest.mark.parametrize(
    ("parts", "share", "characters"),
    [
        ([], 0.0, 0.0),
        (["a"], 0.0, 0.0),
        (["a", "b"], 0.0, 0.0),
        (["a", "a"], 0.5, 0.5),
        (["aaa", "b", "b", "b"], 2 / 4, 2 / 6),
        (["a", "b", "a", "b", "a"], 3 / 5, 3 / 5),
        (["", ""], 0.5, 0.0),
    ],
)
def test_all_occurrences_but_the_first_are_duplicates(parts, share, characters):
    assert duplicate_shares(parts) == (pytest.approx(share), pytest.approx(characters))


@given(st.lists(st.sampled_from(["", "a", "bb", "ccc"]), min_size=1, max_size=20))
def test_duplicate_shares_equal_a_naive_count(parts):
    repeated = [part for at, part in enumerate(parts) if part in parts[:at]]
    share, characters = duplicate_shares(parts)
    assert share == pytest.approx(len(repeated) / len(parts))
    assert characters == pytest.approx(sum(map(len, repeated)) / max(1, sum(map(len, parts))))
