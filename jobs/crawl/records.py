"""`weft crawl --from-index`: the records that an index names, out of archives elsewhere, as archives of ours."""

import asyncio
import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.crawl_config import CrawlConfig
from crawlers.index_rows import Selected, Selection, select_rows
from crawlers.inputs import COMMON_CRAWL
from crawlers.record_copier import CopyStatus, Outcome, RecordCopier
from jobs.crawl.drive import PAUSE, STOP, CrawlError, tell_paused
from jobs.crawl.drive import RECORDS_PLAN as PLAN
from jobs.crawl.plan import PLAN as CRAWL_PLAN
from jobs.crawl.watch import CrawlState, Watch
from jobs.engine.engine import Engine, EngineSettings, WorkerDied, open_engine
from jobs.engine.progress import Progress
from schemas import __version__
from schemas.deny import DenyList, add_to_deny_list
from schemas.drop_files import DropFile
from schemas.drops import DropRow
from schemas.settings import SettingsError
from schemas.storage import Store, new_attempt

logger = logging.getLogger(__name__)

REPORT = "records.json"
_POLL_S = 0.25
_BATCH = 10_000
_COPIES = pa.schema(
    [
        ("url", pa.string()),
        ("source", pa.string()),
        ("source_offset", pa.int64()),
        ("source_length", pa.int64()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
    ]
)


class RecordsPlan(msgspec.Struct, frozen=True):
    """`work/records-plan.json`: what is copied. A rerun must want the same."""

    index: list[str]
    selection: Selection
    archives_at: str
    partitions: int
    weft_version: str
    selected: Selected


class RecordsReport(msgspec.Struct, frozen=True):
    """`records.json`, written when all is done: where `left` is 0."""

    rows: int  # in the index
    fitting: int
    records: int  # that were asked for: each once
    copied: int
    drops: dict[str, int]
    requests: int  # of the last run
    bytes: int  # that came in the last run
    seconds: float  # of the last run
    archives: list[str]
    plan: RecordsPlan
    left: int = 0  # records that were not asked for yet


def copy_records(
    output: str,
    index: Sequence[str],
    selection: Selection,
    archives_at: str,
    config: CrawlConfig,
    engine: EngineSettings,
    deny: Sequence[str] = (),
    max_seconds: float = 0.0,
    status_port: int = 0,
) -> RecordsReport:
    """Copy, or go on copying, the records that rows of an index name into `output/warc`, those of denied addresses left
    out; until nothing is left, for `max_seconds` (0: no limit), or until somebody asks for an end.

    Raises `SettingsError` or `InputError` when the call is wrong, `CrawlError` when it cannot go on.
    """
    store = Store(output)
    if not store.is_local:
        raise SettingsError(f"{output}: records are copied to a local or shared folder, not to an object store")
    if store.exists(CRAWL_PLAN):
        raise SettingsError(f"{output} holds a crawl: give records a folder of their own")
    folder = Path(store.root).absolute()
    plan = _plan(store, folder, list(index), selection, archives_at or COMMON_CRAWL, config, engine)
    if store.exists(REPORT):
        return msgspec.json.decode(store.read(REPORT), type=RecordsReport)
    config, denied = msgspec.structs.replace(config, partitions=plan.partitions), add_to_deny_list(store, deny)
    with open_engine(engine) as runner:
        job = _Copying(folder, plan, config, runner, denied, Watch(folder, status_port))
        try:
            report = asyncio.run(job.run(max_seconds))
        except (OSError, sqlite3.Error, WorkerDied) as error:
            raise CrawlError(f"{error}. What was copied stays; the same command goes on") from error
    if not report.left:
        store.put(REPORT, msgspec.json.format(msgspec.json.encode(report), indent=1))
    return report


def _plan(
    store: Store,
    folder: Path,
    index: list[str],
    selection: Selection,
    archives_at: str,
    config: CrawlConfig,
    engine: EngineSettings,
) -> RecordsPlan:
    """The plan that lies there, if it is for the same records, or a new one. Raises `SettingsError`, `InputError`."""
    if store.exists(PLAN):
        plan = msgspec.json.decode(store.read(PLAN), type=RecordsPlan)
        asked = (index or plan.index, selection, archives_at, config.partitions or plan.partitions)
        if asked != (plan.index, plan.selection, plan.archives_at, plan.partitions):
            raise SettingsError(f"{store.url} holds records of another index or selection: choose another folder")
        _require_connections(plan.partitions, config)
        return plan
    partitions = config.partitions or engine.workers or min(os.cpu_count() or 1, config.ranges.connections)
    _require_connections(partitions, config)
    selected = select_rows(index, selection, archives_at, folder / "work" / "records", partitions)
    if not selected.records:
        raise SettingsError(
            f"none of {selected.rows:,} rows of the index fits, or none has a place: look at its columns"
        )
    plan = RecordsPlan(index, selection, archives_at, partitions, __version__, selected)
    store.put(PLAN, msgspec.json.format(msgspec.json.encode(plan), indent=1))
    return plan


def _require_connections(partitions: int, config: CrawlConfig) -> None:
    """Raises `SettingsError` where the workers together would ask more at a time than they may."""
    if partitions > config.ranges.connections:
        raise SettingsError(
            f"{partitions} workers need a connection each, ranges.connections is {config.ranges.connections}"
        )


class _Copying:
    """One run: its workers, and what is shown and asked of it meanwhile."""

    def __init__(
        self, folder: Path, plan: RecordsPlan, config: CrawlConfig, engine: Engine, deny: DenyList, watch: Watch
    ) -> None:
        self._folder, self._plan, self._watch = folder, plan, watch
        self._workers = [
            engine.start_worker(CopyWorker, (str(folder), number, plan, config, deny.lines), of=plan.partitions)
            for number in range(plan.partitions)
        ]
        self._is_paused = False

    async def run(self, max_seconds: float) -> RecordsReport:
        started = time.monotonic()
        (self._folder / STOP).unlink(missing_ok=True)  # it was meant for a run before
        try:
            async with self._watch:
                await asyncio.gather(*(worker.open() for worker in self._workers))
                running = asyncio.gather(*(worker.run() for worker in self._workers))
                with Progress("records", self._plan.selected.records, "records") as progress:
                    while not running.done():
                        await asyncio.wait([running], timeout=_POLL_S)
                        self._show(progress, await self._statuses())
                        await self._obey(max_seconds and time.monotonic() - started >= max_seconds)
                await running
                await asyncio.gather(*(worker.export() for worker in self._workers))
                statuses = await self._statuses()
                self._watch.keep(self._state(statuses, is_over=True))
                return self._report(statuses, time.monotonic() - started)
        finally:
            for worker in self._workers:
                try:
                    await worker.close()
                except Exception as error:  # a dead worker has nothing left to close
                    logger.debug("closing a worker: %r", error)

    async def _statuses(self) -> list[CopyStatus]:
        return list(await asyncio.gather(*(worker.status() for worker in self._workers)))

    async def _obey(self, is_over: bool | float) -> None:
        """Do what files in the folder ask for."""
        if is_over or (self._folder / STOP).exists():
            for worker in self._workers:
                await worker.stop()
        elif (is_paused := (self._folder / PAUSE).exists()) != self._is_paused:
            self._is_paused = is_paused
            if is_paused:
                tell_paused(self._folder)
            for worker in self._workers:
                await worker.pause(is_paused)

    def _show(self, progress: Progress, statuses: Sequence[CopyStatus]) -> None:
        state = self._state(statuses)
        self._watch.keep(state)
        progress.show(self._plan.selected.records - state.queued, lambda: state.line)

    def _state(self, statuses: Sequence[CopyStatus], is_over: bool = False) -> CrawlState:
        drops = _drops(statuses)
        copied = sum(status.copied for status in statuses)
        size, requests = sum(status.bytes for status in statuses), sum(status.requests for status in statuses)
        worst = [f"dropped: {name} {n:,}" for name, n in drops.most_common(3)]
        left = self._plan.selected.records - copied - drops.total()
        parts = [f"{copied:,} records, {left:,} left, {size / 1e6:,.1f} MB in {requests:,} requests", *worst]
        return CrawlState(
            at=time.time(),
            is_paused=self._is_paused,
            is_over=is_over,
            line=", ".join(parts),
            visits={"record": copied},
            drops=dict(sorted(drops.items())),
            bytes=size,
            requests=requests,
            queued=left,
        )

    def _report(self, statuses: Sequence[CopyStatus], seconds: float) -> RecordsReport:
        drops, selected = _drops(statuses), self._plan.selected
        copied = sum(status.copied for status in statuses)
        left = selected.records - copied - drops.total()
        if selected.bad:
            drops["bad_row"] = selected.bad
        return RecordsReport(
            rows=selected.rows,
            fitting=selected.fitting,
            records=selected.records,
            copied=copied,
            drops=dict(sorted(drops.items())),
            requests=sum(status.requests for status in statuses),
            bytes=sum(status.bytes for status in statuses),
            seconds=round(seconds, 2),
            archives=sorted(path.name for path in (self._folder / "warc").glob("weft-records-*.warc.gz")),
            plan=self._plan,
            left=left,
        )


def _drops(statuses: Sequence[CopyStatus]) -> Counter[str]:
    return sum((Counter(status.drops) for status in statuses), Counter())


class CopyWorker:
    """A copier with its folder: what runs in a Ray actor, or in this process. Every method is a coroutine."""

    def __init__(self, folder: str, partition: int, plan: RecordsPlan, config: CrawlConfig, denied: list[str]) -> None:
        self._folder, self._partition, self._plan = folder, partition, plan
        info = [("description", f"records named by an index, copied from archives at {plan.archives_at}")]
        info += [("operator", config.fetch.contact)] if config.fetch.contact else []
        self._copier = RecordCopier(Path(folder), partition, plan.archives_at, config, info, DenyList(denied))

    async def open(self) -> None:
        for _ in range(2):
            try:
                await self._copier.__aenter__()
                return
            except BlockingIOError:  # who asks for the status holds the lock for a moment
                await asyncio.sleep(0.2)
        raise OSError(f"another process copies partition {self._partition} of {self._folder}")

    async def run(self) -> None:
        await self._copier.run()

    async def stop(self) -> None:
        self._copier.stop()

    async def pause(self, is_paused: bool) -> None:
        self._copier.pause(is_paused)

    async def status(self) -> CopyStatus:
        return self._copier.status

    async def export(self) -> None:
        """Write where each copy came from, `records/{partition}.parquet`, and `drops/records-{partition}.parquet`."""
        store, name = Store(self._folder), f"{self._partition:06d}.parquet"
        places = _Places(store)
        with (
            DropFile(places, f"drops/records-{name}") as drops,
            pq.ParquetWriter(places.create(f"records/{name}"), _COPIES, compression="zstd") as copies,
        ):
            rows, found = list[tuple[object, ...]](), self._copier.rows()
            for outcome in self._copier.journal.outcomes():
                row = next(row for row in found if row.number == outcome.number)
                if outcome.reason:
                    drops.add(DropRow(row.url, "record", outcome.reason, outcome.detail))
                    continue
                rows.append((row.url, row.archive, row.offset, row.length, *_place(outcome)))
                if len(rows) >= _BATCH:
                    copies.write_table(_table(rows))
                    rows = []
            copies.write_table(_table(rows))
        places.finish()

    async def close(self) -> None:
        await self._copier.__aexit__()


def _place(outcome: Outcome) -> tuple[str, int, int]:
    return outcome.position.file, outcome.position.offset, outcome.position.length


def _table(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(_COPIES.names)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, _COPIES.types, strict=True)], _COPIES)


class _Places:
    """Files written aside, named when all are whole: a rerun writes them anew."""

    def __init__(self, store: Store) -> None:
        self._store, self._files = store, list[tuple[object, str, str]]()

    def create(self, name: str) -> object:
        folder, _, _ = name.rpartition("/")
        staged = f"{folder}/.{new_attempt()}.tmp"
        file = self._store.create(staged)
        self._files.append((file, staged, name))
        return file

    def finish(self) -> None:
        for file, staged, name in self._files:
            file.close()  # type: ignore[attr-defined]
            self._store.move(staged, name)
