"""Pack the example site into one web archive: `python examples/make_archive.py OUT.warc.gz`.

The bytes are the same on every run with the same Pillow, PyAV and zlib: dates are fixed, record ids are derived from
what they name, and gzip members carry no time. Every record is a gzip member of its own, as crawlers write them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from films import FILMS
from photos import ASSETS, SITE, Asset
from warcio.statusandheaders import StatusAndHeaders  # type: ignore[import-untyped]
from warcio.warcwriter import WARCWriter  # type: ignore[import-untyped]

PAGES_DIR = Path(__file__).parent / "site"
FIRST_DAY = datetime(2026, 3, 16, 8, 0, tzinfo=UTC)
UTF8_HTML = "text/html; charset=utf-8"
Transfer = Literal["plain", "gzip", "chunked"]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Page:
    path: str
    file: str
    day: int  # days after FIRST_DAY; negative: an earlier crawl
    headers: Headers = ()
    transfer: Transfer = "plain"
    content_type: str = UTF8_HTML


@dataclass(frozen=True)
class Reply:
    """What the server sent. `payload` is what `WARC-Payload-Digest` covers: chunk framing does not belong to it."""

    status: str
    headers: Headers
    payload: bytes
    chunked: bool = False


# In crawl order. README.md says for each page what a build should do with it, and why.
PAGES = [
    Page("/sky/extreme-deep-field.html", "deep-field.html", -24),
    Page("/kitchen/espresso-in-a-red-cup.html", "espresso.html", 0),
    Page("/kitchen/closed-today.html", "stub.html", 0),
    Page("/sky/extreme-deep-field.html", "deep-field.html", 0),
    Page("/sky/launch-pad-at-dusk.html", "launch-pad.html", 0),
    Page("/people/eileen-collins.html", "eileen-collins.html", 0, transfer="chunked"),
    Page("/photo/how-exposure-works.html", "exposure.html", 0),
    Page("/garden/ball-dahlia.html", "dahlia.html", 1),
    Page("/fr/lac-kunming.html", "lac-kunming.html", 1),
    Page("/ja/dahlia.html", "dahlia-ja.html", 1),
    Page("/travel/tower-above-kunming-lake.html", "kunming-lake.html", 1),
    # The file itself is windows-1252 and has no <meta charset>: only this header tells.
    Page("/computing/grace-hopper.html", "grace-hopper.html", 1, content_type="text/html; charset=windows-1252"),
    Page("/kitchen/espresso-in-a-red-cup.html?utm_source=newsletter&utm_medium=mail", "espresso.html", 1),
    Page("/sky/shuttle-stack.html", "shuttle-stack.html", 1),
    Page("/animals/portrait-of-a-cat.html", "cat.html", 1),
    Page("/museum/coins-from-pompeii.html", "coins.html", 2, transfer="gzip"),
    Page("/photo/brick-paving.html", "brick-paving.html", 2, (("X-Robots-Tag", "noai"),)),
    Page("/travel/shell-roof.html", "shell-roof.html", 2, (("tdm-reservation", "1"),)),
    Page("/photo/standing-still.html", "tripod.html", 2),
    Page("/print/article-0417.html", "dahlia-print.html", 2),
    Page("/shop/grass-seed.html", "seed-shop.html", 2),
    Page("/photo/moving-over-stills.html", "moving-stills.html", 2),
    Page("/photo/gravel-and-grass.html", "textures.html", 2),
    Page("/garden/gravel-path.html", "gravel-path.html", 3),
    Page("/science/inside-the-eye.html", "fundus.html", 3),
    Page("/computing/very-small-pictures.html", "tiny.html", 3),
    Page("/sky/wide-strip.html", "panorama.html", 3),
    Page("/computing/the-picture-that-was-here.html", "missing.html", 3),
]
DAMAGED = Page("/kitchen/steaming-milk.html", "milk.html", 3)
PAGES_AFTER_DAMAGE = [
    Page("/science/brown-and-blue.html", "stain.html", 3),
    Page("/photo/notebook-at-an-angle.html", "notebook.html", 3),
]


def sha1(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def chunk(body: bytes, size: int = 1500) -> bytes:
    """Transfer-Encoding: chunked. The odd size splits UTF-8 sequences and tags, as real servers do."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def page_reply(page: Page) -> Reply:
    body = (PAGES_DIR / page.file).read_bytes()
    headers: Headers = (("Content-Type", page.content_type), *page.headers)
    if page.transfer == "gzip":
        return Reply("200 OK", (*headers, ("Content-Encoding", "gzip")), gzip.compress(body, mtime=0))
    return Reply("200 OK", headers, body, chunked=page.transfer == "chunked")


def asset_reply(asset: Asset) -> Reply:
    return Reply("200 OK", (("Content-Type", asset.media_type),), asset.render())


class Archive:
    """Writes records with a clock of its own: seven seconds pass between two of them, as for a polite crawler."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.now = FIRST_DAY
        self.pending = [*ASSETS, *FILMS]

    def start_day(self, day: int) -> None:
        """A day starts once: going back (an earlier crawl is listed first) moves the clock, staying does not."""
        if self.now.date() != (start := FIRST_DAY + timedelta(days=day)).date():
            self.now = start

    def write(
        self,
        kind: str,
        uri: str,
        payload: bytes = b"",
        content_type: str = "",
        http: StatusAndHeaders | None = None,
        extra: Headers = (),
        out: BinaryIO | None = None,
    ) -> str:
        """Write one record and return its WARC-Date. `out`, where given, gets the gzip member instead of the file."""
        date = f"{self.now:%Y-%m-%dT%H:%M:%SZ}"
        record_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {uri} {date}").urn
        headers = {"WARC-Record-ID": f"<{record_id}>", "WARC-Date": date, **dict(extra)}
        writer = WARCWriter(out or self.out, gzip=True, warc_version="1.1")
        writer.write_record(
            writer.create_warc_record(
                uri,
                kind,
                payload=BytesIO(payload),
                length=len(payload),
                warc_content_type=content_type,
                warc_headers_dict=headers,
                http_headers=http,
            )
        )
        self.now += timedelta(seconds=7)
        return date

    def http(self, reply: Reply, length: int | None) -> StatusAndHeaders:
        framing = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
        date = ("Date", format_datetime(self.now, usegmt=True))
        headers = [date, ("Server", "fieldnotes"), *reply.headers, framing]
        return StatusAndHeaders(reply.status, headers, protocol="HTTP/1.1", is_http_request=False)

    def request(self, uri: str) -> None:
        host, _, path = uri.removeprefix("https://").partition("/")
        headers = [("Host", host), ("User-Agent", "example-crawler/1.0"), ("Accept", "*/*")]
        line = StatusAndHeaders(f"GET /{path} HTTP/1.1", headers, is_http_request=True)
        self.write("request", uri, http=line)

    def response(self, uri: str, reply: Reply, out: BinaryIO | None = None) -> str:
        body = chunk(reply.payload) if reply.chunked else reply.payload
        http = self.http(reply, None if reply.chunked else len(body))
        digest = (("WARC-Payload-Digest", sha1(reply.payload)),)
        return self.write("response", uri, body, http=http, extra=digest, out=out)

    def visit(self, page: Page) -> str:
        """The page, then every image it names that was not met before: html and images mixed, as crawlers find them."""
        self.start_day(page.day)
        uri = SITE + page.path
        self.request(uri)
        date = self.response(uri, page_reply(page))
        raw = (PAGES_DIR / page.file).read_bytes()
        text = raw.decode("cp1252" if "1252" in page.content_type else "utf-8")
        for asset in [asset for asset in self.pending if asset.mention in text]:
            self.response(asset.url, asset_reply(asset))
            self.pending.remove(asset)
        return date

    def damaged(self, page: Page) -> None:
        """A record with some bytes of its compressed body overwritten, as a bad disk block does; its size is kept."""
        buffer = BytesIO()
        self.response(SITE + page.path, page_reply(page), out=buffer)
        member = bytearray(buffer.getvalue())
        middle = len(member) // 2
        member[middle : middle + 64] = b"\xff" * 64
        self.out.write(member)

    def revisit(self, page: Page, first_date: str) -> None:
        self.start_day(4)
        uri, reply = SITE + page.path, page_reply(page)
        extra = (
            ("WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"),
            ("WARC-Refers-To-Target-URI", uri),
            ("WARC-Refers-To-Date", first_date),
            ("WARC-Payload-Digest", sha1(reply.payload)),
        )
        self.write("revisit", uri, http=self.http(reply, len(reply.payload)), extra=extra)


def text_reply(text: str, media_type: str, status: str = "200 OK", headers: Headers = ()) -> Reply:
    return Reply(status, (("Content-Type", media_type), *headers), text.encode())


def write_prologue(archive: Archive) -> None:
    archive.start_day(PAGES[0].day)
    info = "software: example archive writer\r\nformat: WARC File Format 1.1\r\ndescription: Field Notes example\r\n"
    archive.write("warcinfo", "", info.encode(), "application/warc-fields")
    seeds = "".join(f"{SITE}{page.path}\n" for page in PAGES[:5])
    archive.write("resource", "urn:fieldnotes:seeds", seeds.encode(), "text/plain")
    archive.response(f"{SITE}/robots.txt", text_reply("User-agent: *\nAllow: /\n", "text/plain"))
    archive.response(f"{SITE}/assets/site.css", text_reply((PAGES_DIR / "site.css").read_text("utf-8"), "text/css"))


def write_odd_replies(archive: Archive) -> None:
    """A redirect, an error page and a metadata record: none of them is a document."""
    moved = text_reply("Moved\n", "text/plain", "301 Moved Permanently", (("Location", "/garden/ball-dahlia.html"),))
    archive.response(f"{SITE}/garden/dahlias", moved)
    missing = (PAGES_DIR / "not-found.html").read_text("utf-8")
    archive.response(f"{SITE}/travel/nowhere.html", text_reply(missing, UTF8_HTML, "404 Not Found"))
    fields = f"via: {SITE}/robots.txt\r\nfetchTimeMs: 41\r\n"
    archive.write("metadata", SITE + PAGES[1].path, fields.encode(), "application/warc-fields")


def build(out: BinaryIO) -> None:
    archive = Archive(out)
    write_prologue(archive)
    dates = {page: archive.visit(page) for page in PAGES}
    write_odd_replies(archive)
    archive.damaged(DAMAGED)
    dates |= {page: archive.visit(page) for page in PAGES_AFTER_DAMAGE}
    fundus = next(page for page in PAGES if page.file == "fundus.html")
    archive.revisit(fundus, dates[fundus])
    if archive.pending:
        raise SystemExit(f"no page names these files: {[asset.url for asset in archive.pending]}")


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: make_archive.py OUT.warc.gz")
    out = BytesIO()  # written at the end, so that a failed run leaves no half archive behind
    build(out)
    Path(sys.argv[1]).write_bytes(out.getvalue())


if __name__ == "__main__":
    main()
