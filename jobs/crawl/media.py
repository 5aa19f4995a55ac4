"""A crawl of media alone: what a build wants of the web comes into archives beside it, each address once.

Hosts are hashed over workers, which read from the build's store what is wanted of theirs.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.frontier import Item
from jobs.crawl.drive import Crawl, CrawlError, CrawlReport, failure_of
from jobs.crawl.worker import SpiderWorker
from jobs.engine.engine import Engine, WorkerDied
from schemas.buckets import BucketReader
from schemas.deny import DenyList
from schemas.storage import Store

__all__ = ["CrawlError", "fetch_wanted"]

#: Rows of what is wanted, in the bucket of the partition of its host: an `Item`.
ASKED = "item"
_ROWS_AT_A_TIME = 1000


def fetch_wanted(
    store: Store,
    folder: str,
    config: CrawlConfig,
    deny: DenyList,
    wanted: Sequence[Sequence[str]],
    engine: Engine,
    max_hours: float,
) -> CrawlReport:
    """Fetch, or go on fetching, what files of rows in `store` ask each worker for, into the folder of this name there.

    Raises `CrawlError` when it cannot go on, `StepError` when weft itself is at fault.
    """
    job = _MediaCrawl(store, folder, config, deny, wanted, engine)
    try:
        return asyncio.run(job.run((), 0, max_hours * 3600))
    except (OSError, WorkerDied) as error:
        raise failure_of(error) from error


class _MediaCrawl(Crawl):
    """Its workers find their seeds themselves."""

    def __init__(
        self,
        store: Store,
        folder: str,
        config: CrawlConfig,
        deny: DenyList,
        wanted: Sequence[Sequence[str]],
        engine: Engine,
    ) -> None:
        super().__init__(Path(store.path(folder)).absolute(), config, deny, engine)
        self._store, self._wanted = store, wanted

    async def _start(self, partition: int) -> SpiderWorker:
        wanted = list(self._wanted[partition])
        arguments = (str(self._folder), partition, self._config, self._deny.lines, self._store.url, wanted)
        worker = self._engine.start_worker(MediaWorker, arguments, of=self._config.partitions)
        await worker.open()
        return worker


class MediaWorker(SpiderWorker):
    """A spider that asks for what rows of a build name, and for nothing that this leads to."""

    def __init__(
        self, folder: str, partition: int, config: CrawlConfig, denied: list[str], store: str, wanted: list[str]
    ) -> None:
        super().__init__(folder, partition, config, denied)
        self._rows, self._wanted = Store(store), wanted

    async def open(self) -> None:
        """Take the partition, and queue what is wanted of its hosts unless it was met before."""
        await super().open()
        for table in BucketReader(self._rows).groups(self._wanted, self._partition):
            for rows in table.select([ASKED]).to_batches(max_chunksize=_ROWS_AT_A_TIME):
                packed = rows.column(0).to_pylist()
                self._spider.offer([msgspec.msgpack.decode(item, type=Item) for item in packed])
                await asyncio.sleep(0)

    async def export(self) -> dict[str, int]:
        """What became of each address stays in the frontier; the phase that reads it tells."""
        return self._spider.frontier.refused()
