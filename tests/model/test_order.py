import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.order import Order, Position, lanes_of
from schemas.settings import SettingsError


def epoch_of(order: Order, epoch: int, lanes: list[int]) -> list[tuple[int, int]]:
    return [order.sample(lane, Position(epoch, n)) for lane in lanes for n in range(order.length(lane))]


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=9).filter(lambda counts: sum(counts) > 0),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 30),
    st.integers(0, 3),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_each_sample_once_an_epoch_for_any_shards_lanes_and_ranks(
    counts: list[int], lanes: int, world: int, block: int, epoch: int, shuffle: bool
) -> None:
    lanes = min(lanes, sum(counts))
    world = min(world, lanes)
    found = [
        sample
        for rank in range(world)
        for sample in epoch_of(Order(counts, 5, lanes, block, shuffle), epoch, lanes_of(rank, world, lanes))
    ]
    assert sorted(found) == [(shard, n) for shard, count in enumerate(counts) for n in range(count)]
    lengths = [Order(counts, 5, lanes, block, shuffle).length(lane) for lane in range(lanes)]
    assert max(lengths) - min(lengths) <= 1


def test_a_place_gives_its_sample_whatever_was_asked_before() -> None:
    order = Order([7, 9, 4], 1, 2, 4)
    positions = [(lane, Position(epoch, n)) for epoch in (0, 1, 2) for lane in (0, 1) for n in range(10)]
    forward = [order.sample(*position) for position in positions]
    assert [order.sample(*position) for position in reversed(positions)] == forward[::-1]
    assert [Order([7, 9, 4], 1, 2, 4).sample(*position) for position in positions] == forward


def test_places_follow_each_other_into_the_next_epoch() -> None:
    order = Order([5], 0, 2, 4)
    assert [order.length(lane) for lane in (0, 1)] == [2, 3]
    assert order.after(0, Position(0, 0)) == Position(0, 1)
    assert order.after(0, Position(0, 1)) == Position(1, 0)


def test_epochs_and_seeds_have_their_own_order() -> None:
    first, second = (epoch_of(Order([50, 50], 0, 4, 16), epoch, [0, 1, 2, 3]) for epoch in (0, 1))
    other = epoch_of(Order([50, 50], 1, 4, 16), 0, [0, 1, 2, 3])
    assert len({tuple(first), tuple(second), tuple(other)}) == 3


def test_unshuffled_lanes_read_from_front_to_back() -> None:
    order = Order([3, 3], 0, 1, 4, shuffle=False)
    assert epoch_of(order, 0, [0]) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_the_shuffle_leaves_little_of_the_order_on_disk() -> None:
    """Neighbours on disk lie apart as in a full shuffle of a lane: a third of it, on average."""
    order = Order([1000] * 32, 0, 8, 4000)
    line = epoch_of(order, 0, list(range(8)))
    at = {sample: place for place, sample in enumerate(line)}
    distances = [abs(at[shard, n] - at[shard, n + 1]) for shard in range(32) for n in range(999)]
    assert 1200 < np.mean(distances) < 1500  # 4000 / 3
    shards_of_batch = [len({shard for shard, _ in (line[lane * 4000 + n] for lane in range(8))}) for n in range(100)]
    assert np.mean(shards_of_batch) > 7.9  # one sample of each lane


def test_too_few_samples_or_lanes_are_refused() -> None:
    with pytest.raises(SettingsError, match="3 samples are too few for 4 lanes"):
        Order([1, 2], 0, 4, 8)
    with pytest.raises(SettingsError, match="too few for 8 ranks"):
        lanes_of(0, 8, 4)
    with pytest.raises(SettingsError, match="rank 2 is not one of 2"):
        lanes_of(2, 2, 4)
