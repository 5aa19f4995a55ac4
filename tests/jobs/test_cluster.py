"""Builds on clusters of several nodes, whole and disturbed: the outcome is always that of a build in one process."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.build import build
from tests.jobs.clusters import BuildCluster, can_mount, disturbed_build, finish_build, running_cluster
from tests.jobs.conftest import contents
from tests.jobs.test_build import INLINE, SMALL

SETTINGS = ("partitions=3", "buckets=2")


@pytest.fixture(scope="module")
def cluster() -> Iterator[BuildCluster]:
    with running_cluster(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("peace") / "out"
    build(str(folder), [str(path) for path in site], SMALL, INLINE)
    return contents(folder)


@pytest.mark.parametrize(("fault", "seed"), [("node", 1), ("driver", 2), ("worker", 3)])
def test_a_fault_at_a_random_moment_leaves_no_trace(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], cluster: BuildCluster, fault: str, seed: int
) -> None:
    disturbed_build(fault, random.Random(seed), tmp_path / "out", site, cluster, SETTINGS)
    assert contents(tmp_path / "out") == in_peace


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small file system")
def test_a_full_disk_stops_the_build_and_a_larger_one_finishes_it(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], cluster: BuildCluster
) -> None:
    disturbed_build("disk", random.Random(4), tmp_path / "out", site, cluster, SETTINGS)
    assert contents(tmp_path / "out") == in_peace


def test_the_number_of_nodes_does_not_change_a_byte(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], cluster: BuildCluster
) -> None:
    for nodes in (1, 2, 4):
        cluster.command(f"nodes {nodes}")
        finish_build(tmp_path / str(nodes), site, cluster.address, SETTINGS)
        assert contents(tmp_path / str(nodes)) == in_peace, nodes
