"""Nodes that are lost with their disks while a build fetches: what is asked for again, by the log of the server.

    python -m benchmarks.lost_nodes [--losses 2] [--nodes 2]

A build on a cluster of this machine, whose output lies on an S3 server and whose images on four hosts of a web server.
In the midst of it a node is ended as by a power cut, its disk is removed, and another takes its place. Who follows
waits until the lost one was not heard for a minute. Prints how often images were asked for again, beside how many of
them the store did not hold when a node was lost, and the least time between requests to a host: of three in a row the
mean, because a busy server, which is in this process, logs one late.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import fsspec

from crawlers.outcomes import read_outcomes
from jobs.crawl.mirror import at_hand
from jobs.phases.fetch import FRONTIERS
from schemas.dataset import read_dataset
from schemas.storage import Store
from schemas.urls import media_key
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.clusters import running_cluster, start_build
from tests.jobs.s3 import Faults, s3_server
from tests.jobs.site import article, photo, write_archive

HOSTS, IMAGES, DELAY_S = [f"cdn{number}.example" for number in range(4)], 60, 0.5
_BETWEEN = 40  # requests between two losses
_DEADLINE_S = 900


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--losses", type=int, default=2)
    parser.add_argument("--nodes", type=int, default=2)
    given = parser.parse_args()
    urls = [f"http://{host}/{number}.jpg" for number in range(IMAGES) for host in HOSTS]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ["AWS_ENDPOINT_URL"] = stack.enter_context(s3_server(Faults()))
        fsspec.filesystem("s3").mkdir("lost")
        routes = {url[7:]: Reply(photo(seed), "image/jpeg") for seed, url in enumerate(urls)}
        web = stack.enter_context(WebServer(dict(routes)))
        pages = [
            (f"http://site{number}.example/", article(number, urls[2 * number : 2 * number + 2]).encode(), "text/html")
            for number in range(len(urls) // 2)
        ]
        archive = write_archive(folder / "pages.warc.gz", pages)
        settings = ["partitions=1", "buckets=1", "media.from_web=true", "media.partitions=2"]
        settings += [f"media.pace.delay_s={DELAY_S}", f"media.max_warc_bytes={6 * len(photo(0))}"]
        settings += [f"media.fetch.connect_to={json.dumps(dict.fromkeys(HOSTS, web.address))}"]
        cluster = stack.enter_context(running_cluster(given.nodes))
        store, unsent = Store("s3://lost/out"), 0
        building = start_build(store.url, [archive], cluster.address, settings)
        for loss in range(given.losses):
            wait_for(web, (loss + 1) * _BETWEEN, building)
            cluster.command("kill")
            asked = set(pictures(web))
            unsent += len(asked - held(store))
            print(f"a node lost after {len(asked)} images, of which the store holds {len(held(store))}", flush=True)
        _, errors = building.communicate(timeout=_DEADLINE_S)
        if building.returncode:
            print(errors[-3000:])
            return 1
        again = sum(pictures(web).values()) - len(urls)
        images = read_dataset(store).kinds["interleaved"].images
        gaps = {host: sorted(line.time for line in web.log if line.host == host) for host in HOSTS}
        least = min(
            (last - first) / 3 for times in gaps.values() for first, last in zip(times, times[3:], strict=False)
        )
        print(
            f"{given.losses} nodes lost, {images} of {len(urls)} images in the dataset; asked for again: {again}, of "
            f"{unsent} that the store did not hold; gaps of {least:.2f} s at least, delay {DELAY_S} s"
        )
        return int(images != len(urls) or again > unsent)


def pictures(web: WebServer) -> Counter[tuple[str, str]]:
    return Counter((line.host, line.path) for line in web.log if line.path.endswith(".jpg"))


def held(store: Store) -> set[tuple[str, str]]:
    """Those images whose bytes lie in an archive of the store, by a frontier that does."""
    by_key = {media_key(f"http://{host}/{n}.jpg"): (host, f"/{n}.jpg") for host in HOSTS for n in range(IMAGES)}
    found = set()
    store.fs.invalidate_cache()
    for name in store.list(FRONTIERS):
        if name.endswith(".sqlite"):
            with at_hand(store, f"{FRONTIERS}/{name}") as path:
                found |= {by_key[each.key] for each in read_outcomes(path) if each.place and each.key in by_key}
    return found


def wait_for(web: WebServer, requests: int, building: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + _DEADLINE_S
    while sum(pictures(web).values()) < requests and time.monotonic() < end and building.poll() is None:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
