"""What became of what a crawl was asked for, read from the frontier of one of its partitions."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from crawlers.http import PASSING_STATUSES
from crawlers.items import DROPPED, IN_FLIGHT, QUEUED, Item
from crawlers.warc_writer import Position
from schemas.urls import media_key

#: The fact of a frontier that says how far its archive is good.
PLACE = "place"
_WAITING = (QUEUED, IN_FLIGHT)
_PASSING = ("slow", "connect", "bad_response", "host_down", "robots_unavailable", "not_in_time", "truncated_body")


class Outcome(msgspec.Struct, frozen=True):
    """Of one address, under its `media_key`: where its bytes lie, or why there are none."""

    key: bytes
    place: Position | None = None
    record_url: str = ""  # of the record that lies there
    reason: str = ""
    detail: str = ""


def read_outcomes(path: Path) -> Iterator[Outcome]:
    """One for each address that is settled, and for each that led there; what is still queued is `not_in_time`."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT id, key, state, item, reason, detail, media.file, media.offset, length, record_url "
            "FROM visits LEFT JOIN media ON media.visit = visits.id ORDER BY id"
        )
        for visit, key, state, packed, reason, detail, file, offset, length, record_url in rows:
            if file is not None:
                outcome = Outcome(key[:-1], Position(file, offset, length), record_url)
            elif state == DROPPED:
                outcome = Outcome(key[:-1], reason=reason, detail=detail)
            elif state in _WAITING:
                outcome = Outcome(key[:-1], reason="not_in_time")
            else:  # a redirect: what it led to says so
                continue
            yield outcome
            item = msgspec.msgpack.decode(packed, type=Item)
            led_here = db.execute("SELECT url FROM vias WHERE visit = ? ORDER BY url", (visit,)).fetchall()
            for url in dict.fromkeys((*item.via, *(url for (url,) in led_here))):
                if media_key(url) != outcome.key:
                    yield msgspec.structs.replace(outcome, key=media_key(url))


class Failure(msgspec.Struct, frozen=True):
    """An address that gave nothing, under its `Item.key`; with what is to be asked for where that may pass."""

    key: bytes
    item: Item | None = None


def read_failures(path: Path) -> Iterator[Failure]:
    """One for each address that failed or is still queued. Other addresses of the same image or video are not asked
    for again with one that failed: they were asked for after it, and are told by themselves."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        failed = "SELECT id, key, state, item, reason, detail FROM visits WHERE state IN (?, ?, ?) ORDER BY id"
        for visit, key, state, packed, reason, detail in db.execute(failed, (QUEUED, IN_FLIGHT, DROPPED)):
            if state == DROPPED and not may_pass(reason, detail):
                yield Failure(key)
                continue
            item = msgspec.msgpack.decode(packed, type=Item)
            led_here = (url for (url,) in db.execute("SELECT url FROM vias WHERE visit = ? ORDER BY url", (visit,)))
            via = tuple(dict.fromkeys((*item.via, *led_here)))
            left = item.fallbacks if state in _WAITING else ()
            yield Failure(key, msgspec.structs.replace(item, via=via, fallbacks=left, redirects=0))


def may_pass(reason: str, detail: str) -> bool:
    """Whether what failed for this reason may come another time."""
    if reason == "http_status":
        return detail.isdigit() and int(detail) in PASSING_STATUSES
    return reason in _PASSING or (reason == "dns" and "Name or service not known" not in detail)


def archive_in_hand(frontier: Path) -> str:
    """The name of the archive in hand when this frontier was last written to; "" if there was none."""
    with closing(sqlite3.connect(frontier)) as db:
        row = db.execute("SELECT value FROM facts WHERE name = ?", (PLACE,)).fetchone()
    return msgspec.msgpack.decode(row[0], type=tuple[str, int])[0] if row else ""
