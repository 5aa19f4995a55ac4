"""Builds on clusters of several nodes, whole and disturbed: the outcome is always that of a build in one process."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.build import build
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.clusters import BuildCluster, can_mount, disturbed_build, finish_build, running_cluster
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
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


def test_on_any_number_of_nodes_each_image_is_asked_for_once_at_the_pace_of_its_host(
    tmp_path: Path, cluster: BuildCluster
) -> None:
    hosts, images, delay_s = [f"cdn{number}.example" for number in range(4)], 4, 0.25
    urls = [f"http://{host}/{number}.jpg" for number in range(images) for host in hosts]
    pages = [  # of domains that have nothing to do with hosts; each image stands on several
        (f"http://site{number}.example/", article(number, [urls[number], urls[-number]]).encode(), "text/html")
        for number in range(len(urls))
    ]
    archive = write_archive(tmp_path / "pages.warc.gz", pages)
    with WebServer({f"{url[7:]}": Reply(photo(seed), "image/jpeg") for seed, url in enumerate(urls)}) as web:
        names = json.dumps(dict.fromkeys(hosts, web.address))
        media = [
            "partitions=1",
            "buckets=1",
            "media.from_web=true",
            "media.partitions=4",
            f"media.fetch.connect_to={names}",
        ]
        media += [f"media.pace.delay_s={delay_s}", "media.pace.rest_factor=0", "corpus.max_image_places=null"]
        for nodes in (1, 4):
            cluster.command(f"nodes {nodes}")
            web.log.clear()
            finish_build(tmp_path / f"media-{nodes}", [archive], cluster.address, media)
            assert Counter((line.host, line.path) for line in web.log if "jpg" in line.path) == Counter(
                (url.split("/")[2], "/" + url.rpartition("/")[2]) for url in urls
            )
            for host in hosts:
                times = sorted(line.time for line in web.log if line.host == host)
                assert len(times) == images + 3  # policy files
                in_three = [after - before for before, after in zip(times, times[3:], strict=False)]
                assert min(in_three) > 3 * (delay_s - 0.03), nodes  # a busy machine logs one late


def test_the_number_of_nodes_does_not_change_a_byte(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], cluster: BuildCluster
) -> None:
    for nodes in (1, 2, 4):
        cluster.command(f"nodes {nodes}")
        finish_build(tmp_path / str(nodes), site, cluster.address, SETTINGS)
        assert contents(tmp_path / str(nodes)) == in_peace, nodes
