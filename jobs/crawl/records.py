"""`weft crawl --from-index`: the records that an index names, out of archives elsewhere, as archives of ours."""

import asyncio
import logging
import os
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
from jobs.crawl.drive import CrawlError
from jobs.crawl.plan import PLAN as CRAWL_PLAN
from jobs.engine.engine import Engine, EngineSettings, WorkerDied, open_engine
from jobs.engine.progress import Progress
from schemas import __version__
from schemas.drop_files import DropFile
from schemas.drops import DropRow
from schemas.settings import SettingsError
from schemas.storage import Store, new_attempt

logger = logging.getLogger(__name__)

PLAN, REPORT = "work/records-plan.json", "records.json"
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
    """`records.json`, written when all is done."""

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


def copy_records(
    output: str,
    index: Sequence[str],
    selection: Selection,
    archives_at: str,
    config: CrawlConfig,
    engine: EngineSettings,
) -> RecordsReport:
    """Copy, or go on copying, the records that rows of an index name into `output/warc`.

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
    config = msgspec.structs.replace(config, partitions=plan.partitions)
    with open_engine(engine) as runner:
        try:
            report = asyncio.run(_run(folder, plan, config, runner))
        except (OSError, WorkerDied) as error:
            raise CrawlError(f"{error}. What was copied stays; the same command goes on") from error
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


async def _run(folder: Path, plan: RecordsPlan, config: CrawlConfig, engine: Engine) -> RecordsReport:
    started = time.monotonic()
    workers = [
        engine.start_worker(CopyWorker, (str(folder), number, plan, config), of=plan.partitions)
        for number in range(plan.partitions)
    ]
    try:
        await asyncio.gather(*(worker.open() for worker in workers))
        running = asyncio.gather(*(worker.run() for worker in workers))
        with Progress("records", plan.selected.records, "records") as progress:
            while not running.done():
                await asyncio.wait([running], timeout=_POLL_S)
                statuses = await asyncio.gather(*(worker.status() for worker in workers))
                _show(progress, statuses)
        await running
        await asyncio.gather(*(worker.export() for worker in workers))
        return _report(folder, plan, statuses, time.monotonic() - started)
    finally:
        for worker in workers:
            try:
                await worker.close()
            except Exception as error:  # a dead worker has nothing left to close
                logger.debug("closing a worker: %r", error)


def _show(progress: Progress, statuses: Sequence[CopyStatus]) -> None:
    drops: Counter[str] = sum((Counter(status.drops) for status in statuses), Counter())
    done = sum(status.copied for status in statuses) + drops.total()
    mb, requests = sum(status.bytes for status in statuses) / 1e6, sum(status.requests for status in statuses)
    parts = [f"{mb:,.1f} MB in {requests:,} requests", *(f"dropped: {name} {n:,}" for name, n in drops.most_common(3))]
    progress.show(done, lambda: ", ".join(parts))


def _report(folder: Path, plan: RecordsPlan, statuses: Sequence[CopyStatus], seconds: float) -> RecordsReport:
    drops: Counter[str] = sum((Counter(status.drops) for status in statuses), Counter())
    if plan.selected.bad:
        drops["bad_row"] = plan.selected.bad
    return RecordsReport(
        rows=plan.selected.rows,
        fitting=plan.selected.fitting,
        records=plan.selected.records,
        copied=sum(status.copied for status in statuses),
        drops=dict(sorted(drops.items())),
        requests=sum(status.requests for status in statuses),
        bytes=sum(status.bytes for status in statuses),
        seconds=round(seconds, 2),
        archives=sorted(path.name for path in (folder / "warc").glob("weft-records-*.warc.gz")),
        plan=plan,
    )


class CopyWorker:
    """A copier with its folder: what runs in a Ray actor, or in this process. Every method is a coroutine."""

    def __init__(self, folder: str, partition: int, plan: RecordsPlan, config: CrawlConfig) -> None:
        self._folder, self._partition, self._plan = folder, partition, plan
        info = [("description", f"records named by an index, copied from archives at {plan.archives_at}")]
        info += [("operator", config.fetch.contact)] if config.fetch.contact else []
        self._copier = RecordCopier(Path(folder), partition, plan.archives_at, config, info)

    async def open(self) -> None:
        try:
            await self._copier.__aenter__()
        except BlockingIOError:
            raise OSError(f"another process copies partition {self._partition} of {self._folder}") from None

    async def run(self) -> None:
        await self._copier.run()

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
            rows: list[tuple[object, ...]] = []
            for row, outcome in zip(self._copier.rows(), self._copier.journal.outcomes(), strict=True):
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
