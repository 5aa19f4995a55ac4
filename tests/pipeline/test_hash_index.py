import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.hash_index import HashIndex

_hashes = st.integers(0, 2**64 - 1)


def brute_force(hashes: list[int], wanted: int, max_distance: int) -> tuple[int, int] | None:
    distance, place = min(((own ^ wanted).bit_count(), place) for place, own in enumerate(hashes))
    return (place, distance) if distance <= max_distance else None


@given(st.lists(_hashes, min_size=1, max_size=20), st.data(), st.integers(0, 9), st.integers(0, 12))
def test_the_nearest_is_the_one_that_comparing_with_all_finds(
    hashes: list[int], data: st.DataObject, max_distance: int, flipped: int
) -> None:
    wanted = data.draw(st.sampled_from(hashes))
    for bit in data.draw(st.lists(st.integers(0, 63), min_size=flipped, max_size=flipped)):
        wanted ^= 1 << bit
    index = HashIndex(np.array(hashes, np.uint64), max_distance)
    assert index.nearest(wanted) == brute_force(hashes, wanted, max_distance)


@pytest.mark.parametrize("max_distance", [0, 3, 6, 8])
def test_every_hash_within_the_distance_is_found(max_distance: int) -> None:
    """The pigeonhole argument, on the patterns that spread the differing bits most evenly."""
    rng = random.Random(1)
    hashes = [rng.getrandbits(64) for _ in range(2000)]
    index = HashIndex(np.array(hashes, np.uint64), max_distance)
    for number in range(300):
        place = rng.randrange(len(hashes))
        bits = [16 * (turn % 4) + rng.randrange(16) for turn in range(max_distance)]
        wanted = hashes[place]
        for bit in bits:
            wanted ^= 1 << bit
        found = index.nearest(wanted)
        assert found is not None, number
        assert found[1] <= max_distance


def test_few_of_many_hashes_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes the index scale."""
    hashes = np.random.default_rng(1).integers(0, 2**63, 200_000, dtype=np.uint64)
    index = HashIndex(hashes, 6)
    compared = []
    real = np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda values: compared.append(len(values)) or real(values))
    assert index.nearest(int(hashes[77])) == (77, 0)
    assert compared[0] < 2000


def test_an_empty_index_finds_nothing() -> None:
    assert HashIndex(np.zeros(0, np.uint64), 6).nearest(0) is None
