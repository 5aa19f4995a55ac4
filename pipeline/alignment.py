"""Images and paragraphs by similarity, beside the order of the page."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def paragraphs(texts: Sequence[str | None]) -> list[str]:
    """The paragraphs of a sample: its texts, in order, cut at empty lines."""
    return [part for text in texts if text is not None for part in text.split("\n\n")]


def similarity_matrix(images: NDArray[np.float32], texts: NDArray[np.float32]) -> list[list[float]]:
    """Cosines of unit embeddings, a row an image and a column a paragraph, to three decimals."""
    return [[round(float(value), 3) for value in row] for row in images @ texts.T]


def assign(similarity: Sequence[Sequence[float]]) -> list[int]:
    """For each image a paragraph of its own so that similarities add up to the most, as mmc4 places images (Zhu et al.
    2023); -1 where there are fewer paragraphs than images."""
    from scipy.optimize import linear_sum_assignment

    if not similarity or not similarity[0]:
        return [-1] * len(similarity)
    places = [-1] * len(similarity)
    for image, paragraph in zip(*linear_sum_assignment(np.array(similarity), maximize=True), strict=True):
        places[int(image)] = int(paragraph)
    return places
