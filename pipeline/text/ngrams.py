"""Word n-grams as 64-bit numbers, the same on every machine: what near-duplicates and overlaps are found by."""

import re
import unicodedata
import zlib

import numpy as np
from numpy.typing import NDArray

from schemas.buckets import mixed

# A word; each character of a script that is written without spaces.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_SPACELESS}]|[^\\W{_SPACELESS}]+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def normal_words(text: str) -> list[str]:
    """The words of a text without case, punctuation and differences of Unicode form."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def ngram_hashes(words: list[str], n: int) -> NDArray[np.uint64]:
    """One number for each n-gram, in order, shape (len(words) - n + 1,); of fewer than n words one for all of them."""
    if not words:
        return np.zeros(0, np.uint64)
    numbers = np.array([zlib.crc32(word.encode("utf-8", "replace")) for word in words], np.uint64)
    n = min(n, len(words))
    sums = numbers[: len(words) - n + 1].copy()
    for offset in range(1, n):
        sums = sums * _FACTOR + numbers[offset : len(words) - n + 1 + offset]
    return mixed(sums)
