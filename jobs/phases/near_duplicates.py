"""Near-duplicate pages: which share a band of their signatures, which are connected by that, and which of them stays.

Pages are nodes, and an edge joins two that share a band. The connected components are found by alternating large-star
and small-star rounds (Kiveris et al. 2014), each a map/reduce step over the edges: no task holds more than the edges of
its bucket of nodes. At the end every node has one edge, to the smallest node of its component.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.phases.duplicates import LEFT, TEXTS, Losers
from jobs.phases.run import Phases
from jobs.phases.task import Phase, Task
from schemas.buckets import buckets_of_ints
from schemas.drops import StepError
from schemas.shuffle import BucketWriter

EDGES = {"node": pa.int64(), "other": pa.int64()}
Ints = NDArray[np.int64]
_MAX_ROUNDS = 60  # each pair of rounds at least halves the depth of a component


def link_bands(task: Task) -> None:
    """For one bucket of bands: join the pages that share one to the smallest of them."""
    edges, rows = task.writer("edges", EDGES), task.rows(TEXTS, "bands")
    if rows is not None:
        nodes, smallest = share_a_key(rows.column("band").to_numpy(), rows.column("uid").to_numpy())
        _add(edges, *both_ways(nodes, smallest), task.plan.buckets)


def stars(number: int) -> Phase:
    """The phase of a round: even numbers are large-star rounds, odd ones small-star."""
    return Phase(f"stars-{number:02d}", "buckets", star_round)


def star_round(task: Task, number: int) -> None:
    """One round for one bucket of nodes. `unfinished` of a large-star round tells nodes that do not form stars yet."""
    edges = task.writer("edges", EDGES)
    nodes, others = _read_edges(task, stars(number - 1) if number else LINKS)
    if number % 2 == 0:
        task.unfinished = count_unfinished(nodes, others)
        _add(edges, *large_star(nodes, others), task.plan.buckets)
    else:
        _add(edges, *both_ways(*small_star(nodes, others)), task.plan.buckets)


def group_pages(task: Task, last_round: int) -> None:
    """For one bucket of pages: give each the smallest page of its component, itself where it is alone."""
    groups, pages = task.writer("pages", {"root": pa.int64(), **LEFT}), task.rows(TEXTS, "pages")
    leaves, roots = _read_edges(task, stars(last_round))
    if pages is not None:
        root = pages.column("uid").to_numpy().copy()
        if len(leaves):
            position = np.minimum(np.searchsorted(leaves, root), len(leaves) - 1)
            root = np.where(leaves[position] == root, roots[position], root)
        buckets = buckets_of_ints(root, task.plan.buckets)
        groups.add_table(buckets, pages.append_column("root", pa.array(root)))


def dedup_similar(task: Task) -> None:
    """For one bucket of components: keep the newest page of each."""
    losers, pages = Losers(task), task.rows(GROUPS, "pages")
    if pages is not None:
        losers.keep_newest(pages, "root", "near_duplicate")


def share_a_key(keys: Ints, nodes: Ints) -> tuple[Ints, Ints]:
    """For nodes with equal keys: each but the smallest, and that one; pairs are distinct."""
    order = np.lexsort((nodes, keys))
    keys, nodes = keys[order], nodes[order]
    smallest = nodes[_starts_of(keys)]
    return _distinct(nodes, smallest)


def large_star(nodes: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Edges by node, both ways, distinct and sorted: join the larger neighbours of each node to the smallest of all."""
    smallest = np.minimum(nodes, others[_starts_of(nodes)])
    larger = others > nodes
    return _distinct(others[larger], smallest[larger])


def small_star(nodes: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Edges by their larger node, distinct and sorted: join each node and its neighbours to the smallest of these."""
    smallest = others[_starts_of(nodes)]
    return _distinct(np.concatenate([nodes, others]), np.concatenate([smallest, smallest]))


def count_unfinished(nodes: Ints, others: Ints) -> int:
    """How many nodes have a smaller neighbour and another one besides; 0 exactly when all components are stars."""
    starts = np.flatnonzero(_is_start(nodes))
    degrees = np.diff(np.append(starts, len(nodes)))
    return int(((others[starts] < nodes[starts]) & (degrees > 1)).sum())


def both_ways(nodes: Ints, others: Ints) -> tuple[Ints, Ints]:
    return np.concatenate([nodes, others]), np.concatenate([others, nodes])


def _distinct(nodes: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Sorted by node and other, without repetitions and loops."""
    order = np.lexsort((others, nodes))
    nodes, others = nodes[order], others[order]
    kept = (_is_start(nodes) | _is_start(others)) & (nodes != others)
    return nodes[kept], others[kept]


def _is_start(values: Ints) -> NDArray[np.bool_]:
    """Where a run of equal values begins."""
    starts = np.ones(len(values), np.bool_)
    starts[1:] = values[1:] != values[:-1]
    return starts


def _starts_of(values: Ints) -> Ints:
    """For each value the place where its run begins."""
    return np.maximum.accumulate(np.where(_is_start(values), np.arange(len(values)), 0))


def _read_edges(task: Task, phase: Phase) -> tuple[Ints, Ints]:
    rows = task.rows(phase, "edges")
    if rows is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return _distinct(rows.column("node").to_numpy(), rows.column("other").to_numpy())


def _add(edges: BucketWriter, nodes: Ints, others: Ints, buckets: int) -> None:
    rows = pa.table({"node": nodes, "other": others}, schema=pa.schema(list(EDGES.items())))
    edges.add_table(buckets_of_ints(nodes, buckets), rows)


LINKS = Phase("bands", "buckets", link_bands)
GROUPS = Phase("groups", "buckets", group_pages)
SIMILAR = Phase("similar", "buckets", dedup_similar)


def find_near_duplicates(phases: Phases) -> None:
    """Run the phases that find them: rounds until all components are stars, two in most corpora."""
    phases.run(LINKS, spent={TEXTS: ["bands"]})
    last = _find_components(phases)
    phases.run(GROUPS, last, spent={TEXTS: ["pages"], stars(last): ["edges"]})
    phases.run(SIMILAR, spent={GROUPS: ["pages"]})


def _find_components(phases: Phases) -> int:
    """The number of the last round."""
    before = LINKS
    for number in range(0, _MAX_ROUNDS, 2):
        large, small = stars(number), stars(number + 1)
        if not any(commit.unfinished for commit in phases.run(large, number, spent={before: ["edges"]})):
            return number
        phases.run(small, number + 1, spent={large: ["edges"]})
        before = small
    raise StepError(f"near-duplicates do not settle in {_MAX_ROUNDS} rounds")
