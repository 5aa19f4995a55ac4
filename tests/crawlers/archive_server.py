"""A server of archives on this machine, with ranges, and with the faults of such servers."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.crawlers.servers import Reply, Request, WebServer
from tests.crawlers.warcs import Record, write_warc

FOLDER = "crawl-data/CC-MAIN-2026-10/segments/1/warc"


class ArchiveServer(WebServer):
    """Serves the files below `root` by ranges. `faults` are replies that come first, by path, one each time."""

    def __init__(self, root: Path, faults: dict[str, list[Reply]] | None = None) -> None:
        super().__init__()
        self._root, self.faults = root, faults or {}

    def _reply(self, request: Request) -> Reply:
        if waiting := self.faults.get(request.path.rpartition("/")[2]):
            return waiting.pop(0)
        path = self._root / request.path.lstrip("/")
        if not path.is_file():
            return Reply(b"no such key", status=404)
        data = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if not wanted:
            return Reply(data)
        start, end = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
        if start >= len(data):
            return Reply(b"", status=416)
        return Reply(data[start : end + 1], status=206, headers=(_content_range(start, end, len(data)),))

    def ranges(self) -> Counter[tuple[str, str]]:
        return Counter((line.path.rpartition("/")[2], line.headers.get("range", "")) for line in self.log)


def _content_range(start: int, end: int, size: int) -> tuple[str, str]:
    return "Content-Range", f"bytes {start}-{end}/{size}"


def short_answer(start: int, data: bytes, size: int) -> Reply:
    """206 with less than was asked for, though the archive goes on."""
    return Reply(data, status=206, headers=(_content_range(start, start + len(data) - 1, size),))


def write_archives(root: Path, archives: dict[str, Iterable[Record]]) -> list[dict[str, object]]:
    """Archives below `root`, and their rows as Common Crawl's columnar index has them."""
    rows: list[dict[str, object]] = []
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, records in archives.items():
        listed = list(records)
        places = write_warc(root / FOLDER / name, listed)
        for record, (offset, length) in zip(listed, places, strict=True):
            host = record.url.split("/")[2]
            key = ",".join(reversed(host.removeprefix("www.").split(".")))
            rows.append(
                {
                    "url_surtkey": f"{key})/{record.url.split('/', 3)[3]}",
                    "url": record.url,
                    "fetch_status": int(record.http.get_statuscode()) if record.http else 200,
                    "content_mime_detected": "text/html",
                    "content_languages": "eng",
                    "warc_filename": f"{FOLDER}/{name}",
                    "warc_record_offset": offset,
                    "warc_record_length": length,
                }
            )
    return rows


def write_index(path: Path, rows: list[dict[str, object]]) -> str:
    """Rows as parquet."""
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)
