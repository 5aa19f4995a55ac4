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
from crawlers.frontier_tables import TABLES, TOTALS
from crawlers.hosts import Host, host_name
from crawlers.scope import ScopeSettings, check_trap, shape_limit
from crawlers.site_policy import SitePolicy
from crawlers.warc_writer import Payload, Position
from schemas.drops import Drop, DropRow
from schemas.presigned import is_presigned
from schemas.urls import canonical_url, host_of, media_key, registered_domain

QUEUED, IN_FLIGHT, DONE, DROPPED = range(4)
_HOSTS_IN_MEMORY = 20_000
_MOST_ALIASES = 8
_OF_THE_HOST = (
    "host_down",
    "host_budget",
    "crawl_delay",
    "denied",
    "not_in_time",
)  # another address would fare no better
_CLOCK = "clock"  # the name of the time when the last visit ended


class Item(msgspec.Struct, frozen=True, array_like=True):
    """An address to visit."""

    url: str
    kind: str  # page, image, video or sitemap
    depth: int = 0  # links away from a seed; media have that of their page
    redirects: int = 0  # that led here
    fallbacks: tuple[str, ...] = ()  # other addresses of the same image or video
    found_on: str = ""
    via: tuple[str, ...] = ()  # of an image or video: the addresses that redirected here
    most_pages: int = 0  # of a seed: so many of its domain may be taken; 0: as the settings say

    @property
    def key(self) -> bytes:
        """Equal for addresses that are visited once: pages by their canonical form, media to the letter."""
        return media_key(canonical_url(self.url) if self.kind == "page" else self.url) + self.kind[:1].encode()


class Visit(msgspec.Struct, frozen=True):
    """An item taken from the queue."""

    id: int
    item: Item
    tries: int


class Frontier:
    """The state of a partition in `path`. Every change is made in a `transaction`; one process at a time."""

    def __init__(self, path: Path, scope: ScopeSettings) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -32768")  # 32 MB
        self._db.executescript(TABLES + TOTALS)
        self._scope = scope
        self._hosts: dict[str, Host] = {}
        (known,) = self._db.execute("SELECT count(*) FROM domains").fetchone()
        self._has_budgets = bool(known or scope.max_pages_per_domain)
        with self.transaction():  # what was in flight when the last process ended is to be visited again
            self._db.execute("UPDATE visits SET state = 0 WHERE state = 1")
            self._db.execute("UPDATE hosts SET queued = (SELECT count(*) FROM visits WHERE host = name AND state = 0)")
            self._db.execute("UPDATE totals SET n = (SELECT total(queued) FROM hosts) WHERE name = 'queued'")
            self._db.execute(
                "UPDATE totals SET n = (SELECT count(*) FROM hosts WHERE queued > 0) WHERE name = 'waiting'"
            )
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

    def add(self, item: Item) -> bool:
        """Queue an item unless it was met before; inside a transaction. Refusals are counted; a trap is one."""
        host = host_name(item.url)
        if not host:
            return False
        if item.most_pages:
            self._set_budget(item)
        known = self._db.execute("SELECT id, state, item, reason FROM visits WHERE key = ?", (item.key,)).fetchone()
        if known:
            self._meet_again(item, known[0], known[2])
            return known[1] != DONE and self._add_alias(item, *known)
        refusal = self._refusal(item, host)
        if refusal is not None:
            self._refuse(refusal.reason)
            return False
        self._db.execute(
            "INSERT INTO visits (key, host, item, depth) VALUES (?, ?, ?, ?)",
            (item.key, host, msgspec.msgpack.encode(item), item.depth),
        )
        self._db.execute(
            "INSERT INTO hosts (name, queued, pages) VALUES (?, 1, ?) "
            "ON CONFLICT (name) DO UPDATE SET queued = queued + 1, pages = pages + excluded.pages",
            (host, item.kind == "page"),
        )
        if item.kind == "page" and self._has_budgets:
            self._db.execute(
                "INSERT INTO domains VALUES (?, 1, 0) ON CONFLICT (name) DO UPDATE SET pages = pages + 1",
                (registered_domain(host_of(item.url)),),
            )
        return True

    def _set_budget(self, item: Item) -> None:
        """Remember how many pages of a domain may be taken up from now on."""
        self._has_budgets = True
        self._db.execute(
            "INSERT INTO domains VALUES (?, 0, ?) ON CONFLICT (name) DO UPDATE SET most = excluded.most",
            (registered_domain(host_of(item.url)), item.most_pages),
        )

    def _is_over_budget(self, url: str) -> bool:
        row = self._db.execute(
            "SELECT pages, most FROM domains WHERE name = ?", (registered_domain(host_of(url)),)
        ).fetchone()
        return row is not None and 0 < (row[1] or self._scope.max_pages_per_domain) <= row[0]

    def _meet_again(self, item: Item, visit: int, first: bytes) -> None:
        """Keep what else is said of a medium that was met before: what redirects to it, and its other addresses."""
        for url in item.via:
            self._db.execute("INSERT OR IGNORE INTO vias VALUES (?, ?)", (visit, url))
        known = msgspec.msgpack.decode(first, type=Item)
        more = [url for url in item.fallbacks if url != known.url and url not in known.fallbacks]
        if more:
            known = msgspec.structs.replace(known, fallbacks=(*known.fallbacks, *more))
            self._db.execute("UPDATE visits SET item = ? WHERE id = ?", (msgspec.msgpack.encode(known), visit))

    def fallbacks(self, visit: Visit) -> tuple[str, ...]:
        """The other addresses of a medium, those included that were met while it was asked for."""
        (packed,) = self._db.execute("SELECT item FROM visits WHERE id = ?", (visit.id,)).fetchone()
        return msgspec.msgpack.decode(packed, type=Item).fallbacks

    def has_failed(self, item: Item) -> bool:
        """Whether an address was visited in vain, or will not be."""
        row = self._db.execute("SELECT state FROM visits WHERE key = ?", (item.key,)).fetchone()
        return row is not None and row[0] == DROPPED

    def _add_alias(self, item: Item, visit: int, state: int, first: bytes, reason: str) -> bool:
        """Remember another address for what is likely to be the same: the first may lead nowhere, and only a success
        settles that. Returns whether it is queued now."""
        if msgspec.msgpack.decode(first, type=Item).url == item.url:
            return False
        (known,) = self._db.execute("SELECT count(*) FROM aliases WHERE visit = ?", (visit,)).fetchone()
        if known >= _MOST_ALIASES:
            return False
        try:
            check_trap(item.url, self._scope)
        except Drop:
            return False
        self._db.execute(
            "INSERT OR IGNORE INTO aliases (visit, url, item) VALUES (?, ?, ?)",
            (visit, item.url, msgspec.msgpack.encode(item)),
        )
        return state == DROPPED and reason not in _OF_THE_HOST and self._try_alias(visit)

    def _try_alias(self, visit: int) -> bool:
        """Queue a visit that led nowhere under its next address, if it has one."""
        row = self._db.execute(
            "SELECT url, item FROM aliases WHERE visit = ? AND tried = 0 LIMIT 1", (visit,)
        ).fetchone()
        if row is None:
            return False
        self._db.execute("UPDATE aliases SET tried = 1 WHERE visit = ? AND url = ?", (visit, row[0]))
        first, reason, detail = self._db.execute(
            "SELECT item, reason, detail FROM visits WHERE id = ?", (visit,)
        ).fetchone()
        dead = msgspec.msgpack.decode(first, type=Item).url
        self._db.execute("INSERT INTO dead VALUES (?, ?, ?)", (dead, reason, detail))
        self._db.execute("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, 1)", (visit, dead, first))
        self._db.execute(
            "UPDATE visits SET state = 0, tries = 0, not_before = 0, reason = '', detail = '' WHERE id = ?", (visit,)
        )
        self._go_on_at(visit, msgspec.msgpack.decode(row[1], type=Item))
        return True

    def _refusal(self, item: Item, host: str) -> Drop | None:
        if is_presigned(item.url):
            return Drop("presigned")
        try:
            check_trap(item.url, self._scope)
        except Drop as drop:
            return drop
        if item.kind != "page":
            return None
        pages = self._db.execute("SELECT pages FROM hosts WHERE name = ?", (host,)).fetchone()
        if pages and pages[0] >= self._scope.max_pages_per_host:
            return Drop("host_budget")
        if self._has_budgets and self._is_over_budget(item.url):
            return Drop("domain_budget")
        shape, limit = shape_limit(item.url, self._scope)
        if limit:
            shape_key = media_key(shape)
            row = self._db.execute("SELECT n FROM shapes WHERE host = ? AND shape = ?", (host, shape_key)).fetchone()
            if row and row[0] >= limit:
                return Drop("trap")
            self._db.execute(
                "INSERT INTO shapes VALUES (?, ?, 1) ON CONFLICT (host, shape) DO UPDATE SET n = n + 1",
                (host, shape_key),
            )
        return None

    def _refuse(self, reason: str) -> None:
        """Count what is not even queued: a trap can make millions of addresses."""
        self._db.execute("INSERT INTO refused VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET n = n + 1", (reason,))

    def due_hosts(self, now: float, limit: int) -> list[Host]:
        """Hosts that have something queued and may be asked now."""
        rows = self._db.execute(
            "SELECT name FROM hosts WHERE queued > 0 AND ready_at <= ? ORDER BY ready_at LIMIT ?", (now, limit)
        ).fetchall()
        return [self.host(name) for (name,) in rows]

    def defer(self, host: Host, until: float) -> None:
        """Have `due_hosts` not name a host for a moment, which changes nothing about when it may be asked."""
        self._db.execute("UPDATE hosts SET ready_at = ? WHERE name = ?", (until, host.name))

    def next_due(self) -> float | None:
        """When the next host may be asked; None if nothing is queued. Hosts in flight count, too."""
        row = self._db.execute("SELECT min(ready_at) FROM hosts WHERE queued > 0").fetchone()
        return None if row[0] is None else float(row[0])

    def take(self, host: Host) -> Visit | None:
        """The next item of a host, now in flight; None if all of its items wait for a later time."""
        row = self._db.execute(
            "SELECT id, item, tries FROM visits WHERE state = 0 AND host = ? AND not_before <= ? "
            "ORDER BY depth, id LIMIT 1",
            (host.name, now()),
        ).fetchone()
        if row is None:
            self._wait_for_first(host)
            return None
        self._db.execute("UPDATE visits SET state = 1 WHERE id = ?", (row[0],))
        self._db.execute("UPDATE hosts SET queued = queued - 1 WHERE name = ?", (host.name,))
        return Visit(row[0], msgspec.msgpack.decode(row[1], type=Item), row[2])

    def _wait_for_first(self, host: Host) -> None:
        row = self._db.execute(
            "SELECT min(not_before) FROM visits WHERE state = 0 AND host = ?", (host.name,)
        ).fetchone()
        if row[0] is not None:
            host.ready_at = max(host.ready_at, float(row[0]))
            self.touch(host)
        else:
            self._db.execute("UPDATE hosts SET queued = 0 WHERE name = ?", (host.name,))

    def has_pages(self, host: Host) -> bool:
        """Whether the crawl takes pages from a host, not only media."""
        row = self._db.execute("SELECT pages FROM hosts WHERE name = ?", (host.name,)).fetchone()
        return bool(row and row[0])

    def host(self, name: str) -> Host:
        """What is known of a host; the same object while it is in use."""
        if name not in self._hosts:
            if len(self._hosts) >= _HOSTS_IN_MEMORY:
                self._forget_idle()
            row = self._db.execute(
                "SELECT ready_at, failures, requests, policies FROM hosts WHERE name = ?", (name,)
            ).fetchone() or (0.0, 0, 0, None)
            policies = msgspec.msgpack.decode(row[3], type=dict[str, SitePolicy]) if row[3] else {}
            self._hosts[name] = Host(name, row[0], 0, row[1], row[2], policies)
        return self._hosts[name]

    def save(self, host: Host) -> None:
        """Write what is known of a host; inside a transaction."""
        self._db.execute(
            "UPDATE hosts SET ready_at = ?, failures = ?, requests = ?, policies = ? WHERE name = ?",
            (host.ready_at, host.failures, host.requests, msgspec.msgpack.encode(host.policies), host.name),
        )

    def touch(self, host: Host) -> None:
        """Write when a host may be asked next."""
        self._db.execute(
            "UPDATE hosts SET ready_at = ?, requests = ? WHERE name = ?", (host.ready_at, host.requests, host.name)
        )

    def _forget_idle(self) -> None:
        for name in [name for name, host in self._hosts.items() if not host.in_flight]:
            del self._hosts[name]

    def done(self, visit: Visit, position: tuple[str, int] = ("", -1)) -> None:
        """The visit's record begins at `position`."""
        self._db.execute("UPDATE visits SET state = ?, file = ?, offset = ? WHERE id = ?", (DONE, *position, visit.id))

    def keep_media(self, visit: Visit, position: Position, record_url: str) -> None:
        """Remember where the bytes of a medium lie, which may be in the record of another address."""
        row = (visit.id, position.file, position.offset, position.length, record_url)
        self._db.execute("INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?, ?)", row)

    def drop(self, visit: Visit, reason: str, detail: str, position: tuple[str, int] = ("", -1)) -> None:
        self._db.execute(
            "UPDATE visits SET state = ?, reason = ?, detail = ?, file = ?, offset = ? WHERE id = ?",
            (DROPPED, reason, detail[:500], *position, visit.id),
        )
        if reason not in _OF_THE_HOST:
            self._try_alias(visit.id)

    def again(self, visit: Visit, not_before: float, tried: bool = True) -> None:
        """Queue a visit again."""
        self._db.execute(
            "UPDATE visits SET state = 0, tries = tries + ?, not_before = ? WHERE id = ?",
            (int(tried), not_before, visit.id),
        )
        self._db.execute("UPDATE hosts SET queued = queued + 1 WHERE name = ?", (host_name(visit.item.url),))

    def moved(self, visit: Visit, item: Item) -> None:
        """A redirect to another form of the same address: the visit goes on there."""
        self._go_on_at(visit.id, item)

    def _go_on_at(self, visit: int, item: Item) -> None:
        host = host_name(item.url)
        self._db.execute(
            "UPDATE visits SET state = 0, item = ?, host = ? WHERE id = ?",
            (msgspec.msgpack.encode(item), host, visit),
        )
        self._db.execute(
            "INSERT INTO hosts (name, queued, pages) VALUES (?, 1, 1) "
            "ON CONFLICT (name) DO UPDATE SET queued = queued + 1",
            (host,),
        )

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
        with self.transaction():
            failed = self._db.execute("SELECT id, item, reason, detail FROM visits WHERE state = ?", (DROPPED,))
            again = [(number, item, *why) for number, item, *why in failed.fetchall() if may_pass(*why)]
            dead = [(msgspec.msgpack.decode(item, type=Item).url, *why) for _, item, *why in again]
            self._db.executemany("INSERT INTO dead VALUES (?, ?, ?)", dead)
            self._db.executemany(
                "UPDATE visits SET state = 0, tries = 0, not_before = 0, reason = '', detail = '' WHERE id = ?",
                [(number,) for number, *_ in again],
            )
            self._db.execute(
                "UPDATE hosts SET queued = (SELECT count(*) FROM visits WHERE host = name AND state = 0), "
                "failures = 0, policies = NULL, ready_at = min(ready_at, ?) "
                "WHERE name IN (SELECT host FROM visits WHERE state = 0)",
                (now() + delay_s,),
            )
            self._hosts.clear()
        return len(again)

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

    def hosts_waiting(self) -> int:
        """How many hosts have something queued."""
        return self._total("waiting")

    def names_waiting(self, ready_after: float = -1.0) -> list[str]:
        query = "SELECT name FROM hosts WHERE queued > 0 AND ready_at > ?"
        return [name for (name,) in self._db.execute(query, (ready_after,))]

    def _total(self, name: str) -> int:
        return int(self._db.execute("SELECT n FROM totals WHERE name = ?", (name,)).fetchone()[0])

    def fullest_hosts(self, limit: int) -> list[tuple[str, int]]:
        """Name and queued visits of the hosts with most left."""
        query = "SELECT name, queued FROM hosts WHERE queued > 0 ORDER BY queued DESC LIMIT ?"
        return self._db.execute(query, (limit,)).fetchall()

    def drops(self) -> Iterator[DropRow]:
        """Every visit that was dropped, for `drops/`."""
        for item, reason, detail in self._db.execute(
            "SELECT item, reason, detail FROM visits WHERE state = 3 ORDER BY id"
        ):
            yield DropRow(msgspec.msgpack.decode(item, type=Item).url, "visit", reason, detail)
        for url, reason, detail in self._db.execute("SELECT url, reason, detail FROM dead ORDER BY rowid"):
            yield DropRow(url, "visit", reason, detail)

    def refused(self) -> dict[str, int]:
        """By reason, how many addresses were not even queued."""
        return dict(self._db.execute("SELECT reason, n FROM refused ORDER BY reason").fetchall())

    def close(self) -> None:
        self._db.close()
