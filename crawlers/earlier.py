"""What crawls before this one captured, by address: what a server is asked with, and where the record lies.

One SQLite file, made once of their archives and read by every worker: memory stays the same however large they were.
"""

import io
import posixpath
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import fsspec
import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from crawlers.framing import Damage, Frame, frames
from crawlers.inputs import InputError, list_archives
from crawlers.warc_records import headers_of, read_http, target_of
from crawlers.warc_writer import Payload, Position
from crawlers.window import Source
from schemas.settings import SettingsError
from schemas.urls import media_key

#: Where a crawl keeps it, beneath its folder.
EARLIER = "work/earlier.sqlite"
_HEADERS = 128 << 10  # bytes that the WARC and HTTP headers of a record may take
_NAMED = 3  # parts of a path: crawls give their archives the same names
_GONE = (301, 308, 404, 410)  # there is nothing there, for good
#: Fields of a response that is not whole, or that a page loaded for its scripts.
_NO_PAGE = frozenset({"warc-truncated", "warc-segment-number", "warc-loaded-for"})
_HEAD = 4 << 10  # bytes in which a record says its type
_ANSWER = re.compile(rb"^WARC-Type:[ \t]*(?:response|revisit|conversion)", re.IGNORECASE | re.MULTILINE)
_ANSWERS = (WarcRecordType.response, WarcRecordType.revisit, WarcRecordType.conversion)
_TABLES = """
CREATE TABLE IF NOT EXISTS archives (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS captures (
    key BLOB PRIMARY KEY, date TEXT NOT NULL, archive INTEGER NOT NULL, packed BLOB NOT NULL) WITHOUT ROWID;
"""
_LOOKED_UP = "SELECT packed, url FROM captures JOIN archives ON archive = id"


class Known(msgspec.Struct, frozen=True, array_like=True):
    """The last capture of an address with status 200."""

    url: str
    date: str  # WARC-Date
    record_id: str
    digest: str  # of the payload, as the record states it; "" if it does not
    content_type: str
    etag: str
    last_modified: str
    offset: int  # bytes
    length: int  # bytes, compressed
    archive: str = ""  # path or URL of what it lies in
    stored_url: str = ""  # of the record, where that is another's; "": its own
    rendered: str = ""  # digest of what its scripts made of it, which lies behind it

    @property
    def is_page(self) -> bool:
        return self.content_type.lower().startswith(("text/html", "application/xhtml+xml"))

    @property
    def payload(self) -> Payload:
        """What a revisit record says of it."""
        name = "/".join(self.archive.split("/")[-_NAMED:])
        position = Position(name, self.offset, self.length)
        return Payload(self.stored_url or self.url, self.date, self.record_id, position)


class Earlier:
    """Looks captures up in the file at `path`; nothing is known where there is none."""

    def __init__(self, path: Path) -> None:
        self._db: sqlite3.Connection | None = None
        if path.exists():
            self._db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)

    def __bool__(self) -> bool:
        return self._db is not None

    def find(self, url: str) -> Known | None:
        """The last capture of an address, by http or https."""
        return _find(self._db, url) if self._db is not None else None

    def pages(self) -> Iterator[Known]:
        """The last captures of all pages, in no order that means anything."""
        if self._db is not None:
            for row in self._db.execute(_LOOKED_UP):
                if (known := _unpacked(*row)).is_page:
                    yield known

    def close(self) -> None:
        if self._db is not None:
            self._db.close()


def _find(db: sqlite3.Connection, url: str) -> Known | None:
    row = db.execute(f"{_LOOKED_UP} WHERE key = ?", (media_key(url),)).fetchone()
    return _unpacked(*row) if row else None


def _unpacked(packed: bytes, archive: str) -> Known:
    return msgspec.structs.replace(msgspec.msgpack.decode(packed, type=Known), archive=archive)


def archives_of(source: str) -> list[str]:
    """The archives of an earlier crawl, by its folder, or as a build names archives. Raises `SettingsError`."""
    folder = Path(source)
    if folder.is_dir():
        found = [str(path.absolute()) for path in sorted((folder / "warc").glob("*.warc.gz"))]
        if not found:
            raise SettingsError(f"--since {source}: no archives in {folder / 'warc'}")
        return found
    try:
        found = [archive.url for archive in list_archives([source], sized=False)]
    except InputError as error:
        raise SettingsError(f"--since: {error}") from None
    return [url if "://" in url else str(Path(url).absolute()) for url in found]


def make_earlier(path: Path, sources: Sequence[str], tell: Callable[[int, int], None] = lambda done, of: None) -> None:
    """Make the file at `path` of earlier crawls, the last one last, unless it is there.

    A crawl that was a recrawl itself knows what its own archives only refer to: that is taken over. `tell` is told
    how many archives are read, of how many. Raises `SettingsError` before anything is written, `OSError` where an
    archive cannot be read.
    """
    if path.exists():
        return
    archives = [archives_of(source) for source in sources]
    aside, done, total = path.with_suffix(".tmp"), 0, sum(map(len, archives))
    aside.unlink(missing_ok=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(aside, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")  # made anew after a kill
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -65536")  # 64 MB
        db.executescript(_TABLES)
        for source, urls in zip(sources, archives, strict=True):
            if (before := Path(source) / EARLIER).is_file():
                _take_over(db, before)
            for url in urls:
                db.execute("BEGIN")
                _add_archive(db, url)
                db.execute("COMMIT")
                done += 1
                tell(done, total)
    aside.replace(path)


def _take_over(db: sqlite3.Connection, path: Path) -> None:
    """What another file knows and this one does not, or of an earlier time."""
    db.execute("ATTACH ? AS other", (str(path),))
    db.execute("INSERT OR IGNORE INTO archives (url) SELECT url FROM other.archives")
    db.execute(
        "INSERT INTO captures SELECT key, date, mine.id, packed FROM other.captures "
        "JOIN other.archives AS theirs ON archive = theirs.id JOIN main.archives AS mine ON mine.url = theirs.url "
        "WHERE true ON CONFLICT (key) DO UPDATE SET date = excluded.date, archive = excluded.archive, "
        "packed = excluded.packed WHERE excluded.date > date"
    )
    db.execute("DETACH other")


def _add_archive(db: sqlite3.Connection, url: str) -> None:
    db.execute("INSERT OR IGNORE INTO archives (url) VALUES (?)", (url,))
    try:
        with fsspec.open(url, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            for record, frame in _answers(file, size):
                _add(db, url, record, frame)
    except OSError:
        raise
    except Exception as error:  # clients of stores have error trees of their own
        raise OSError(f"{url}: {error!r}") from error


def _answers(file: IO[bytes], size: int) -> Iterator[tuple[WarcRecord, Frame]]:
    """Responses, revisits and what scripts made of pages, with their HTTP headers read. Damage is passed over."""
    for frame in frames(Source(file), size, _HEADERS):
        if isinstance(frame, Damage) or frame.packing == "arc" or not _ANSWER.search(frame.data, 0, _HEAD):
            continue
        with suppress(OSError):  # a header that cannot be read
            data = io.BytesIO(frame.data)
            record = next(ArchiveIterator(data, parse_http=False, auto_decode="none", quirks_mode=True), None)
            if record is not None and record.record_type in _ANSWERS:
                yield read_http(record, record.content_length), frame  # whose beginning is at hand


def _add(db: sqlite3.Connection, archive: str, record: WarcRecord, frame: Frame) -> None:
    url, fields = target_of(record), {name.lower(): value for name, value in record.headers}
    date, status = fields.get("warc-date", ""), record.http_headers.status_code if record.http_headers else None
    if record.record_type == WarcRecordType.revisit:
        _add_revisit(db, archive, record, fields)
    elif record.record_type == WarcRecordType.conversion:
        _add_rendered(db, archive, url, fields)
    elif status in _GONE:
        if (known := _find(db, url)) and known.url == url:  # and not by another scheme
            db.execute("DELETE FROM captures WHERE key = ? AND date <= ?", (media_key(url), date))
    elif status == 200 and not _NO_PAGE.intersection(name for name, value in fields.items() if value):
        headers = headers_of(record)
        known = Known(
            url,
            date,
            fields.get("warc-record-id", ""),
            fields.get("warc-payload-digest", ""),
            headers.get("content-type", ""),
            headers.get("etag", ""),
            headers.get("last-modified", ""),
            frame.offset,
            frame.end - frame.offset,
        )
        _put(db, archive, known, date)


def _add_rendered(db: sqlite3.Connection, archive: str, url: str, fields: dict[str, str]) -> None:
    """What stands right behind the capture that it was made of."""
    if (known := _find(db, url)) and known.record_id == fields.get("warc-refers-to", ""):
        known = msgspec.structs.replace(known, rendered=fields.get("warc-payload-digest", ""))
        _put(db, archive, known, fields.get("warc-date", ""))


def _add_revisit(db: sqlite3.Connection, archive: str, record: WarcRecord, fields: dict[str, str]) -> None:
    """A capture whose payload lies elsewhere: known already, or in another archive of the same folder."""
    url, headers, date = target_of(record), headers_of(record), fields.get("warc-date", "")
    first = fields.get("warc-refers-to", "")
    if (known := _find(db, url)) and known.record_id == first:
        is_full = record.http_headers is not None and record.http_headers.status_code == 200
        etag, modified = (headers.get(name, "") for name in ("etag", "last-modified"))
        if not is_full:  # of a page that is not modified a server may say less than of the page
            etag, modified = etag or known.etag, modified or known.last_modified
        stored = known.stored_url or known.url
        known = msgspec.structs.replace(known, url=url, etag=etag, last_modified=modified, stored_url=stored)
        _put(db, known.archive, known, date)
        return
    offset, length = (fields.get(f"warc-refers-to-file-{name}", "") for name in ("offset", "length"))
    name = fields.get("warc-refers-to-filename", "")
    beside = posixpath.join(posixpath.dirname(archive), name)
    is_there = db.execute("SELECT 1 FROM archives WHERE url = ?", (beside,)).fetchone()
    if is_there and offset.isdigit() and length.isdigit():
        known = Known(
            url,
            fields.get("warc-refers-to-date", ""),
            first,
            fields.get("warc-payload-digest", ""),
            headers.get("content-type", "") or fields.get("warc-identified-payload-type", ""),
            headers.get("etag", ""),
            headers.get("last-modified", ""),
            int(offset),
            int(length),
            stored_url=fields.get("warc-refers-to-target-uri", "").strip("<> "),
        )
        _put(db, beside, known, date)


def _put(db: sqlite3.Connection, archive: str, known: Known, date: str) -> None:
    """Keep the newest of an address; `date` is when it was seen last."""
    (number,) = db.execute("SELECT id FROM archives WHERE url = ?", (archive,)).fetchone()
    db.execute(
        "INSERT INTO captures VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET date = excluded.date, "
        "archive = excluded.archive, packed = excluded.packed WHERE excluded.date >= date",
        (media_key(known.url), date, number, msgspec.msgpack.encode(msgspec.structs.replace(known, archive=""))),
    )
