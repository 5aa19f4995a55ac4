"""Connected components by star rounds, against union-find."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.phases.near_duplicates import both_ways, count_unfinished, large_star, share_a_key, small_star

_edges = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=60)


def components(edges: list[tuple[int, int]]) -> dict[int, int]:
    """Each node that has an edge -> the smallest of its component."""
    parent: dict[int, int] = {}

    def find(node: int) -> int:
        parent.setdefault(node, node)
        while parent[node] != node:
            node = parent[node]
        return node

    for one, two in edges:
        low, high = sorted((find(one), find(two)))
        parent[high] = low
    return {node: find(node) for node in parent}


def ordered(nodes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As the tasks read them: distinct, sorted, without loops."""
    pairs = sorted({(int(a), int(b)) for a, b in zip(nodes, others, strict=True) if a != b})
    array = np.array(pairs, np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def settle(edges: list[tuple[int, int]], max_rounds: int = 30) -> tuple[dict[int, int], int]:
    array = np.array(edges, np.int64).reshape(-1, 2)
    nodes, others = ordered(*both_ways(array[:, 0], array[:, 1]))
    for number in range(max_rounds):
        finished = count_unfinished(nodes, others) == 0
        leaves, roots = large_star(nodes, others)
        if finished:
            return dict(zip(leaves.tolist(), roots.tolist(), strict=True)), number
        nodes, others = ordered(*both_ways(*small_star(*ordered(leaves, roots))))
    raise AssertionError("does not settle")


@given(_edges)
def test_every_node_ends_at_the_smallest_of_its_component(edges: list[tuple[int, int]]) -> None:
    roots, _ = settle(edges)
    assert roots == {node: root for node, root in components(edges).items() if node != root}


@pytest.mark.parametrize("length", [2, 10, 100, 3000])
def test_a_long_chain_settles_in_few_rounds(length: int) -> None:
    numbers = np.random.default_rng(1).permutation(length).tolist()
    roots, rounds = settle(list(itertools.pairwise(numbers)))
    assert set(roots.values()) == {0}
    assert len(roots) == length - 1
    assert rounds <= 2 + 2 * np.log2(length)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 20)), max_size=60))
def test_nodes_that_share_a_key_are_joined_to_the_smallest(rows: list[tuple[int, int]]) -> None:
    array = np.array(rows, np.int64).reshape(-1, 2)
    nodes, smallest = share_a_key(array[:, 0], array[:, 1])
    expected = {
        (node, min(other for key, other in rows if key == own))
        for own, node in rows
        if node != min(other for key, other in rows if key == own)
    }
    assert set(zip(nodes.tolist(), smallest.tolist(), strict=True)) == expected
    assert len(nodes) == len(expected)
