"""`weft crawl`: seeds in, web archives out. One spider a partition of the frontier; a rerun goes on."""

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.items import Item
from crawlers.proxy_settings import check_proxies
from crawlers.scope import partition_of
from crawlers.web_bot_auth import check_bot_auth
from jobs.crawl.own_points import find_points
from jobs.crawl.plan import PLAN, make_plan
from jobs.crawl.progress import CrawlProgress
from jobs.crawl.seeds import read_seeds
from jobs.crawl.since import join_gone, look_back
from jobs.crawl.watch import Watch, is_worked_on
from jobs.crawl.worker import SpiderWorker
from jobs.engine.engine import Engine, EngineSettings, WorkerDied, open_engine
from jobs.engine.own_code import files_of
from jobs.engine.progress import Progress, Shown
from schemas import __version__
from schemas.deny import DenyList, add_to_deny_list
from schemas.hash_lists import check_hash_lists
from schemas.settings import SettingsError
from schemas.storage import Store

logger = logging.getLogger(__name__)

REPORT = "crawl.json"
RECORDS_PLAN = "work/records-plan.json"
STOP, PAUSE = "stop", "pause"  # files by which a run is asked to end, and to rest
_POLL_S = 0.25
_SEEDS_AT_A_TIME = 2000
_MAX_RESTARTS = 20


class CrawlError(Exception):
    """The crawl cannot go on: a full disk, a worker that dies again and again. A rerun goes on from here."""


class CrawlReport(msgspec.Struct, frozen=True):
    """`crawl.json`, written when a run ends. `finished`: nothing is left to visit."""

    finished: bool
    pages: int
    images: int
    videos: int
    bytes: int  # of bodies
    requests: int
    statuses: dict[str, int]
    drops: dict[str, int]  # visits dropped, by reason
    refused: dict[str, int]  # addresses that were not even queued, by reason
    queued: int
    archives: list[str]
    seconds: float  # of the last run
    config: CrawlConfig
    weft_version: str
    unchanged: dict[str, int] = {}  # by kind, what earlier crawls have
    gone: int = 0  # addresses in `gone.txt`


def crawl(
    output: str,
    seeds: Sequence[str],
    config: CrawlConfig,
    engine: EngineSettings,
    deny: Sequence[str] = (),
    max_pages: int = 0,
    max_seconds: float = 0.0,
    status_port: int = 0,
    since: Sequence[str] = (),
) -> CrawlReport:
    """Crawl, or go on crawling, into the folder `output`, until nothing is left or a limit is reached (0: none). What
    earlier crawls have, those `since`, by their folders or archives, is only referred to.

    The limits are looked at a few times a second, so a few pages more may come. Raises `SettingsError` when the call
    is wrong, `CrawlError` when the crawl cannot go on, `StepError` when weft itself is at fault.
    """
    store = Store(output)
    if not store.is_local:
        raise SettingsError(f"{output}: a crawl keeps its frontier in a local or shared folder, not in an object store")
    for _ in read_seeds(seed for seed in seeds if not Path(seed).is_file()):  # refused before anything is written
        pass
    config.render.require_browser()
    points, folder = find_points(config.priority), Path(store.root).absolute()
    check_hash_lists(config.consent.hash_lists)
    check_bot_auth(config.fetch.bot_auth_key, config.fetch.bot_auth_agent)
    check_proxies(config.fetch.proxies)
    try:
        plan = make_plan(store, config, seeds, engine, since)
    except OSError as error:
        raise failure_of(error) from error
    denied = add_to_deny_list(store, deny)
    limits = (max_pages, max_seconds)
    with open_engine(engine, files_of([points] if points is not None else [])) as runner:
        job = Crawl(folder, plan.config, denied, runner, status_port)
        try:
            look_back(folder, plan.since)
            return asyncio.run(job.run(seeds, *limits))
        except (OSError, sqlite3.Error, WorkerDied) as error:
            raise failure_of(error) from error


def ask(output: str, wish: Literal["stop", "pause", "resume"]) -> str:
    """Ask the crawl that works on `output` for something; it looks a few times a second. Returns a line where none does
    and that matters. Raises `SettingsError`."""
    folder = Path(Store(output).root)
    if not (folder / PLAN).is_file() and not (folder / RECORDS_PLAN).is_file():
        raise SettingsError(f"{output} holds no crawl")
    if wish == "resume":
        (folder / PAUSE).unlink(missing_ok=True)
        return ""
    (folder / wish).touch()
    if is_worked_on(folder):
        return ""
    return f"no run works on {output}" + (": the next one waits for --resume" if wish == "pause" else "")


def tell_paused(folder: Path) -> None:
    logger.warning("paused until %s is removed, as `weft crawl --resume` does", folder / PAUSE)


class Crawl:
    """Starts the workers, carries items between them, and knows when all is done."""

    _called, _knows_end = "crawl", False  # nobody knows where a crawl ends

    def __init__(
        self,
        folder: Path,
        config: CrawlConfig,
        deny: DenyList,
        engine: Engine,
        status_port: int = 0,
        shown: Shown | None = None,
    ) -> None:
        """`shown`: what takes the line of the crawl; None: one of its own."""
        self._watch, self._shown = Watch(folder, status_port), shown
        self._folder, self._config, self._deny, self._engine = folder, config, deny, engine
        self._workers: list[SpiderWorker] = []
        self._runs: list[asyncio.Task[None]] = []
        self._restarts: Counter[int] = Counter()
        self._is_paused = self._has_looked_back = False

    async def run(self, seeds: Sequence[str], max_pages: int, max_seconds: float) -> CrawlReport:
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            await stack.enter_async_context(self._watch)
            for partition in range(self._config.partitions):
                self._workers.append(await self._start(partition))
            (self._folder / STOP).unlink(missing_ok=True)  # it was meant for the run before, which is over
            await self._seed(seeds)
            self._runs = [asyncio.create_task(worker.run()) for worker in self._workers]
            with self._shown or Progress(self._called) as shown:
                progress = CrawlProgress(shown, self._knows_end)
                statuses = await self._drive(progress, started, max_pages, max_seconds)
            for worker in self._workers:
                await worker.stop()
            await asyncio.gather(*self._runs)
            statuses = await self._statuses()
            self._watch.show(statuses, progress, is_over=True)
            refused: Counter[str] = Counter()
            for worker in self._workers:
                refused.update(await worker.export())
        return self._report(statuses, refused, time.monotonic() - started)

    async def _start(self, partition: int) -> SpiderWorker:
        arguments = (str(self._folder), partition, self._config, self._deny.lines)
        worker = self._engine.start_worker(SpiderWorker, arguments, of=self._config.partitions)
        await worker.open()
        return worker

    async def _close(self) -> None:
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        for worker in self._workers:
            try:
                await worker.close()
            except Exception as error:  # a dead worker has nothing left to close
                logger.debug("closing a worker: %r", error)

    async def _seed(self, seeds: Sequence[str]) -> None:
        items = read_seeds(seeds)
        while batch := list(islice(items, _SEEDS_AT_A_TIME)):
            homes: dict[int, list[Item]] = {}
            for item in batch:
                homes.setdefault(partition_of(item.url, self._config.partitions), []).append(item)
            for partition, own in homes.items():
                await self._workers[partition].offer(own)

    async def _drive(self, progress: CrawlProgress, started: float, max_pages: int, max_seconds: float) -> list[Status]:
        earlier: int | None = None  # pages of runs before this one
        while True:
            await self._revive()
            try:
                statuses = await self._statuses()
                carried = await self._deliver()
                is_idle = not carried and all(status.is_idle for status in statuses)
                is_done = is_idle and not await self._look_back()
            except WorkerDied:
                continue
            progress.show(statuses)
            self._watch.show(statuses, progress, self._is_paused)
            await self._pause((self._folder / PAUSE).exists())
            pages = sum(status.visits.get("page", 0) for status in statuses)
            earlier = pages if earlier is None else earlier
            is_over = (max_pages and pages - earlier >= max_pages) or (
                max_seconds and time.monotonic() - started >= max_seconds
            )
            is_over = is_over or (self._folder / STOP).exists()
            # What reaches a worker comes through here: idle, all of them, and nothing carried means that all is done.
            if is_over or is_done:
                progress.show(statuses, last=True)
                return statuses
            await asyncio.sleep(_POLL_S)

    async def _look_back(self) -> bool:
        """Once all is done that links lead to: have asked for what earlier crawls had beyond. Whether there is any."""
        if self._has_looked_back:
            return False
        found = sum([await worker.offer_known() for worker in self._workers])
        self._has_looked_back = True
        return found > 0

    async def _pause(self, is_paused: bool) -> None:
        if is_paused != self._is_paused:
            self._is_paused = is_paused
            if is_paused:
                tell_paused(self._folder)
            for worker in self._workers:
                await worker.pause(is_paused)

    async def _statuses(self) -> list[Status]:
        return list(await asyncio.gather(*(worker.status() for worker in self._workers)))

    async def _deliver(self) -> int:
        """Carry what workers found for others; delivered twice is delivered once."""
        carried = 0
        for worker in self._workers:
            waiting = await worker.outbox()
            homes: dict[int, list[Item]] = {}
            for _, partition, item in waiting:
                homes.setdefault(partition, []).append(item)
            for partition, items in homes.items():
                await self._workers[partition].offer(items)
            if waiting:
                await worker.delivered([number for number, _, _ in waiting])
            carried += len(waiting)
        return carried

    async def _revive(self) -> None:
        """Start workers anew that died; raise what ended the others."""
        for partition, run in enumerate(self._runs):
            if not run.done():
                continue
            error = run.exception()
            if error is None or not isinstance(error, WorkerDied):
                raise failure_of(error)
            self._restarts[partition] += 1
            if self._restarts[partition] > _MAX_RESTARTS:
                raise CrawlError(f"the worker of partition {partition} died {_MAX_RESTARTS} times: {error}")
            logger.warning("the worker of partition %d died and is started anew", partition)
            self._workers[partition] = await self._start(partition)
            self._runs[partition] = asyncio.create_task(self._workers[partition].run())
            await self._workers[partition].pause(self._is_paused)

    def _report(self, statuses: list[Status], refused: Counter[str], seconds: float) -> CrawlReport:
        def total(name: str) -> Counter[str]:
            return sum((Counter(getattr(status, name)) for status in statuses), Counter())

        visits, queued = total("visits"), sum(status.queued + status.unsent for status in statuses)
        archives = sorted(path.name for path in (self._folder / "warc").glob("weft-*.warc.gz"))
        report = CrawlReport(
            finished=queued == 0,
            pages=visits["page"],
            images=visits["image"],
            videos=visits["video"],
            bytes=sum(status.bytes for status in statuses),
            requests=sum(status.requests for status in statuses),
            statuses=dict(sorted(total("statuses").items())),
            drops=dict(sorted(total("drops").items())),
            refused=dict(sorted(refused.items())),
            queued=queued,
            archives=archives,
            seconds=round(seconds, 2),
            config=self._config,
            weft_version=__version__,
            unchanged=dict(sorted(total("unchanged").items())),
            gone=join_gone(self._folder),
        )
        Store(str(self._folder)).put(REPORT, msgspec.json.format(msgspec.json.encode(report), indent=1))
        return report


def failure_of(error: BaseException | None) -> BaseException:
    if isinstance(error, OSError | sqlite3.Error | WorkerDied):
        return CrawlError(f"{type(error).__name__}: {error}. What was recorded stays; the same command goes on")
    return error or CrawlError("a worker ended too early")
