"""The tables of a frontier: one SQLite file a partition."""

TABLES = """
CREATE TABLE IF NOT EXISTS visits (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, host TEXT NOT NULL, item BLOB NOT NULL, depth INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '', file TEXT NOT NULL DEFAULT '',
    offset INTEGER NOT NULL DEFAULT -1, score REAL NOT NULL DEFAULT 0, links INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS hosts (
    name TEXT PRIMARY KEY, queued INTEGER NOT NULL DEFAULT 0, pages INTEGER NOT NULL DEFAULT 0,
    ready_at REAL NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
    policies BLOB, band INTEGER NOT NULL DEFAULT 0, waits INTEGER NOT NULL DEFAULT 0,
    queued_then INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS shapes (host TEXT, shape BLOB, n INTEGER NOT NULL, PRIMARY KEY (host, shape)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS domains (
    name TEXT PRIMARY KEY, pages INTEGER NOT NULL, most INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aliases (
    visit INTEGER NOT NULL, url TEXT NOT NULL, item BLOB NOT NULL, tried INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (visit, url)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS media (
    visit INTEGER PRIMARY KEY, file TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    record_url TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vias (visit INTEGER NOT NULL, url TEXT NOT NULL, PRIMARY KEY (visit, url)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (url TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS payloads (digest TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, item BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS refused (reason TEXT PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB);
"""
#: Columns that frontiers of before have not.
ADDED = (
    ("visits", "score", "REAL NOT NULL DEFAULT 0"),
    ("visits", "links", "INTEGER NOT NULL DEFAULT 1"),
    ("hosts", "band", "INTEGER NOT NULL DEFAULT 0"),
    ("hosts", "waits", "INTEGER NOT NULL DEFAULT 0"),
    ("hosts", "queued_then", "INTEGER NOT NULL DEFAULT 0"),
)
#: The order of visits to a host, and of hosts: `band` is the score of what comes next at a host, rounded, `queued_then`
#: what was queued when it was last asked. Adding a visit changes one row of a host that `waits`, and no index of hosts.
ORDER = """
CREATE INDEX IF NOT EXISTS ranked ON visits (host, score DESC, depth, id) WHERE state = 0;
CREATE INDEX IF NOT EXISTS ready ON hosts (ready_at) WHERE waits = 1;
CREATE INDEX IF NOT EXISTS ready_in_band ON hosts (band, ready_at) WHERE waits = 1;
CREATE INDEX IF NOT EXISTS fullest_then ON hosts (queued_then) WHERE waits = 1;
DROP INDEX IF EXISTS queue;
DROP INDEX IF EXISTS due;
DROP INDEX IF EXISTS due_in_band;
DROP INDEX IF EXISTS fullest;
"""
# What a status asks for several times a second is counted as it changes: nothing is scanned for it.
TOTALS = """
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO totals VALUES ('queued', 0), ('waiting', 0), ('unsent', (SELECT count(*) FROM outbox));
CREATE TRIGGER IF NOT EXISTS host_added AFTER INSERT ON hosts WHEN NEW.queued <> 0 BEGIN
    UPDATE totals SET n = n + NEW.queued WHERE name = 'queued'; END;
CREATE TRIGGER IF NOT EXISTS host_queued AFTER UPDATE OF queued ON hosts WHEN NEW.queued <> OLD.queued BEGIN
    UPDATE totals SET n = n + NEW.queued - OLD.queued WHERE name = 'queued'; END;
DROP TRIGGER IF EXISTS host_begins;
DROP TRIGGER IF EXISTS host_turns;
CREATE TRIGGER host_begins AFTER INSERT ON hosts WHEN NEW.queued > 0 BEGIN
    UPDATE hosts SET waits = 1, queued_then = NEW.queued WHERE name = NEW.name;
    UPDATE totals SET n = n + 1 WHERE name = 'waiting'; END;
CREATE TRIGGER host_turns AFTER UPDATE OF queued ON hosts WHEN (NEW.queued > 0) <> (OLD.queued > 0) BEGIN
    UPDATE hosts SET waits = NEW.queued > 0, queued_then = NEW.queued WHERE name = NEW.name;
    UPDATE totals SET n = n + (NEW.queued > 0) - (OLD.queued > 0) WHERE name = 'waiting'; END;
CREATE TRIGGER IF NOT EXISTS posted AFTER INSERT ON outbox BEGIN
    UPDATE totals SET n = n + 1 WHERE name = 'unsent'; END;
CREATE TRIGGER IF NOT EXISTS sent AFTER DELETE ON outbox BEGIN
    UPDATE totals SET n = n - 1 WHERE name = 'unsent'; END;
"""
