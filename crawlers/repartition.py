"""The frontier of a crawl cut into another number of partitions, each host with all that is known of it.

The partitions are written anew beside the old ones, which stay as they are, and take their place once they are whole:
killed anywhere, a crawl has all of the old ones or all of the new, and the next run goes on from there.
"""

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status, sum_of
from crawlers.frontier import Frontier
from crawlers.items import Item
from crawlers.outcomes import PLACE
from crawlers.recorder import Recorder
from crawlers.scope import partition_of
from crawlers.warc_writer import Payload

FRONTIER, _NEXT, _OLD = "frontier", "frontier-next", "frontier-old"  # folders in `work/`
_WHOLE = "partitions"  # the file that says that a folder holds all of so many partitions
_PLACES = "places"  # in partition 0: the last archive of partitions that are no more
_AT_A_TIME = 5000
_VISIT = "key, host, item, depth, state, tries, not_before, reason, detail, file, offset, score, links"
_HOST = "name, queued, pages, ready_at, failures, requests, policies, band"


def repartition(folder: Path, partitions: int, wanted: int, config: CrawlConfig) -> None:
    """Cut `partitions` partitions, which nobody else may have open, into `wanted`. Raises `OSError`."""
    work = folder / "work"
    aside = work / _NEXT
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        _write(folder, partitions, wanted, config, aside)
    except sqlite3.OperationalError as failure:
        raise OSError(f"{aside}: {failure}") from failure
    mark = aside / _WHOLE
    mark.write_text(str(wanted))
    for path in (*aside.iterdir(), aside):
        _sync(path)
    settle(folder)


def is_begun(folder: Path) -> bool:
    """Whether the partitions were being changed when a run ended."""
    work = folder / "work"
    return any(path.exists() for path in (work / _NEXT, work / _OLD, work / FRONTIER / _WHOLE))


def settle(folder: Path) -> int:
    """Bring what was begun to its end, or away. Returns how many partitions the folder holds then, 0 if nothing was
    begun; `forget` is to be called when that is known elsewhere."""
    current, aside, old = (folder / "work" / name for name in (FRONTIER, _NEXT, _OLD))
    if (aside / _WHOLE).exists():
        if current.exists():
            shutil.rmtree(old, ignore_errors=True)
            current.rename(old)
        aside.rename(current)
        _sync(folder / "work")
    shutil.rmtree(aside, ignore_errors=True)
    mark = current / _WHOLE
    return int(mark.read_text()) if mark.exists() else 0


def forget(folder: Path) -> None:
    """The new number of partitions is known: what is left of the old ones goes."""
    shutil.rmtree(folder / "work" / _OLD, ignore_errors=True)
    for path in (folder / "drops").glob("crawl-*.parquet"):  # written anew when the run ends
        path.unlink()
    (folder / "work" / FRONTIER / _WHOLE).unlink(missing_ok=True)


def _write(folder: Path, partitions: int, wanted: int, config: CrawlConfig, aside: Path) -> None:
    base = folder / "work" / FRONTIER
    facts = _Facts()
    for number in range(partitions):
        with closing(Frontier(base / f"{number:03d}.sqlite", config.scope)) as frontier:
            recorder = Recorder(folder, number, config, frontier)
            recorder.finish()
            facts.read(number, frontier)
    for number in range(wanted):
        Frontier(aside / f"{number:03d}.sqlite", config.scope).close()
    with ExitStack() as stack:
        new = [stack.enter_context(closing(_open(aside / f"{number:03d}.sqlite"))) for number in range(wanted)]
        for number in range(partitions):
            _move(base / f"{number:03d}.sqlite", new)
        for number, db in enumerate(new):
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.of(number, wanted))
            db.commit()
            db.execute("PRAGMA journal_mode = WAL")


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = OFF")  # what is not whole is not used
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -65536")  # 64 MB
    return db


class _Facts:
    """What partitions know beside their tables."""

    def __init__(self) -> None:
        self._statuses: list[Status] = []
        self._places: dict[int, str] = {}  # by partition, its last archive
        self._rankings: set[bytes] = set()
        self._clock = b""

    def read(self, number: int, frontier: Frontier) -> None:
        if saved := frontier.fact("status"):
            self._statuses.append(msgspec.msgpack.decode(saved, type=Status))
        if known := frontier.fact(_PLACES):
            self._places |= msgspec.msgpack.decode(known, type=dict[int, str])
        if place := frontier.fact(PLACE):
            self._places[number] = msgspec.msgpack.decode(place, type=tuple[str, int])[0]
        self._rankings.add(frontier.fact("ranking"))
        self._clock = max(self._clock, frontier.fact("clock"), key=_seconds)

    def of(self, number: int, partitions: int) -> list[tuple[str, bytes]]:
        """Those of a new partition. The counts of all are kept in the first."""
        found = [("partitions", msgspec.msgpack.encode(partitions))]
        if self._clock:
            found.append(("clock", self._clock))
        if place := self._places.get(number):  # its next archive has the next number
            found.append((PLACE, msgspec.msgpack.encode((place, 0))))
        found.append(("ranking", self._rankings.copy().pop() if len(self._rankings) == 1 else b"several"))
        if number == 0:
            gone = {other: place for other, place in self._places.items() if other >= partitions}
            found.append((_PLACES, msgspec.msgpack.encode(gone)))
            found.append(("status", msgspec.msgpack.encode(sum_of(self._statuses))))
        return found


def _seconds(clock: bytes) -> float:
    return msgspec.msgpack.decode(clock, type=float) if clock else 0.0


def _move(path: Path, new: Sequence[sqlite3.Connection]) -> None:
    """Copy an old partition into the new ones."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as old:
        homes = [(name, _home(name, len(new))) for (name,) in old.execute("SELECT name FROM hosts")]
        (visits,) = old.execute("SELECT count(*) FROM visits").fetchone()
        _share(old, new)
    moved = 0
    for number, db in enumerate(new):
        db.execute("ATTACH ? AS old", (str(path),))
        db.execute("CREATE TEMP TABLE own (name TEXT PRIMARY KEY) WITHOUT ROWID")
        db.executemany("INSERT INTO temp.own VALUES (?)", ((name,) for name, home in homes if home == number))
        moved += _move_hosts(db)
        db.commit()
        db.execute("DROP TABLE temp.own")
        db.commit()
        db.execute("DETACH old")
    if moved != visits:
        raise OSError(f"{path}: {visits - moved} visits of hosts that it does not know")


def _move_hosts(db: sqlite3.Connection) -> int:
    """What the attached partition has of the hosts in `own`; returns how many visits that are."""
    is_own = "IN (SELECT name FROM temp.own)"
    db.execute(
        f"INSERT INTO main.hosts ({_HOST}) SELECT {_HOST} FROM old.hosts WHERE name {is_own} "
        "ON CONFLICT (name) DO UPDATE SET pages = pages + excluded.pages, requests = requests + excluded.requests, "
        "ready_at = max(ready_at, excluded.ready_at)"  # how many are queued is counted when it is opened
    )
    db.execute(f"INSERT INTO main.shapes SELECT * FROM old.shapes WHERE host {is_own}")
    (wanted,) = db.execute(f"SELECT count(*) FROM old.visits WHERE host {is_own}").fetchone()
    taken = db.execute(
        f"INSERT INTO main.visits ({_VISIT}) SELECT {_VISIT} FROM old.visits WHERE host {is_own} ORDER BY id "
        "ON CONFLICT (key) DO NOTHING"
    ).rowcount
    if taken < wanted:  # of two domains that are likely to have the same pages: the other one is an alias now
        _keep_as_aliases(db, is_own)
    new = f"FROM old.visits AS was JOIN main.visits AS is_ ON is_.key = was.key AND was.host {is_own} JOIN old"
    db.execute(
        "INSERT OR IGNORE INTO main.aliases SELECT is_.id, b.url, b.item, b.tried "
        f"{new}.aliases AS b ON b.visit = was.id"
    )
    db.execute(f"INSERT OR IGNORE INTO main.vias SELECT is_.id, b.url {new}.vias AS b ON b.visit = was.id")
    db.execute(
        "INSERT OR IGNORE INTO main.media SELECT is_.id, b.file, b.offset, b.length, b.record_url "
        f"{new}.media AS b ON b.visit = was.id"
    )
    return int(wanted)


def _keep_as_aliases(db: sqlite3.Connection, is_own: str) -> None:
    rows = db.execute(
        "SELECT is_.id, was.item, was.state FROM old.visits AS was JOIN main.visits AS is_ ON is_.key = was.key "
        f"WHERE was.host {is_own} AND was.item <> is_.item"
    ).fetchall()
    found = [(number, msgspec.msgpack.decode(item, type=Item).url, item, state > 1) for number, item, state in rows]
    db.executemany("INSERT OR IGNORE INTO main.aliases VALUES (?, ?, ?, ?)", found)


def _share(old: sqlite3.Connection, new: Sequence[sqlite3.Connection]) -> None:
    """What is found by other things than a host: each row goes where its address belongs."""
    count = len(new)
    for sql, into, home in (
        ("SELECT name, pages, most FROM domains", "INSERT OR REPLACE INTO domains VALUES (?, ?, ?)", _of_domain),
        ("SELECT url, reason, detail FROM dead ORDER BY rowid", "INSERT INTO dead VALUES (?, ?, ?)", _of_url),
        ("SELECT digest, payload FROM payloads", "INSERT OR IGNORE INTO payloads VALUES (?, ?)", _of_payload),
        ("SELECT partition, item FROM outbox ORDER BY id", "INSERT INTO outbox (partition, item) VALUES (?, ?)", None),
    ):
        rows = old.execute(sql)
        while some := rows.fetchmany(_AT_A_TIME):
            if home is None:  # delivered by whoever has it
                _insert(new[0], into, [(_of_item(row, count), row[1]) for row in some])
                continue
            for number, db in enumerate(new):
                _insert(db, into, [row for row in some if home(row, count) == number])
    refused = Counter(dict(old.execute("SELECT reason, n FROM refused")))
    new[0].executemany(
        "INSERT INTO refused VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET n = n + excluded.n", refused.items()
    )
    for db in new:
        db.commit()


def _insert(db: sqlite3.Connection, sql: str, rows: Iterable[Sequence[Any]]) -> None:
    db.executemany(sql, rows)


def _home(host: str, partitions: int) -> int:
    return partition_of(f"http://{host}/", partitions)


def _of_domain(row: Sequence[Any], partitions: int) -> int:
    return _home(row[0], partitions)


def _of_url(row: Sequence[Any], partitions: int) -> int:
    return partition_of(row[0], partitions)


def _of_payload(row: Sequence[Any], partitions: int) -> int:
    return partition_of(msgspec.msgpack.decode(row[1], type=Payload).url, partitions)


def _of_item(row: Sequence[Any], partitions: int) -> int:
    return partition_of(msgspec.msgpack.decode(row[1], type=Item).url, partitions)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
