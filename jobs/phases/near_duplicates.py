"""Near-duplicate pages: which share a band of their signatures, which hang together by that, and which of them stays.

Pages are nodes, and an edge joins two that share a band. The connected components are found by alternating large-star
and small-star rounds (Kiveris et al. 2014), each a map/reduce step over the edges: no task holds more than the edges of
its bucket of nodes. At the end every node has one edge, to the smallest node of its component.
"""

from contextlib import ExitStack

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.phases.duplicates import LEFT, LOSERS, keep_newest, open_writer, work_files
from jobs.phases.plan import read_plan
from schemas.buckets import BucketWriter, buckets_of_ints, read_bucket
from schemas.commits import Attempt, Commit
from schemas.drop_files import DropFile
from schemas.drops import Counts, Tally
from schemas.storage import Store

EDGES = {"node": pa.int64(), "other": pa.int64()}
Ints = NDArray[np.int64]


def link_bands(output: str, bucket: int) -> Commit:
    """For one bucket of bands: join the pages that share one to the smallest of them."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "bands", bucket) as attempt:
        with ExitStack() as stack:
            edges = open_writer(attempt, stack, "bands", bucket, "edges", EDGES)
            rows = read_bucket(store, work_files("texts", plan.buckets, "bands"), bucket)
            if rows is not None:
                nodes, smallest = share_a_key(rows.column("band").to_numpy(), rows.column("uid").to_numpy())
                _add(edges, *both_ways(nodes, smallest), plan.buckets)
        return attempt.commit(Counts())


def round_phase(number: int) -> str:
    """The phase of a round: even numbers are large-star rounds, odd ones small-star."""
    return f"stars-{number:02d}"


def star_round(output: str, number: int, bucket: int) -> Commit:
    """One round for one bucket of nodes. `unfinished` of a large-star round tells nodes that do not form stars yet."""
    plan, store = read_plan(output), Store(output)
    phase = round_phase(number)
    source = round_phase(number - 1) if number else "bands"
    with Attempt(store, phase, bucket) as attempt:
        with ExitStack() as stack:
            edges = open_writer(attempt, stack, phase, bucket, "edges", EDGES)
            nodes, others = _read_edges(store, work_files(source, plan.buckets, "edges"), bucket)
            unfinished = 0
            if number % 2 == 0:
                unfinished = count_unfinished(nodes, others)
                _add(edges, *large_star(nodes, others), plan.buckets)
            else:
                _add(edges, *both_ways(*small_star(nodes, others)), plan.buckets)
        return attempt.commit(Counts(), unfinished=unfinished)


def group_pages(output: str, last_round: int, bucket: int) -> Commit:
    """For one bucket of pages: give each the smallest page of its component, itself where it is alone."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "groups", bucket) as attempt:
        with ExitStack() as stack:
            groups = open_writer(attempt, stack, "groups", bucket, "pages", {"root": pa.int64(), **LEFT})
            pages = read_bucket(store, work_files("texts", plan.buckets, "pages"), bucket)
            names = work_files(round_phase(last_round), plan.buckets, "edges")
            leaves, roots = _read_edges(store, names, bucket)
            if pages is not None:
                root = pages.column("uid").to_numpy().copy()
                if len(leaves):
                    place = np.minimum(np.searchsorted(leaves, root), len(leaves) - 1)
                    root = np.where(leaves[place] == root, roots[place], root)
                groups.add_table(buckets_of_ints(root, plan.buckets), pages.append_column("root", pa.array(root)))
        return attempt.commit(Counts())


def dedup_similar(output: str, bucket: int) -> Commit:
    """For one bucket of components: keep the newest page of each."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "similar", bucket) as attempt:
        with DropFile(attempt, f"drops/similar-{bucket:06d}.parquet") as drops, ExitStack() as stack:
            tally = Tally(drops.add)
            losers = open_writer(attempt, stack, "similar", bucket, "losers", LOSERS)
            pages = read_bucket(store, work_files("groups", plan.buckets, "pages"), bucket)
            if pages is not None:
                keep_newest(pages, "root", "near_duplicate", losers, tally)
        return attempt.commit(tally.counts())


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


def _read_edges(store: Store, names: list[str], bucket: int) -> tuple[Ints, Ints]:
    rows = read_bucket(store, names, bucket)
    if rows is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return _distinct(rows.column("node").to_numpy(), rows.column("other").to_numpy())


def _add(edges: BucketWriter, nodes: Ints, others: Ints, buckets: int) -> None:
    rows = pa.table({"node": nodes, "other": others}, schema=pa.schema(list(EDGES.items())))
    edges.add_table(buckets_of_ints(nodes, buckets), rows)
