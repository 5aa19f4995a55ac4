"""Workers that fetch for a build on a store of objects: what is lost with the node of one, and who has its hosts."""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import msgspec
import pyarrow as pa
import pytest

from crawlers.fetch_settings import FetchSettings
from crawlers.items import ASKED, Item
from crawlers.media_settings import MediaSettings, media_crawl
from crawlers.outcomes import Outcome, read_outcomes
from crawlers.pace_settings import PaceSettings
from jobs.crawl import media, mirror
from jobs.crawl.media import MediaWorker
from jobs.crawl.mirror import Mirror, at_hand
from schemas.consent import ConsentSettings
from schemas.lease import Lease
from schemas.storage import Store
from schemas.urls import media_key
from tests.crawlers.servers import Reply, WebServer, least_gap_s
from tests.jobs.site import photo

HOST, IMAGES, DELAY_S = "pictures.example", 24, 0.08
URLS = {media_key(f"http://{HOST}/{number}.jpg"): number for number in range(IMAGES)}
_DEADLINE_S = 60


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        for number in range(IMAGES):
            server.routes[f"{HOST}/{number}.jpg"] = Reply(photo(number), "image/jpeg")
        yield server


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """One of objects; what waits for minutes elsewhere waits for less."""
    monkeypatch.setattr(media, "_LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(media, "_BEAT_EVERY_S", 0.05)
    monkeypatch.setattr(media, "Lease", partial(Lease, patience_s=0.5))
    return Store(f"memory://{uuid4()}")


def worker_of(store: Store, web: WebServer) -> MediaWorker:
    settings = MediaSettings(
        pace=PaceSettings(delay_s=DELAY_S, rest_factor=0.0),
        fetch=FetchSettings(connect_to={HOST: web.address}),
        max_warc_bytes=3 * len(photo(0)),
    )
    return MediaWorker("media", 0, media_crawl(settings, ConsentSettings(), 1), [], store.url, [])


async def begun(worker: MediaWorker) -> "asyncio.Task[None]":
    await worker.open()
    await worker.offer([Item(f"http://{HOST}/{number}.jpg", "image") for number in range(IMAGES)])
    return asyncio.create_task(worker.run())


async def lost(worker: MediaWorker, running: "asyncio.Task[None]") -> None:
    """Its node is gone, and the disk of that: nothing is sent, and nothing given back."""
    for task in (running, worker._owning):
        task.cancel()
    await asyncio.gather(running, worker._owning, return_exceptions=True)
    await worker._spider.__aexit__()
    assert worker._mirror is not None
    await asyncio.to_thread(worker._mirror._publishing.acquire)  # what is being sent is sent
    worker._scratch.cleanup()


async def finished(worker: MediaWorker, running: "asyncio.Task[None]") -> None:
    while not (await worker.status()).is_idle:
        await asyncio.sleep(0.02)
    await worker.stop()
    await running
    await worker.export()
    await worker.close()


def settled(store: Store) -> dict[int, Outcome]:
    """The images that the store says to hold, after a look whether it does."""
    if not store.exists("media/work/frontier/000.sqlite"):
        return {}
    found = {}
    with at_hand(store, "media/work/frontier/000.sqlite") as path:
        for outcome in read_outcomes(path):
            if outcome.place is not None and store.exists(f"media/warc/{outcome.place.file}"):
                found[URLS[outcome.key]] = outcome
                data = store.read_range(f"media/warc/{outcome.place.file}", outcome.place.offset, outcome.place.length)
                assert photo(URLS[outcome.key]) in zlib.decompress(data, 31)
    return found


def requests(web: WebServer) -> Counter[int]:
    return Counter(int(path[1:-4]) for path in web.paths(HOST))


def test_with_a_node_and_its_disk_goes_what_is_in_no_archive_of_the_store(web: WebServer, store: Store) -> None:
    async def crawl() -> None:
        for most in (6, 12, 20):
            worker = worker_of(store, web)
            running = await begun(worker)
            while len(requests(web)) < most:
                await asyncio.sleep(0.01)
            await lost(worker, running)
            safe, asked = settled(store), requests(web)
            assert asked.total() - sum(asked[number] for number in safe) <= 8 + 2 * most  # what it was asked for
            losses.append((set(safe), asked))
        worker = worker_of(store, web)
        await finished(worker, await begun(worker))

    losses: list[tuple[set[int], Counter[int]]] = []
    asyncio.run(asyncio.wait_for(crawl(), _DEADLINE_S))
    assert len(settled(store)) == IMAGES
    assert losses[-1][0]
    for safe, asked in losses:
        assert all(requests(web)[number] == asked[number] for number in safe)
    assert least_gap_s(web.log) >= DELAY_S


def test_archives_that_no_frontier_of_the_store_knows_are_made_again(
    web: WebServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node is lost after it has sent archives, and before what it knows of them."""
    send = Mirror.publish

    def half(mirror: Mirror) -> None:
        frontier = store.read("media/work/frontier/000.sqlite") if sent else None
        send(mirror)
        sent.append("")
        if len(sent) > 1:
            assert frontier is not None
            store.put("media/work/frontier/000.sqlite", frontier)

    async def crawl() -> None:
        monkeypatch.setattr(Mirror, "publish", half)
        worker = worker_of(store, web)
        running = await begun(worker)
        while len(requests(web)) < 18:
            await asyncio.sleep(0.01)
        await lost(worker, running)
        monkeypatch.setattr(Mirror, "publish", send)
        worker = worker_of(store, web)
        await finished(worker, await begun(worker))

    sent: list[str] = []
    asyncio.run(asyncio.wait_for(crawl(), _DEADLINE_S))
    assert len(settled(store)) == IMAGES


def test_a_frontier_in_the_store_names_no_archive_that_is_not_there(
    web: WebServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long an archive takes to be sent, and whatever is finished meanwhile."""

    def slowly(store: Store, path: Path, name: str) -> None:
        if name.endswith(".warc.gz"):
            time.sleep(6 * DELAY_S)
        send(store, path, name)

    send = mirror.send_file
    monkeypatch.setattr(mirror, "send_file", slowly)

    async def crawl() -> None:
        worker = worker_of(store, web)
        running = await begun(worker)
        while len(requests(web)) < 18:
            await asyncio.sleep(0.01)
        await lost(worker, running)
        monkeypatch.setattr(mirror, "send_file", send)
        worker = worker_of(store, web)
        await finished(worker, await begun(worker))

    asyncio.run(asyncio.wait_for(crawl(), _DEADLINE_S))
    assert len(settled(store)) == IMAGES


def test_what_is_wanted_is_queued_once_however_often_a_worker_begins(
    web: WebServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a million addresses that takes minutes."""
    read: list[int] = []

    class Rows:
        def __init__(self, store: Store) -> None:
            pass

        def groups(self, files: list[str], partition: int) -> Iterator[pa.Table]:
            read.append(partition)
            packed = [msgspec.msgpack.encode(Item(f"http://{HOST}/{number}.jpg", "image")) for number in range(3)]
            yield pa.table({ASKED: packed})

    async def crawl() -> None:
        for _ in range(2):
            worker = worker_of(store, web)
            await worker.open()
            await finished(worker, asyncio.create_task(worker.run()))

    monkeypatch.setattr(media, "BucketReader", Rows)
    asyncio.run(asyncio.wait_for(crawl(), _DEADLINE_S))
    assert read == [0]
    assert requests(web) == Counter(range(3))


def test_of_two_who_would_ask_a_host_one_does(web: WebServer, store: Store) -> None:
    """The second goes on where the first has ended, which is soon asked for no more."""

    async def crawl() -> None:
        first, second = worker_of(store, web), worker_of(store, web)
        running = await begun(first)
        following = asyncio.create_task(begun(second))
        await finished(first, running)
        await finished(second, await following)

    asyncio.run(asyncio.wait_for(crawl(), _DEADLINE_S))
    assert requests(web) == Counter(range(IMAGES))
    assert least_gap_s(web.log) >= DELAY_S


def test_who_has_lost_its_hosts_asks_them_no_more(web: WebServer, store: Store) -> None:
    """One that was taken for dead, and is not."""

    async def crawl() -> None:
        first, second = worker_of(store, web), worker_of(store, web)
        running = await begun(first)
        store.put_if_absent("media/work/leases/000/000002", b"another")
        await running
        assert len(requests(web)) < IMAGES
        await finished(second, await begun(second))
        await first.export()  # nor does it put what it knows in place of what they have given since
        await first.close()

    asyncio.run(asyncio.wait_for(crawl(), _DEADLINE_S))
    assert len(settled(store)) == IMAGES
