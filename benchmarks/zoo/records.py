"""Archives, lists and shards: damage costs what it touches, and nothing beside it."""

import functools
import gzip
import io
import random
import tempfile
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.zoo.mutants import mutant
from benchmarks.zoo.species import require
from crawlers.http import decode_body
from crawlers.inputs import InputError
from crawlers.url_lists import ListSettings, find_columns, read_fields, read_rows
from crawlers.warc import read_captures
from crawlers.warc_records import WarcSettings
from jobs.kinds.pairs.lists import pair_of
from pipeline.captions import CaptionRules
from pipeline.text.pii import PiiRules
from schemas.drops import Drop, Tally
from tests.crawlers.warcs import Record, chunked, other, record_bytes, response, revisit
from tests.pipeline.makers import encoded, paragraphs, picture

_RECORDS = 7


@functools.cache
def _records() -> list[Record]:
    html = f"<html><body>{paragraphs(2)}</body></html>".encode()
    packed = gzip.compress(html, mtime=0)
    image = encoded(picture(80, 60), "JPEG")
    return [
        other("warcinfo", "urn:info", b"software: zoo\r\n", "application/warc-fields"),
        response("http://a.example/0", html),
        response("http://a.example/1", packed, headers={"Content-Encoding": "gzip"}),
        response("http://a.example/2.jpg", image, content_type="image/jpeg"),
        response("http://a.example/3", chunked(html), headers={"Transfer-Encoding": "chunked"}),
        revisit("http://a.example/4"),
        response("http://a.example/5", html, headers={"Content-Encoding": "gzip"}),
    ]


def make_archive(rng: random.Random) -> bytes:
    """A head of two bytes says which record was changed, 255 if more than one, and whether it is compressed."""
    is_gzip = rng.random() < 0.6
    parts = [record_bytes(record, is_gzip) for record in _records()]
    if rng.random() < 0.6:
        which = rng.randrange(len(parts))
        length = len(parts[which])
        changed = mutant(rng, parts[which], parts)
        if not is_gzip:  # the length of a plain record is known by what it says: only its bytes change
            changed = changed[:length].ljust(length, b"x")
        parts[which] = changed
        return bytes([which, is_gzip]) + b"".join(parts)
    return bytes([255, is_gzip]) + mutant(rng, b"".join(parts), [record_bytes(record) for record in _records()])


def judge_archive(data: bytes) -> str:
    """Counts add up, and records that were not changed come out."""
    which, archive = (data[0], data[2:]) if len(data) > 1 else (255, b"")
    tally, settings = Tally(), WarcSettings(videos=True)
    found = {}
    for capture in read_captures(io.BytesIO(archive), "zoo.warc", len(archive), settings, tally):
        found[capture.url] = capture
        try:
            headers = capture.headers
            decode_body(
                capture.body,
                headers.get("transfer-encoding", ""),
                headers.get("content-encoding", ""),
                settings.max_page_bytes,
            )
        except Drop:
            pass
    require(tally.counts().unaccounted("record") == 0, "the counts of records do not add up")
    if which != 255 and data[1]:
        expected = {record.url for place, record in enumerate(_records()) if place not in (0, 5, which)}
        require(expected <= found.keys(), "a record that was not changed is lost")
    return "captures" if found else "nothing"


_HOSTILE_VALUES: list[object] = [
    "http://a.example/1.jpg",
    "HTTP://A.EXAMPLE/2.JPG",
    "file:///etc/passwd",
    "simplecache::http://127.0.0.1:9/x",
    "s3://bucket/key",
    "private.mp4",
    "/etc/passwd",
    "http://a.example/\x00",
    "http://[::1",
    "http://a.example:99999999/",
    "\\\\host\\share",
    "-",
    "",
    None,
    "http://" + "a" * 3000 + ".example/",
    "data:image/png;base64,AAAA",
    "http://\ud800.example/".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "a caption of a few plain words",
    "a_" * 500 + "!",
    "image of " * 300,
    "(" * 2000,
    "+44 20 7946 0958 " * 20,
    "<" * 500,
    "&amp;" * 300,
    "\u202e\u200b\ufeff",
    17,
    -1.5,
    [],
    {},
    True,
]


def make_list(rng: random.Random) -> bytes:
    """The first byte says the form."""
    form = rng.randrange(4)
    names = [
        rng.choice(("url", "URL", "image_url", "video", "x")),
        rng.choice(("caption", "TEXT", "text", "y")),
        "extra",
    ]
    rows = [{name: rng.choice(_HOSTILE_VALUES) for name in names} for _ in range(rng.randrange(1, 12))]
    if form == 0:
        file = io.BytesIO()
        text = [{key: None if value is None else str(value) for key, value in row.items()} for row in rows]
        pq.write_table(pa.Table.from_pylist(text), file)
        data = file.getvalue()
    elif form == 1:
        data = b"\n".join(map(msgspec.json.encode, rows))
    else:
        between = "," if form == 2 else "\t"
        data = "\n".join(
            between.join(map(str, row)) for row in ([names] + [list(row.values()) for row in rows])
        ).encode("utf-8", "replace")
    return bytes([form]) + (mutant(rng, data) if rng.random() < 0.5 else data)


def judge_list(data: bytes) -> str:
    """A damaged list is refused in a line, a bad row is dropped."""
    ending = ("parquet", "jsonl", "csv", "tsv")[data[0] % 4 if data else 0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"zoo.{ending}"
        path.write_bytes(data[1:])
        tally = Tally()
        try:
            for row in read_rows(str(path), find_columns(str(path), ListSettings())):
                tally.saw("pair")
                try:
                    pair_of(row, 0, CaptionRules(), PiiRules())
                    tally.kept("pair")
                except Drop:
                    continue
            for _ in read_fields(str(path), ["url", "subtitles"]):
                pass
        except InputError as error:
            require("\n" not in str(error)[:-1], "a damaged list is refused in more than a line")
            return "refused"
    return "read"
