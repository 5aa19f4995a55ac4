"""The frontier of one partition of a crawl: what is to be visited, what was, and how each host is to be treated.

One SQLite file: memory stays the same however long the crawl. A visit ends in one transaction, which records its
outcome, how far the archive has come, and the links found: after `kill -9` the file holds either all of it or none.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from crawlers.clock import now
from crawlers.frontier_tables import ADDED, ORDER, TABLES, TOTALS
from crawlers.hosts import Host
from crawlers.intake import OF_THE_HOST, Intake
from crawlers.items import DONE, DROPPED, Item, Visit
from crawlers.known_hosts import KnownHosts
from crawlers.origins import host_name
from crawlers.ranking import band_of
from crawlers.scope import ScopeSettings
from crawlers.warc_writer import Payload, Position
from schemas.drops import DropRow

_RETRIED_AT_ONCE = 1000
_CLOCK = "clock"  # the name of the time when the last visit ended
#: The reason of a visit that was no failure: see `done`.
MOVED = "moved"


class Frontier:
    """The state of a partition in `path`. Every change is made in a `transaction`; one process at a time."""

    def __init__(self, path: Path, scope: ScopeSettings) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint = 8000")  # 32 MB: what many transactions change is moved once
        self._db.execute("PRAGMA cache_size = -32768")  # 32 MB
        self._db.executescript(TABLES)
        for table, column, kind in ADDED:
            if column not in {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        self._db.executescript(ORDER + TOTALS)
        self.hosts = KnownHosts(self._db)
        self.intake = Intake(self._db, self.hosts, scope)
        with self.transaction():  # what was in flight when the last process ended is to be visited again
            self._db.execute("UPDATE visits SET state = 0 WHERE state = 1")
            self._db.execute("UPDATE hosts SET queued = (SELECT count(*) FROM visits WHERE host = name AND state = 0)")
            self._db.execute("UPDATE hosts SET waits = queued > 0, queued_then = queued")
            self._db.execute("UPDATE totals SET n = (SELECT total(queued) FROM hosts) WHERE name = 'queued'")
            self._db.execute("UPDATE totals SET n = (SELECT total(queued > 0) FROM hosts) WHERE name = 'waiting'")
            self._set_clock_back()

    def _set_clock_back(self) -> None:
        """Where the clock was set back since the last run, all that waits for a time waits for that much less."""
        last = self.fact(_CLOCK)
        ahead_s = msgspec.msgpack.decode(last, type=float) - now() if last else 0.0
        if ahead_s > 0:
            self._db.execute("UPDATE hosts SET ready_at = ready_at - ?", (ahead_s,))
            self._db.execute("UPDATE visits SET not_before = not_before - ? WHERE state = 0", (ahead_s,))

    def keep_clock(self) -> None:
        """Remember what time it is; in the transaction that ends a visit."""
        self.set_fact(_CLOCK, msgspec.msgpack.encode(now()))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything done inside is kept, or nothing. Raises `OSError` where the disk is full or fails."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as failure:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            if isinstance(failure, sqlite3.OperationalError):
                raise OSError(f"{self._path}: {failure}") from failure
            raise

    def take(self, host: Host) -> Visit | None:
        """The next item of a host, now in flight; None if all of its items wait for a later time."""
        rows = self._db.execute(
            "SELECT id, item, tries, score FROM visits WHERE state = 0 AND host = ? AND not_before <= ? "
            "ORDER BY score DESC, depth, id LIMIT 2",
            (host.name, now()),
        ).fetchall()
        if not rows:
            self._wait_for_first(host)
            return None
        number, packed, tries, score = rows[0]
        self._db.execute("UPDATE visits SET state = 1 WHERE id = ?", (number,))
        self._db.execute(
            "UPDATE hosts SET queued = queued - 1, queued_then = queued - 1, band = ? WHERE name = ?",
            (band_of(rows[-1][3]), host.name),
        )
        item = msgspec.msgpack.decode(packed, type=Item)
        return Visit(number, item if item.score == score else msgspec.structs.replace(item, score=score), tries)

    def _wait_for_first(self, host: Host) -> None:
        row = self._db.execute(
            "SELECT min(not_before) FROM visits WHERE state = 0 AND host = ?", (host.name,)
        ).fetchone()
        if row[0] is not None:
            host.ready_at = max(host.ready_at, float(row[0]))
            self.hosts.touch(host)
        else:
            self._db.execute("UPDATE hosts SET queued = 0 WHERE name = ?", (host.name,))

    def done(self, visit: Visit, position: tuple[str, int] = ("", -1), moved_to: str = "") -> None:
        """The visit's record begins at `position`. `moved_to`: where the address has moved for good."""
        self._db.execute(
            "UPDATE visits SET state = ?, file = ?, offset = ?, reason = ?, detail = ? WHERE id = ?",
            (DONE, *position, MOVED if moved_to else "", moved_to[:500], visit.id),
        )

    def keep_media(self, visit: Visit, position: Position, record_url: str) -> None:
        """Remember where the bytes of a medium lie, which may be in the record of another address."""
        row = (visit.id, position.file, position.offset, position.length, record_url)
        self._db.execute("INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?, ?)", row)

    def drop(self, visit: Visit, reason: str, detail: str, position: tuple[str, int] = ("", -1)) -> None:
        self._db.execute(
            "UPDATE visits SET state = ?, reason = ?, detail = ?, file = ?, offset = ? WHERE id = ?",
            (DROPPED, reason, detail[:500], *position, visit.id),
        )
        if reason not in OF_THE_HOST:
            self.intake.try_alias(visit.id)

    def again(self, visit: Visit, not_before: float, tried: bool = True) -> None:
        """Queue a visit again."""
        self._db.execute(
            "UPDATE visits SET state = 0, tries = tries + ?, not_before = ? WHERE id = ?",
            (int(tried), not_before, visit.id),
        )
        self.hosts.queue(host_name(visit.item.url), visit.item.score)

    def moved(self, visit: Visit, item: Item) -> None:
        """A redirect to another form of the same address: the visit goes on there."""
        self.intake.go_on_at(visit.id, item)

    def give_up_host(self, host: Host, reason: str, detail: str, limit: int) -> list[Item]:
        """Drop what is queued for a host, at most `limit` visits, and return their items; none when all are dropped."""
        rows = self._db.execute(
            "SELECT id, item FROM visits WHERE state = 0 AND host = ? LIMIT ?", (host.name, limit)
        ).fetchall()
        dropped = [(DROPPED, reason, detail[:500], number) for number, _ in rows]
        self._db.executemany("UPDATE visits SET state = ?, reason = ?, detail = ? WHERE id = ?", dropped)
        queued = "SELECT count(*) FROM visits WHERE host = name AND state = 0"
        if rows:
            self._db.execute("UPDATE hosts SET queued = queued - ? WHERE name = ?", (len(rows), host.name))
        else:
            self._db.execute(f"UPDATE hosts SET queued = ({queued}) WHERE name = ?", (host.name,))
        return [msgspec.msgpack.decode(packed, type=Item) for _, packed in rows]

    def retry(self, may_pass: Callable[[str, str], bool], delay_s: float) -> int:
        """Queue again what was dropped for a reason and detail that may have passed, and ask its hosts as if they had
        never failed, after `delay_s`; what they failed for is kept. Returns how many visits that are."""
        last = again = 0
        failed = "SELECT id, item, reason, detail FROM visits WHERE state = ? AND id > ? ORDER BY id LIMIT ?"
        with self.transaction():
            while rows := self._db.execute(failed, (DROPPED, last, _RETRIED_AT_ONCE)).fetchall():
                last = rows[-1][0]
                passing = [(number, item, *why) for number, item, *why in rows if may_pass(*why)]
                dead = [(msgspec.msgpack.decode(item, type=Item).url, *why) for _, item, *why in passing]
                self._db.executemany("INSERT INTO dead VALUES (?, ?, ?)", dead)
                self._db.executemany(
                    "UPDATE visits SET state = 0, tries = 0, not_before = 0, reason = '', detail = '' WHERE id = ?",
                    [(number,) for number, *_ in passing],
                )
                again += len(passing)
            self._db.execute(
                "UPDATE hosts SET queued = (SELECT count(*) FROM visits WHERE host = name AND state = 0), "
                "failures = 0, policies = NULL, ready_at = min(ready_at, ?) "
                "WHERE name IN (SELECT host FROM visits WHERE state = 0)",
                (now() + delay_s,),
            )
            self.hosts.forget()
        return again

    def payload(self, digest: str) -> Payload | None:
        row = self._db.execute("SELECT payload FROM payloads WHERE digest = ?", (digest,)).fetchone()
        return msgspec.msgpack.decode(row[0], type=Payload) if row else None

    def add_payload(self, digest: str, payload: Payload) -> None:
        self._db.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (digest, msgspec.msgpack.encode(payload)))

    def post(self, partition: int, item: Item) -> None:
        """Leave an item for another partition."""
        packed = msgspec.msgpack.encode(item)
        self._db.execute("INSERT INTO outbox (partition, item) VALUES (?, ?)", (partition, packed))

    def outbox(self, limit: int) -> list[tuple[int, int, Item]]:
        """Id, partition and item of what waits for delivery, oldest first."""
        rows = self._db.execute("SELECT id, partition, item FROM outbox ORDER BY id LIMIT ?", (limit,)).fetchall()
        return [(row[0], row[1], msgspec.msgpack.decode(row[2], type=Item)) for row in rows]

    def delivered(self, ids: Iterable[int]) -> None:
        self._db.executemany("DELETE FROM outbox WHERE id = ?", [(number,) for number in ids])

    def fact(self, name: str) -> bytes:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return bytes(row[0]) if row else b""

    def set_fact(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def requeue_lost(self, file: str, offset: int) -> int:
        """Visit again what was recorded where the archive no longer reaches (after a power cut)."""
        with self.transaction():
            lost = self._db.execute(
                "UPDATE visits SET state = 0, reason = '', detail = '' WHERE file = ? AND offset >= ?", (file, offset)
            ).rowcount
            if lost:
                self._db.execute(
                    "UPDATE hosts SET queued = (SELECT count(*) FROM visits WHERE host = name AND state = 0)"
                )
                self._db.execute("DELETE FROM payloads")  # some may point at what is no longer there
                self._db.execute("DELETE FROM media WHERE file = ? AND offset >= ?", (file, offset))
        return lost

    def queued(self) -> int:
        return self._total("queued")

    def unsent(self) -> int:
        return self._total("unsent")

    def _total(self, name: str) -> int:
        return int(self._db.execute("SELECT n FROM totals WHERE name = ?", (name,)).fetchone()[0])

    def drops(self) -> Iterator[DropRow]:
        """Every visit that was dropped, for `drops/`."""
        for item, reason, detail in self._db.execute(
            "SELECT item, reason, detail FROM visits WHERE state = 3 ORDER BY id"
        ):
            yield DropRow(msgspec.msgpack.decode(item, type=Item).url, "visit", reason, detail)
        for url, reason, detail in self._db.execute("SELECT url, reason, detail FROM dead ORDER BY rowid"):
            yield DropRow(url, "visit", reason, detail)

    def endings(self) -> Iterator[tuple[str, str, str]]:
        """Address, reason and detail of every visit that brought nothing, by its last address, and of those that found
        it moved for good (`MOVED`)."""
        for item, *why in self._db.execute("SELECT item, reason, detail FROM visits WHERE reason <> '' ORDER BY id"):
            yield msgspec.msgpack.decode(item, type=Item).url, *why

    def refused(self) -> dict[str, int]:
        """By reason, how many addresses were not even queued."""
        return dict(self._db.execute("SELECT reason, n FROM refused ORDER BY reason").fetchall())

    def close(self) -> None:
        self._db.close()
