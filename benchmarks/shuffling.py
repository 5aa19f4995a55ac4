"""How well an epoch is shuffled: python -m benchmarks.shuffling

100 shards of 1,000 samples, read by one rank in the loader's order. For each 256 samples in a row: from how many shards
they come, and how often a sample is followed by one of the same shard, beside a perfect shuffle of all samples.
"""

import itertools
import random

from model.data.config import OrderSettings
from model.data.order import Order, Position

SHARDS, SAMPLES, WINDOW = 100, 1000, 256


def epoch(order: OrderSettings) -> list[int]:
    """The shard of each sample of an epoch; lanes take turns."""
    found = Order([SAMPLES] * SHARDS, order.seed, order.lanes, order.shuffle_block, order.shuffle)
    longest = max(map(found.length, range(order.lanes)))
    positions = [(lane, n) for n in range(longest) for lane in range(order.lanes) if n < found.length(lane)]
    return [found.sample(lane, Position(0, n))[0] for lane, n in positions]


def print_mixing(name: str, shards: list[int]) -> None:
    windows = [shards[start : start + WINDOW] for start in range(0, len(shards) - WINDOW, WINDOW)]
    distinct = sum(len(set(window)) for window in windows) / len(windows)
    same = sum(one == other for one, other in itertools.pairwise(shards)) / len(shards)
    print(f"{name:28} {distinct:5.1f} shards in {WINDOW} samples, {same:.1%} followed by one of the same shard")


def main() -> None:
    perfect = [shard for shard in range(SHARDS) for _ in range(SAMPLES)]
    random.Random(0).shuffle(perfect)
    print_mixing("perfect", perfect)
    for lanes in (1, 4, 16, 64):
        print_mixing(f"{lanes} lanes, blocks of 4096", epoch(OrderSettings(lanes=lanes)))
    print_mixing("16 lanes, not shuffled", epoch(OrderSettings(shuffle=False)))


if __name__ == "__main__":
    main()
