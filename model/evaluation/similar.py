"""RICES: for each query the examples whose images look most alike, by the frozen vision encoder.

The search is exact: similarities block by block, of which the best are kept. It builds nothing, needs no memory but
one block, and misses nothing; `benchmarks/rices.py` has what it takes over a million images, beside an index of graphs.

Shapes: N items, D width of the features, Q queries, K found.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from model.evaluation.items import Item

Features = npt.NDArray[np.float16]
_BLOCK = 1 << 15  # features
_QUERIES = 1024


class Rows(Protocol):
    """Features [N, D] that may be asked for by numbers, such as an array or a file of them."""

    def __len__(self) -> int: ...
    def __getitem__(self, numbers: npt.NDArray[np.int64]) -> Features: ...


def most_alike(
    features_ND: Rows,
    numbers_N: npt.NDArray[np.int64],
    queries_QD: Features,
    count: int,
    device: str | torch.device = "cpu",
) -> npt.NDArray[np.int64]:
    """Places in `numbers_N` of the `count` features of the largest dot product with each query [Q, K], best first.

    The features are read once for each 1,024 queries. Products are in float32.
    """
    count = min(count, len(numbers_N))
    found_QK = np.empty((len(queries_QD), count), np.int64)
    for first in range(0, len(queries_QD), _QUERIES):
        queries = _floats(queries_QD[first : first + _QUERIES], device)
        best_QK = queries.new_empty((len(queries), 0))
        places_QK = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
        for start in range(0, len(numbers_N), _BLOCK):
            block = _floats(features_ND[numbers_N[start : start + _BLOCK]], device)
            alike = (queries @ block.T).nan_to_num(nan=-math.inf)  # else what is no number would come first
            here_QK, there_QK = alike.topk(min(count, len(block)), dim=1)
            best_QK, kept_QK = torch.cat([best_QK, here_QK], 1).topk(min(count, best_QK.shape[1] + here_QK.shape[1]), 1)
            places_QK = torch.cat([places_QK, there_QK + start], 1).gather(1, kept_QK)
        found_QK[first : first + len(queries)] = places_QK.cpu().numpy()
    return found_QK


def _floats(features: Features, device: str | torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(features)).to(device).float()


def ranked(
    support: Sequence[Item],
    features: Rows,
    rows_N: npt.NDArray[np.int64],
    queries: Sequence[Item],
    queries_QD: Features,
    count: int,
    device: str | torch.device = "cpu",
) -> list[list[int]]:
    """For each query places of the support of its group, never the query itself, the most alike first.

    `rows_N` are the rows of `features` that belong to the support.
    """
    found: list[list[int]] = [[] for _ in queries]
    members: dict[str, list[int]] = {}
    for number, item in enumerate(support):
        members.setdefault(item.group, []).append(number)
    asked: dict[str, list[int]] = {}
    for number, item in enumerate(queries):
        asked.setdefault(item.group, []).append(number)
    for group, of_group in asked.items():
        places_G = np.array(members.get(group, []), np.int64)
        times = Counter(support[place].key for place in places_G.tolist())
        itself = max((times[queries[n].key] for n in of_group), default=0)
        nearest_QK = most_alike(features, rows_N[places_G], queries_QD[of_group], count + itself, device)
        for n, nearest in zip(of_group, places_G[nearest_QK].tolist(), strict=True):
            found[n] = [place for place in nearest if support[place].key != queries[n].key][:count]
    return found
