"""Builds on clusters of several nodes, whole and disturbed: the outcome is always that of a build in one process."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.build import build
from tests.crawlers.servers import Reply, WebServer, least_gap_s
from tests.jobs.clusters import BuildCluster, can_mount, disturbed_build, finish_build, running_cluster
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import INLINE, SMALL
from tests.model.makers import page, write_dataset

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
                asked = [line for line in web.log if line.host == host]
                assert len(asked) == images + 3  # policy files
                assert least_gap_s(asked) >= delay_s, nodes


def test_the_number_of_nodes_does_not_change_a_byte(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], cluster: BuildCluster
) -> None:
    for nodes in (1, 2, 4):
        cluster.command(f"nodes {nodes}")
        finish_build(tmp_path / str(nodes), site, cluster.address, SETTINGS)
        assert contents(tmp_path / str(nodes)) == in_peace, nodes


ROWS = """
import sys, weft
from model.data.tokens import byte_tokens
settings = {"datasets": [{"name": "pages", "shards": sys.argv[1], "batch_rows": 2}], "order": {"lanes": 4},
            "images": {"size_px": 160}, "read": {"workers": 2, "workers_are": sys.argv[2], "prefetch_rows": 4}}
with weft.Loader(settings, tokens=byte_tokens()) as loader:
    for number, step in enumerate(loader):
        batch = step["pages"]
        print("step", number, batch.keys, int(batch.tokens_BT.sum()), int(batch.frames_FCHW.long().sum()), flush=True)
        if number == 8:
            break
        if number in (1, 4) and sys.argv[2] == "ray":
            sys.stdin.readline()
"""


def test_rows_for_training_go_on_when_nodes_are_lost(tmp_path: Path, cluster: BuildCluster) -> None:
    """Actors on two nodes, which are lost one after the other, with their stores: what comes is what threads give."""
    cluster.command("nodes 2")
    write_dataset(tmp_path / "pages", [page(n) for n in range(60)])
    command = [sys.executable, "-c", ROWS, str(tmp_path / "pages")]
    expected = subprocess.run([*command, "threads"], capture_output=True, text=True, check=True).stdout
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": cluster.address}
    trainer = subprocess.Popen(
        [*command, "ray"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert trainer.stdin is not None
    assert trainer.stdout is not None
    found = []
    for line in trainer.stdout:
        if not line.startswith("step "):  # Ray tells of nodes that are gone
            continue
        found.append(line)
        if len(found) in (2, 5):
            cluster.command("kill")
            trainer.stdin.write("go on\n")
            trainer.stdin.flush()
    assert trainer.wait() == 0
    assert found == expected.splitlines(keepends=True)
