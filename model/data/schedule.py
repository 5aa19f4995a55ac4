"""Which lane gives the next row: a pure function of what was taken so far, known to the loader and to every worker."""

from collections.abc import Iterator

import msgspec

from model.data.config import LoaderConfig
from model.data.sequences import rng_of


class Taken(msgspec.Struct):
    """Turns taken: of each dataset, and draws of the mixture."""

    turns: list[int]
    draws: int = 0


def schedule(config: LoaderConfig, rank: int, lanes: int, taken: Taken) -> Iterator[tuple[int, int]]:
    """Dataset, and which of the rank's `lanes`, of each next row, for ever; counts in `taken`.

    Each dataset goes round its lanes. A lane that has ended keeps its turn, which gives nothing.
    """
    datasets = config.datasets
    shares = [dataset.share for dataset in datasets]

    def turn(number: int) -> tuple[int, int]:
        taken.turns[number] += 1
        return number, (taken.turns[number] - 1) % lanes

    while True:
        if config.mix == "sampled":
            rng = rng_of(config.order.seed, "mix", rank, taken.draws)
            taken.draws += 1
            yield turn(rng.choices(range(len(datasets)), shares)[0])
            continue
        for number, dataset in enumerate(datasets):
            for _ in range(dataset.batch_rows):
                yield turn(number)
