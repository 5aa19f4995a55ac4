"""What a frontier takes up: what was met before, under this address or one like it, and what is not even queued."""

import sqlite3
from collections.abc import Iterable

import msgspec

from crawlers.items import DONE, DROPPED, Item, Visit
from crawlers.known_hosts import KnownHosts
from crawlers.origins import host_name
from crawlers.scope import ScopeSettings, check_trap, domain_of, shape_limit
from schemas.drops import Drop
from schemas.presigned import is_presigned
from schemas.urls import media_key

_MOST_ALIASES = 8
_SITEMAPS = b"sitemaps"  # among the shapes of a host
#: Reasons for which another address would fare no better.
OF_THE_HOST = ("host_down", "host_budget", "crawl_delay", "denied", "not_in_time")


class Intake:
    """Of the frontier in `db`. Everything is done inside a transaction of its."""

    def __init__(self, db: sqlite3.Connection, hosts: KnownHosts, scope: ScopeSettings) -> None:
        self._db, self._hosts, self._scope = db, hosts, scope
        self.counts_links = False  # whether links to what is known are counted, which takes time
        (known,) = db.execute("SELECT count(*) FROM domains").fetchone()
        self._has_budgets = bool(known or scope.max_pages_per_domain)

    def add(self, item: Item) -> bool:
        """Queue an item unless it was met before. Refusals are counted; a trap is one."""
        host = host_name(item.url)
        if not host:
            return False
        if item.most_pages:
            self._set_budget(item)
        key = item.key
        known = self._db.execute("SELECT id, state, item, reason FROM visits WHERE key = ?", (key,)).fetchone()
        if known:
            if self.counts_links:
                self._link(item, known[0], host)
            self._meet_again(item, known[0], known[2])
            return known[1] != DONE and self._add_alias(item, *known)
        refusal = self._refusal(item, host)
        if refusal is not None:
            self._refuse(refusal.reason)
            return False
        self._db.execute(
            "INSERT INTO visits (key, host, item, depth, score) VALUES (?, ?, ?, ?, ?)",
            (key, host, msgspec.msgpack.encode(item), item.depth, item.score),
        )
        self._hosts.queue(host, item.score, int(item.kind == "page"))
        if item.kind == "page" and self._has_budgets:
            self._db.execute(
                "INSERT INTO domains VALUES (?, 1, 0) ON CONFLICT (name) DO UPDATE SET pages = pages + 1",
                (domain_of(item.url),),
            )
        return True

    def standing(self, item: Item) -> tuple[int, float] | None:
        """Links and points of an address that is known; None if it is not."""
        row = self._db.execute("SELECT links, score FROM visits WHERE key = ?", (item.key,)).fetchone()
        return (int(row[0]), float(row[1])) if row else None

    def queued(self, after: int, limit: int) -> list[tuple[int, Item, int]]:
        """Number, item and links of what waits to be visited, of the numbers after `after`."""
        rows = self._db.execute(
            "SELECT id, item, links FROM visits WHERE state = 0 AND id > ? ORDER BY id LIMIT ?", (after, limit)
        ).fetchall()
        return [(number, msgspec.msgpack.decode(packed, type=Item), links) for number, packed, links in rows]

    def rank(self, scores: Iterable[tuple[int, float]]) -> None:
        self._db.executemany("UPDATE visits SET score = ? WHERE id = ?", ((score, number) for number, score in scores))

    def _link(self, item: Item, visit: int, host: str) -> None:
        """Another page leads to what is known. The most points that any link gave it count."""
        self._db.execute(
            "UPDATE visits SET links = links + 1, score = max(score, ?) WHERE id = ? AND state = 0", (item.score, visit)
        )
        self._hosts.raise_to(host, item.score)

    def _set_budget(self, item: Item) -> None:
        """Remember how many pages of a domain may be taken up from now on."""
        self._has_budgets = True
        self._db.execute(
            "INSERT INTO domains VALUES (?, 0, ?) ON CONFLICT (name) DO UPDATE SET most = excluded.most",
            (domain_of(item.url), item.most_pages),
        )

    def _is_over_budget(self, url: str) -> bool:
        row = self._db.execute("SELECT pages, most FROM domains WHERE name = ?", (domain_of(url),)).fetchone()
        return row is not None and 0 < (row[1] or self._scope.max_pages_per_domain) <= row[0]

    def _meet_again(self, item: Item, visit: int, first: bytes) -> None:
        """Keep what else is said of a medium that was met before: what redirects to it, and its other addresses."""
        for url in item.via:
            self._db.execute("INSERT OR IGNORE INTO vias VALUES (?, ?)", (visit, url))
        if not item.fallbacks:
            return
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
        return state == DROPPED and reason not in OF_THE_HOST and self.try_alias(visit)

    def try_alias(self, visit: int) -> bool:
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
        self.go_on_at(visit, msgspec.msgpack.decode(row[1], type=Item))
        return True

    def go_on_at(self, visit: int, item: Item) -> None:
        """Queue a visit under an address, which may be another host's."""
        host = host_name(item.url)
        self._db.execute(
            "UPDATE visits SET state = 0, item = ?, host = ? WHERE id = ?",
            (msgspec.msgpack.encode(item), host, visit),
        )
        self._db.execute("INSERT OR IGNORE INTO hosts (name, pages) VALUES (?, 1)", (host,))
        self._hosts.queue(host, item.score)

    def _refusal(self, item: Item, host: str) -> Drop | None:
        if is_presigned(item.url):
            return Drop("presigned")
        try:
            check_trap(item.url, self._scope)
        except Drop as drop:
            return drop
        if item.kind == "sitemap":
            is_full = self._is_full(host, _SITEMAPS, self._scope.max_sitemaps_per_host)
            return Drop("host_budget") if is_full else None
        if item.kind != "page":
            return None
        pages = self._db.execute("SELECT pages FROM hosts WHERE name = ?", (host,)).fetchone()
        if pages and pages[0] >= self._scope.max_pages_per_host:
            return Drop("host_budget")
        if self._has_budgets and self._is_over_budget(item.url):
            return Drop("domain_budget")
        shape, limit = shape_limit(item.url, self._scope)
        return Drop("trap") if limit and self._is_full(host, media_key(shape), limit) else None

    def _is_full(self, host: str, shape: bytes, limit: int) -> bool:
        """Count an address of a host among those like it; whether there are as many as may be."""
        row = self._db.execute("SELECT n FROM shapes WHERE host = ? AND shape = ?", (host, shape)).fetchone()
        if row and row[0] >= limit:
            return True
        self._db.execute(
            "INSERT INTO shapes VALUES (?, ?, 1) ON CONFLICT (host, shape) DO UPDATE SET n = n + 1", (host, shape)
        )
        return False

    def _refuse(self, reason: str) -> None:
        """Count what is not even queued: a trap can make millions of addresses."""
        self._db.execute("INSERT INTO refused VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET n = n + 1", (reason,))
