import random

import numpy as np
import pytest

from pipeline.text.minhash import MinHashSettings, band_keys, signature
from pipeline.text.ngrams import ngram_hashes, normal_words

SETTINGS = MinHashSettings()


def text(words: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(100_000)}" for _ in range(words)]


def pair(similarity: float, seed: int, words: int = 400) -> tuple[str, str]:
    """Two texts whose sets of 5-grams have about this Jaccard similarity: one shares a stretch with the other."""
    shared = round(words * 2 * similarity / (1 + similarity))
    common = text(shared, 3 * seed)
    one, two = (common + text(words - shared, 3 * seed + side) for side in (1, 2))
    return " ".join(one), " ".join(two)


def jaccard(one: str, two: str) -> float:
    grams = [set(ngram_hashes(normal_words(side), SETTINGS.ngram).tolist()) for side in (one, two)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def shares_a_band(one: str, two: str) -> bool:
    keys = [set(np.frombuffer(band_keys(side, SETTINGS), "<i8").tolist()) for side in (one, two)]
    return bool(keys[0] & keys[1])


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8, 0.95])
def test_signatures_agree_in_the_share_that_theory_says(similarity: float) -> None:
    errors = []
    for seed in range(60):
        one, two = pair(similarity, seed)
        agreeing = (signature(one, SETTINGS) == signature(two, SETTINGS)).mean()
        errors.append(agreeing - jaccard(one, two))
    theory = (similarity * (1 - similarity) / (SETTINGS.bands * SETTINGS.rows)) ** 0.5
    assert abs(np.mean(errors)) < 3 * theory / 60**0.5 + 0.005
    assert np.std(errors) < 1.5 * theory


@pytest.mark.parametrize("similarity", [0.3, 0.6, 0.72, 0.85])
def test_pairs_are_found_as_often_as_the_bands_promise(similarity: float) -> None:
    pairs = [pair(similarity, seed) for seed in range(150)]
    found = np.mean([shares_a_band(*each) for each in pairs])
    promised = np.mean([1 - (1 - jaccard(*each) ** SETTINGS.rows) ** SETTINGS.bands for each in pairs])
    assert abs(found - promised) < 4 * (promised * (1 - promised) / 150) ** 0.5 + 0.02


def test_equal_texts_share_every_band_and_formatting_does_not_matter() -> None:
    words = text(50, 1)
    assert band_keys(" ".join(words), SETTINGS) == band_keys(",\n".join(words).upper(), SETTINGS)
    assert len(band_keys(" ".join(words), SETTINGS)) == 8 * SETTINGS.bands


def test_a_long_text_is_hashed_like_its_parts() -> None:
    """The chunks in which n-grams are hashed leave no trace."""
    words = text(3000, 2)
    whole = signature(" ".join(words), SETTINGS)
    parts = [signature(" ".join(words[start : start + 104]), SETTINGS) for start in range(0, 3000, 100)]
    assert (whole == np.min(parts, axis=0)).all()


def test_a_text_without_words_has_no_bands() -> None:
    assert band_keys(" — !", SETTINGS) == b""
    assert len(band_keys("word", SETTINGS)) == 8 * SETTINGS.bands
