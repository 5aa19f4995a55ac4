"""What repeats evaluation sets is dropped: texts by shared n-grams, images by their perceptual hash."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.hash_index import HashIndex
from pipeline.text.ngrams import ngram_hashes, normal_words
from schemas.documents import Draft, StoredImage
from schemas.drops import Drop
from schemas.settings import Bounds, Settings

I = TypeVar("I")  # noqa: E741


class DecontaminationRules(Settings, frozen=True):
    """Files of evaluation sets, and what counts as repeating them. Empty lists turn the rules off."""

    bounds: ClassVar[Bounds] = {"max_image_distance": (0, 64), "ngram": (1, math.inf)}

    texts: tuple[str, ...] = ()
    """Paths, globs or fsspec URLs of files: .txt (an item a line), .jsonl and .json (all strings of an object are one
    item), .csv, .tsv and .parquet (all strings of a row)."""
    images: tuple[str, ...] = ()
    """Paths, globs or URLs of image files, and of tars that hold images."""
    ngram: int = 13
    """Words in a row that a page may not share with an item. GPT-3 and after: 13."""
    min_words: int = 8
    """An item with fewer words than `ngram` must be repeated whole; one with fewer than this is ignored."""
    min_shared: int = 1
    """Different n-grams that must be shared before the page goes."""
    max_image_distance: int = 6
    """Bits, of 64, in which the perceptual hash of an image may differ from that of an evaluation image and still count
    as the same."""


class TextIndex:
    """N-grams of evaluation items, by their length in words: hashes, sorted, and beside each the item that has it."""

    def __init__(self, grams: Mapping[int, tuple[NDArray[np.uint64], NDArray[np.int64]]], names: Sequence[str]) -> None:
        self._grams, self._names = grams, names

    def shared(self, text: str) -> tuple[int, str]:
        """How many different n-grams of a text are in the index, and the item that has the first of them."""
        words = normal_words(text)
        count, name = 0, ""
        for n, (hashes, items) in sorted(self._grams.items(), reverse=True):
            if len(words) < n:
                continue
            own = ngram_hashes(words, n)
            places = np.minimum(np.searchsorted(hashes, own), len(hashes) - 1)
            hits = hashes[places] == own
            if hits.any():
                count += len(np.unique(own[hits]))
                name = name or self._names[int(items[places[int(np.argmax(hits))]])]
        return count, name


def item_ngrams(text: str, rules: DecontaminationRules) -> tuple[int, NDArray[np.uint64]]:
    """The length and the hashes of the n-grams by which an item is recognised; none if it is too short."""
    words = normal_words(text)
    if len(words) < rules.min_words:
        return 0, np.zeros(0, np.uint64)
    n = min(rules.ngram, len(words))
    return n, np.unique(ngram_hashes(words, n))


def decontaminate_text(draft: Draft, index: TextIndex, rules: DecontaminationRules) -> Draft:
    """Raises `Drop("evaluation_text")` naming the item. Alt texts and captions count like blocks."""
    shared, name = index.shared("\n".join(block.text for block in draft.texts))
    for image in draft.images:
        if shared < rules.min_shared:
            for text in (image.alt, image.caption, image.title):
                more, item = index.shared(text)
                shared, name = shared + more, name or item
    if shared >= rules.min_shared:
        raise Drop("evaluation_text", f"{shared} n-grams of {name}")
    return draft


class ImageIndex:
    """Perceptual hashes of evaluation images, and their names."""

    def __init__(self, hashes: NDArray[np.uint64], names: Sequence[str], rules: DecontaminationRules) -> None:
        self._index, self._names = HashIndex(hashes, rules.max_image_distance), names

    def check(self, image: StoredImage) -> StoredImage:
        """Raises `Drop("evaluation_image")` naming the item."""
        found = self._index.nearest(int(image.phash, 16))
        if found is not None:
            place, distance = found
            raise Drop("evaluation_image", f"{self._names[place]}, {distance} bits away")
        return image


def checked(decode: Callable[[I], StoredImage], images: ImageIndex | None) -> Callable[[I], StoredImage]:
    """`decode`, and refuse what evaluation sets hold, where there are any."""
    return decode if images is None else lambda item: images.check(decode(item))
