"""Archives of robots.txt captures, as Common Crawl makes them beside its pages."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

NO_TRAINING = "User-agent: *\nAllow: /\nContent-Usage: train-ai=n\n"
EARLY, LATE = "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z"
#: A capture: address, status, headers, body, time.
Capture = tuple[str, int, dict[str, str], bytes, str]


def robots(text: str | bytes = "", status: int = 200, time: str = EARLY, **headers: str) -> tuple[Any, ...]:
    return status, headers, text.encode() if isinstance(text, str) else text, time


def write_robots(path: Path, captures: Iterable[Capture], truncated: str = "") -> str:
    """`truncated`: why only the beginning of each was taken."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, status, headers, body, time in captures:
            written = StatusAndHeaders(f"{status} X", list(headers.items()), protocol="HTTP/1.1")
            stated = {"WARC-Date": time} | ({"WARC-Truncated": truncated} if truncated else {})
            record = writer.create_warc_record(
                url, "response", payload=io.BytesIO(body), http_headers=written, warc_headers_dict=stated
            )
            writer.write_record(record)
    return str(path)
