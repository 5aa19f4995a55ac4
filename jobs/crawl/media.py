"""A crawl of media alone: what a build wants of the web comes into archives beside it, each address once.

Hosts are hashed over workers, which read from the build's store what is wanted of theirs.
"""

import asyncio
import logging
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.items import ASKED, Item
from jobs.crawl.drive import Crawl, CrawlError, CrawlReport, failure_of
from jobs.crawl.mirror import Mirror
from jobs.crawl.worker import SpiderWorker
from jobs.engine.engine import Engine, WorkerDied
from jobs.engine.progress import Shown
from schemas.deny import DenyList
from schemas.lease import Lease
from schemas.shuffle import BucketReader
from schemas.storage import Store

__all__ = ["CrawlError", "fetch_wanted"]

_ROWS_AT_A_TIME = 1000
_QUEUED = "queued"  # the name of the fact that all is
#: Of a store of objects: how often it is looked whether an archive is whole, and how old one may grow.
_LOOK_EVERY_S, _ROLL_EVERY_S = 5.0, 600.0
_BEAT_EVERY_S = 10.0

logger = logging.getLogger(__name__)


def fetch_wanted(
    store: Store,
    folder: str,
    config: CrawlConfig,
    deny: DenyList,
    wanted: Sequence[Sequence[str]],
    engine: Engine,
    max_hours: float,
    shown: Shown | None = None,
    status_port: int = 0,
) -> CrawlReport:
    """Fetch, or go on fetching, what files of rows in `store` ask each worker for, into the folder of this name there.
    Meanwhile its state is served at `status_port` of this machine, as of a crawl.

    `shown` takes the line of the crawl in place of a line of its own. Raises `SettingsError` where that port is taken,
    `CrawlError` when it cannot go on, `StepError` when weft itself is at fault.
    """
    job = _MediaCrawl(store, folder, config, deny, wanted, engine, shown, status_port)
    try:
        return asyncio.run(job.run((), 0, max_hours * 3600))
    except (OSError, sqlite3.Error, WorkerDied) as error:
        raise failure_of(error) from error


def _scratch_beside(store: Store) -> "tempfile.TemporaryDirectory[str] | None":
    """Where a crawl keeps its files before they go to a store of objects; in a folder they stand there at once."""
    return None if store.is_local else tempfile.TemporaryDirectory(prefix="weft-media-")


def _own_folder(store: Store, folder: str, scratch: "tempfile.TemporaryDirectory[str] | None") -> Path:
    return Path(scratch.name) if scratch is not None else Path(store.path(folder)).absolute()


class _MediaCrawl(Crawl):
    """Its workers find their seeds themselves."""

    _called, _knows_end = "fetch", True

    def __init__(
        self,
        store: Store,
        folder: str,
        config: CrawlConfig,
        deny: DenyList,
        wanted: Sequence[Sequence[str]],
        engine: Engine,
        shown: Shown | None,
        status_port: int,
    ) -> None:
        self._scratch = _scratch_beside(store)
        super().__init__(_own_folder(store, folder, self._scratch), config, deny, engine, status_port, shown)
        self._store, self._name, self._wanted = store, folder, wanted

    async def _start(self, partition: int) -> SpiderWorker:
        wanted = list(self._wanted[partition])
        arguments = (self._name, partition, self._config, self._deny.lines, self._store.url, wanted)
        worker = self._engine.start_worker(MediaWorker, arguments, of=self._config.partitions)
        await worker.open()
        return worker


class MediaWorker(SpiderWorker):
    """A spider that asks for what rows of a build name, and for nothing that this leads to."""

    def __init__(
        self, folder: str, partition: int, config: CrawlConfig, denied: list[str], store: str, wanted: list[str]
    ) -> None:
        self._store, self._wanted = Store(store), wanted
        self._scratch = _scratch_beside(self._store)
        own = _own_folder(self._store, folder, self._scratch)
        self._mirror: Mirror | None = None
        self._lease: Lease | None = None  # in a folder, a lock of the spider does as much
        if self._scratch is not None:
            self._mirror = Mirror(self._store, folder, own, partition)
            self._lease = Lease(self._store, f"{folder}/work/leases/{partition:03d}")
        super().__init__(str(own), partition, config, denied)

    async def open(self) -> None:
        """Take the partition, and queue what is wanted of its hosts unless it was met before."""
        if self._mirror is not None and self._lease is not None:
            await asyncio.to_thread(self._lease.take)
            self._owning = asyncio.create_task(self._own(self._lease))
            await asyncio.to_thread(self._mirror.restore)
        await super().open()
        frontier = self._spider.frontier
        if frontier.fact(_QUEUED):  # what phases have asked for stays what it is
            return
        for table in BucketReader(self._store).groups(self._wanted, self._partition):
            for rows in table.select([ASKED]).to_batches(max_chunksize=_ROWS_AT_A_TIME):
                packed = rows.column(0).to_pylist()
                self._spider.offer([msgspec.msgpack.decode(item, type=Item) for item in packed])
                await asyncio.sleep(0)
        with frontier.transaction():
            frontier.set_fact(_QUEUED, b"all")

    async def run(self) -> None:
        """As a crawl; what is whole is sent to a store of objects now and then."""
        sending = asyncio.create_task(self._send(self._mirror)) if self._mirror is not None else None
        try:
            await super().run()
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _own(self, lease: Lease) -> None:
        """Say that the hosts of the partition have an owner, or stop asking them."""
        while await asyncio.to_thread(lease.beat):
            await asyncio.sleep(_BEAT_EVERY_S)
        logger.warning("partition %d has another owner now", self._partition)
        self._spider.stop()

    async def close(self) -> None:
        await super().close()
        if self._lease is not None:
            self._owning.cancel()
            await asyncio.to_thread(self._lease.give_back)
        if self._scratch is not None:
            self._scratch.cleanup()

    async def _send(self, mirror: Mirror) -> None:
        rolled = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if time.monotonic() - rolled >= _ROLL_EVERY_S:
                self._spider.roll()
                rolled = time.monotonic()
            if mirror.has_news:
                await asyncio.to_thread(self._publish, mirror)

    def _publish(self, mirror: Mirror) -> None:
        """Unless another owner has gone on from what was sent before."""
        if self._lease is not None and self._lease.beat():
            mirror.publish()

    async def export(self) -> dict[str, int]:
        """What became of each address stays in the frontier; the phase that reads it tells."""
        if self._mirror is not None:
            await asyncio.to_thread(self._publish, self._mirror)
        return self._spider.frontier.refused()
