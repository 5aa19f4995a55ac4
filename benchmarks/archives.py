"""Archives to measure on: folders of pages packed into one, or one repeated under other host names."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from crawlers.warc import read_captures, read_response
from crawlers.warc_records import WarcSettings
from schemas.drops import Drop, Tally


def pack_pages(folder: Path, out: Path) -> None:
    """`FOLDER/NAME/source.html` for every NAME, as responses of https://NAME.example/."""
    with out.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for page in sorted(folder.glob("*/source.html")):
            write_response(writer, f"https://{page.parent.name}.example/page.html", page.read_bytes(), "text/html")


def repeat(source: Path, out: Path, times: int) -> None:
    """The responses of an archive `times` over, each time under other host names, so that none is a duplicate.

    Mentions of a page's own host in its markup are renamed with it, so that its images are found again. A word at
    the end of each paragraph makes the texts differ.
    """
    with out.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for copy in range(times):
            for url, body, content_type in responses(source):
                host = urlsplit(url).netloc
                renamed = f"c{copy}-{host}"
                if content_type.startswith("text/html"):
                    body = body.replace(host.encode(), renamed.encode())
                    body = body.replace(b"</p>", f" Copy {copy}.</p>".encode())
                write_response(writer, url.replace(host, renamed, 1), body, content_type)


def responses(archive: Path) -> Iterator[tuple[str, bytes, str]]:
    """Address, decoded body and content type of the pages and images that weft sees in an archive."""
    data, settings = archive.read_bytes(), WarcSettings()
    for capture in read_captures(io.BytesIO(data), str(archive), len(data), settings, Tally()):
        try:
            headers, body, *_ = read_response(
                data[capture.offset :][: capture.length], capture.url, settings.max_image_bytes
            )
        except Drop:
            continue
        yield capture.url, body, headers.get("content-type", "")


def write_response(writer: WARCWriter, url: str, body: bytes, content_type: str) -> None:
    headers = StatusAndHeaders("200 OK", [("Content-Type", content_type)], protocol="HTTP/1.1")
    dated = {"WARC-Date": "2026-01-01T00:00:00Z"}
    record = writer.create_warc_record(
        url, "response", payload=io.BytesIO(body), http_headers=headers, warc_headers_dict=dated
    )
    writer.write_record(record)


if __name__ == "__main__":
    pack_pages(Path(sys.argv[1]), Path(sys.argv[2]))
