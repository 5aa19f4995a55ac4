"""What a frontier knows of hosts: when each may be asked, what its policy files say, how it has answered."""

import sqlite3

import msgspec

from crawlers.hosts import Host
from crawlers.ranking import MOST_BAND, band_of
from crawlers.site_policy import SitePolicy

_HOSTS_IN_MEMORY = 20_000


class KnownHosts:
    """Of the frontier in `db`. What changes is changed inside a transaction of its."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._hosts: dict[str, Host] = {}

    def due(self, now: float, limit: int) -> list[Host]:
        """Hosts that have something queued and may be asked now, those first whose next visit has more points, then
        those that may be asked for longest."""
        due = self._db.execute(
            "SELECT name, band FROM hosts WHERE waits = 1 AND ready_at <= ? ORDER BY ready_at LIMIT ?",
            (now, limit + 1),
        ).fetchall()
        if len(due) <= limit:
            return [self.get(name) for name, _ in sorted(due, key=lambda row: -row[1])]
        names: list[str] = []
        band = self._highest_band(MOST_BAND + 1)
        while band is not None and len(names) < limit:
            rows = self._db.execute(
                "SELECT name FROM hosts WHERE waits = 1 AND band = ? AND ready_at <= ? ORDER BY ready_at LIMIT ?",
                (band, now, limit - len(names)),
            )
            names += [name for (name,) in rows]
            band = self._highest_band(band)
        return [self.get(name) for name in names]

    def _highest_band(self, below: int) -> int | None:
        row = self._db.execute("SELECT max(band) FROM hosts WHERE waits = 1 AND band < ?", (below,)).fetchone()
        return None if row[0] is None else int(row[0])

    def queue(self, name: str, score: float, pages: int = 0) -> None:
        """One visit more waits for a host."""
        band = band_of(score)
        queue = "UPDATE hosts SET queued = queued + 1, pages = pages + ? WHERE name = ? AND waits = 1 AND band >= ?"
        if self._db.execute(queue, (pages, name, band)).rowcount:
            return
        self._db.execute(
            "INSERT INTO hosts (name, queued, pages, band) VALUES (?, 1, ?, ?) ON CONFLICT (name) DO UPDATE SET "
            "band = iif(waits, max(band, excluded.band), excluded.band), queued = queued + 1, "
            "pages = pages + excluded.pages",
            (name, pages, band),
        )

    def renew_bands(self) -> None:
        """The visits that wait have other points now."""
        names = self._db.execute("SELECT name FROM hosts WHERE waits = 1").fetchall()
        for (name,) in names:
            (score,) = self._db.execute(
                "SELECT score FROM visits WHERE state = 0 AND host = ? ORDER BY score DESC, depth, id LIMIT 1", (name,)
            ).fetchone() or (0.0,)
            self._db.execute("UPDATE hosts SET band = ? WHERE name = ?", (band_of(score), name))

    def raise_to(self, name: str, score: float) -> None:
        """A visit that waits for a host has more points than before."""
        self._db.execute("UPDATE hosts SET band = max(band, ?) WHERE name = ? AND waits = 1", (band_of(score), name))

    def defer(self, host: Host, until: float) -> None:
        """Have `due` not name a host for a moment, which changes nothing about when it may be asked."""
        self._db.execute("UPDATE hosts SET ready_at = ? WHERE name = ?", (until, host.name))

    def next_due(self) -> float | None:
        """When the next host may be asked; None if nothing is queued. Hosts in flight count, too."""
        row = self._db.execute("SELECT min(ready_at) FROM hosts WHERE waits = 1").fetchone()
        return None if row[0] is None else float(row[0])

    def get(self, name: str) -> Host:
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
        """Write what is known of a host."""
        self._db.execute(
            "UPDATE hosts SET ready_at = ?, failures = ?, requests = ?, policies = ? WHERE name = ?",
            (host.ready_at, host.failures, host.requests, msgspec.msgpack.encode(host.policies), host.name),
        )

    def touch(self, host: Host) -> None:
        """Write when a host may be asked next, inside a transaction or not. Raises `OSError` where the disk is full."""
        row = (host.ready_at, host.requests, host.name)
        try:
            self._db.execute("UPDATE hosts SET ready_at = ?, requests = ? WHERE name = ?", row)
        except sqlite3.OperationalError as failure:
            raise OSError(f"the frontier: {failure}") from failure

    def _forget_idle(self) -> None:
        for name in [name for name, host in self._hosts.items() if not host.in_flight]:
            del self._hosts[name]

    def forget(self) -> None:
        """Read all hosts anew: the file has changed."""
        self._hosts.clear()

    def has_pages(self, host: Host) -> bool:
        """Whether the crawl takes pages from a host, not only media."""
        row = self._db.execute("SELECT pages FROM hosts WHERE name = ?", (host.name,)).fetchone()
        return bool(row and row[0])

    def waiting(self) -> int:
        """How many hosts have something queued."""
        return int(self._db.execute("SELECT n FROM totals WHERE name = 'waiting'").fetchone()[0])

    def names_waiting(self, ready_after: float = -1.0) -> list[str]:
        query = "SELECT name FROM hosts WHERE waits = 1 AND ready_at > ?"
        return [name for (name,) in self._db.execute(query, (ready_after,))]

    def fullest(self, limit: int) -> list[tuple[str, int]]:
        """Name and queued visits of the hosts that had most left when each was last asked, the fullest now first."""
        query = "SELECT name, queued FROM hosts WHERE waits = 1 ORDER BY queued_then DESC LIMIT ?"
        return sorted(self._db.execute(query, (limit,)), key=lambda row: -row[1])
