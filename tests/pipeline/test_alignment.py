import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alignment import assign, paragraphs, similarity_matrix


def test_paragraphs_are_the_texts_cut_at_empty_lines() -> None:
    assert paragraphs(["one\n\ntwo", None, "three\nstill"]) == ["one", "two", "three\nstill"]


def test_similarities_are_cosines() -> None:
    images, texts = np.array([[1, 0], [0.6, 0.8]], np.float32), np.array([[0, 1], [1, 0]], np.float32)
    assert similarity_matrix(images, texts) == [[0.0, 1.0], [0.8, 0.6]]


_sides = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(_sides, st.lists(st.integers(-9, 9), min_size=16, max_size=16))
def test_no_other_assignment_adds_up_to_more(sides: tuple[int, int], values: list[int]) -> None:
    images, columns = sides
    similarity = [values[row * columns : (row + 1) * columns] for row in range(images)]
    places = assign(similarity)
    used = [place for place in places if place >= 0]
    assert len(used) == len(set(used)) == min(sides)
    total = sum(row[place] for row, place in zip(similarity, places, strict=True) if place >= 0)
    small, large = (similarity, columns) if images <= columns else (list(zip(*similarity, strict=True)), images)
    best = max(
        sum(row[place] for row, place in zip(small, chosen, strict=True))
        for chosen in itertools.permutations(range(large), len(small))
    )
    assert total == best


def test_a_page_without_paragraphs_assigns_nothing() -> None:
    assert assign([[], []]) == [-1, -1]
    assert assign([]) == []
