"""Copies the records that an index names into archives of ours: one partition, resumable at any moment.

What became of a record stands in a journal (SQLite), written in one transaction with how far the archive is good: after
`kill -9` nothing is asked for again but what was in flight.
"""

import asyncio
import fcntl
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.fetch import Unfetched
from crawlers.index_rows import Row, read_selected
from crawlers.ranges import Gate, open_ranges
from crawlers.records import Stretch, checked, stretches
from crawlers.warc_writer import Position, WarcWriter
from schemas.deny import DenyList
from schemas.drops import Drop

_GRACE_S = 10.0  # in which what is on its way may still come
_DENIED_AT_ONCE = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL, file TEXT NOT NULL, offset INTEGER NOT NULL,
    length INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


class ArchivesDown(OSError):
    """The host of the archives does not answer any more."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of the row of this number: where its copy lies, or why there is none."""

    number: int
    reason: str = ""
    detail: str = ""
    position: Position = Position("", -1, 0)


class CopyStatus(msgspec.Struct):
    """The progress of a partition."""

    copied: int = 0
    drops: dict[str, int] = {}  # by reason
    requests: int = 0  # of this run, those that were tried again included
    bytes: int = 0  # that came in this run


class Journal:
    """What became of the rows of a partition, in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def position(self) -> tuple[str, int]:
        """How far the archive in hand is known to be good."""
        row = self._db.execute("SELECT value FROM facts WHERE name = 'position'").fetchone()
        return msgspec.msgpack.decode(row[0], type=tuple[str, int]) if row else ("", 0)

    def forget_behind(self, file: str, offset: int) -> None:
        """What the disk has lost is to be copied again."""
        self._db.execute("DELETE FROM records WHERE file = ? AND offset >= ?", (file, offset))

    def write(self, outcomes: list[Outcome], position: tuple[str, int]) -> None:
        """All of it or nothing. Raises `OSError` where the disk is full or fails."""
        rows = [
            (
                done.number,
                done.reason,
                done.detail[:500],
                done.position.file,
                done.position.offset,
                done.position.length,
            )
            for done in outcomes
        ]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('position', ?)", (msgspec.msgpack.encode(position),))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise OSError(f"{self._path}: {error}") from error

    def outcomes(self) -> Iterator[Outcome]:
        """By the numbers of their rows."""
        for number, reason, detail, *place in self._db.execute("SELECT * FROM records ORDER BY number"):
            yield Outcome(number, reason, detail, Position(*place))

    def counts(self) -> dict[str, int]:
        """By reason; of copies by ""."""
        return dict(self._db.execute("SELECT reason, count(*) FROM records GROUP BY reason").fetchall())

    def close(self) -> None:
        self._db.close()


class RecordCopier:
    """Copies partition `partition` of the rows in `folder/work/records` to `folder/warc`. An async context manager.

    `info` are fields of the `warcinfo` record; what is denied is not asked for. Raises `BlockingIOError` on entry while
    another process is at it.
    """

    def __init__(
        self,
        folder: Path,
        partition: int,
        archives_at: str,
        config: CrawlConfig,
        info: list[tuple[str, str]],
        deny: DenyList = DenyList(),
    ) -> None:
        self._folder, self._partition, self._config, self._info = folder, partition, config, info
        self._deny = deny
        self._at, self._settings = archives_at, config.ranges
        self._base = folder / "work" / "records" / f"{partition:03d}"
        self._missing: dict[str, str] = {}  # archives that are not there, the last few
        self._held: list[Outcome] = []  # of ranges that failed for good after the last success
        self._failed_in_a_row = 0
        self._going, self._stopped = asyncio.Event(), asyncio.Event()
        self._going.set()
        self.status = CopyStatus()

    async def __aenter__(self) -> "RecordCopier":
        self._lock: IO[str] = open(f"{self._base}.lock", "w")  # noqa: SIM115 - held while this lives
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.journal = Journal(Path(f"{self._base}.sqlite"))
        resume = self.journal.position()
        prefix, max_bytes = f"weft-records-{self._partition:03d}", self._config.max_warc_bytes
        self._warc = WarcWriter(self._folder / "warc", prefix, max_bytes, self._info, resume)
        if self._warc.position[1] < resume[1]:  # a power cut
            self.journal.forget_behind(*self._warc.position)
        counts = Counter(self.journal.counts())
        self.status.copied = counts.pop("", 0)
        self.status.drops = dict(counts)
        self._gate = Gate(self._settings, self._config.partitions)
        self._ranges = open_ranges(self._at, self._config.fetch, self._gate.connections)
        await self._ranges.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._ranges.__aexit__(None, None, None)
        self._warc.close()
        self.journal.close()
        self._lock.close()

    def rows(self) -> Iterator[Row]:
        """All rows of the partition."""
        return read_selected(Path(f"{self._base}.parquet"))

    def stop(self) -> None:
        """Have `run` end: what is on its way is waited for a moment, the rest is left to another run."""
        self._stopped.set()
        self._going.set()

    def pause(self, is_paused: bool) -> None:
        """Ask for nothing any more, or go on."""
        if is_paused and not self._stopped.is_set():
            self._going.clear()
        else:
            self._going.set()

    async def run(self) -> None:
        """Copy what is missing, then give the archive in hand its name. Raises `OSError`, `ArchivesDown` among it."""
        waiting = iter(stretches(self._left(), self._settings))
        connections = [asyncio.create_task(self._work(waiting)) for _ in range(self._gate.connections)]
        copying: asyncio.Future[Any] = asyncio.gather(*connections)
        stopped: asyncio.Future[Any] = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait([copying, stopped], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([copying], timeout=_GRACE_S)
            if copying.done():
                await copying
        finally:
            for task in (*connections, stopped):
                task.cancel()
            await asyncio.gather(copying, stopped, return_exceptions=True)
        if not self._stopped.is_set():
            self._end(self._held)
        self._warc.finish()

    def _left(self) -> Iterator[Row]:
        """Rows without an outcome. The journal is read beside them: what is written meanwhile lies behind."""
        done = (outcome.number for outcome in self.journal.outcomes())
        following = next(done, -1)
        denied: list[Outcome] = []
        for row in self.rows():
            if len(denied) >= _DENIED_AT_ONCE:
                self._end(denied)
                denied = []
            if row.number == following:
                following = next(done, -1)
            elif self._deny.denies(row.url):
                denied.append(Outcome(row.number, "denied"))
            elif row.length > self._settings.max_record_bytes:
                self._end([Outcome(row.number, "too_large", f"{row.length} bytes, as the index says")])
            else:
                yield row
        self._end(denied)

    async def _work(self, waiting: Iterator[Stretch]) -> None:
        for stretch in waiting:
            await self._going.wait()
            if self._stopped.is_set():
                return
            if detail := self._missing.get(stretch.archive):
                self._end([Outcome(row.number, "no_such_archive", detail) for row in stretch.rows])
                continue
            try:
                data = await self._persistently(stretch)
            except Unfetched as failure:
                self._failed(stretch, failure)
                continue
            except Drop as drop:
                if drop.reason == "no_such_archive":
                    self._missing = {**dict(list(self._missing.items())[-100:]), stretch.archive: drop.detail}
                self._gate.answered()
                self._succeeded([Outcome(row.number, drop.reason, drop.detail) for row in stretch.rows])
                continue
            self._succeeded([])
            found = await asyncio.to_thread(self._judged, stretch, data)
            self._end([self._kept(row, record) for row, record in zip(stretch.rows, found, strict=True)])

    async def _persistently(self, stretch: Stretch) -> bytes:
        """The bytes of a range, asked for again while its failure may pass. Raises `Drop`, in the end `Unfetched`."""
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._gate.turn():
                    self.status.requests += 1
                    data = await self._ranges.read(stretch.archive, stretch.start, stretch.end - stretch.start)
            except Unfetched as failure:
                self._gate.failed(failure.after_s)
                if not failure.passing or attempt >= self._settings.max_attempts:
                    raise
                continue
            self._gate.answered()
            self.status.bytes += len(data)
            return data

    def _judged(self, stretch: Stretch, data: bytes) -> list[bytes | Drop]:
        """In a thread."""
        found: list[bytes | Drop] = []
        for row in stretch.rows:
            try:
                found.append(checked(stretch.record(row, data), row, self._settings.max_record_bytes))
            except Drop as drop:
                found.append(drop)
        return found

    def _kept(self, row: Row, record: bytes | Drop) -> Outcome:
        if isinstance(record, Drop):
            return Outcome(row.number, record.reason, record.detail)
        return Outcome(row.number, position=self._warc.copy(record))

    def _failed(self, stretch: Stretch, failure: Unfetched) -> None:
        """Whether a range has failed or its host, the next ones tell: what is the host's fault costs no record."""
        self._held += [Outcome(row.number, failure.reason, failure.detail) for row in stretch.rows]
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._settings.max_failures:
            raise ArchivesDown(
                f"{self._at}: {self._failed_in_a_row} ranges in a row failed, the last: {failure.detail}"
            )

    def _succeeded(self, outcomes: list[Outcome]) -> None:
        self._failed_in_a_row = 0
        held, self._held = self._held, []
        self._end(held + outcomes)

    def _end(self, outcomes: list[Outcome]) -> None:
        if not outcomes:
            return
        self.journal.write(outcomes, self._warc.position)
        for outcome in outcomes:
            if outcome.reason:
                self.status.drops[outcome.reason] = self.status.drops.get(outcome.reason, 0) + 1
            else:
                self.status.copied += 1
