"""Records copied by the rows of an index: python -m benchmarks.index_records --records 4000 --peer PYTHON

Made archives, and a server that gives ranges of them in a process beside, on this machine. Of every so many records one
is wanted, alone or with its neighbours. Prints records a second and a CPU second of the copier, and requests a record.
`--peer` is a Python that has cdx_toolkit: it copies some of the same records, its pauses between requests left out.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.crawl_config import CrawlConfig
from crawlers.index_rows import Selection, select_rows
from crawlers.range_settings import RangeSettings
from crawlers.record_copier import RecordCopier
from tests.crawlers.warcs import response, write_warc

_ARCHIVES = 8
_RANGE = re.compile(rb"GET (\S+) .*?range: bytes=(\d+)-(\d+)", re.DOTALL | re.IGNORECASE)
_PEER = """
import io, json, sys, time
from warcio import WARCWriter
from cdx_toolkit import myrequests, warc
myrequests.retry_info["default"]["minimum_interval"] = 0
at, out, *rows = sys.argv[1], sys.argv[2], *json.load(open(sys.argv[3]))
began, cpu = time.monotonic(), time.process_time()
with open(out, "wb") as file:
    writer = WARCWriter(file, gzip=True)
    for row in rows:
        writer.write_record(warc.fetch_warc_record(row, at))
print(len(rows), time.monotonic() - began, time.process_time() - cpu)
"""


def serve(listener: socket.socket, folder: str) -> None:
    """Ranges of the files in `folder`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while wanted := _RANGE.match(await reader.readuntil(b"\r\n\r\n")):
                path, start, end = wanted[1].decode().lstrip("/"), int(wanted[2]), int(wanted[3])
                with open(os.path.join(folder, path), "rb", buffering=0) as file:
                    size = os.fstat(file.fileno()).st_size
                    data = os.pread(file.fileno(), end - start + 1, start)
                writer.write(
                    b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n"
                    % (start, start + len(data) - 1, size, len(data))
                    + data
                )
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, sock=listener)
        await server.serve_forever()

    asyncio.run(run())


def make_archives(folder: Path, records: int) -> list[dict[str, str | int]]:
    """Archives of made pages of some 60 KB, 28 KB packed, and their rows."""
    words = [f"{random.Random(n).getrandbits(40):x}" for n in range(3000)]
    rows: list[dict[str, str | int]] = []
    for archive in range(_ARCHIVES):
        draw = random.Random(archive)
        urls = [f"https://site{n % 100}.example/{archive}/{n}" for n in range(records // _ARCHIVES)]
        made = [response(url, f"<p>{' '.join(draw.choices(words, k=6000))}</p>") for url in urls]
        for url, (offset, length) in zip(urls, write_warc(folder / f"{archive}.warc.gz", made), strict=True):
            rows.append({"url": url, "filename": f"{archive}.warc.gz", "offset": offset, "length": length})
    return rows


async def copy(folder: Path, at: str, config: CrawlConfig) -> str:
    async with RecordCopier(folder, 0, at, config, []) as copier:
        began, cpu = time.monotonic(), time.process_time()
        await copier.run()
        took, cpu_s = time.monotonic() - began, time.process_time() - cpu
        n, asked = copier.status.copied, copier.status.requests
        return (
            f"{n:,} records, {n / took:,.0f} a second, {n / cpu_s:,.0f} a CPU second, {asked / n:.2f} requests a record"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--peer", default="", metavar="PYTHON")
    parser.add_argument("--peer-records", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "archives").mkdir()
        rows = make_archives(base / "archives", arguments.records)
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        at = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = multiprocessing.Process(target=serve, args=(listener, str(base / "archives")), daemon=True)
        server.start()
        ranges = RangeSettings(connections=arguments.connections, max_gap_bytes=0)
        for label, wanted in (
            ("every record", rows),
            ("eight in a row of sixteen", [row for n, row in enumerate(rows) if n % 16 < 8]),
            ("every second one, alone", rows[::2]),
        ):
            folder = base / label.replace(" ", "-")
            folder.mkdir()
            pq.write_table(pa.Table.from_pylist(wanted), folder / "index.parquet")
            select_rows([str(folder / "index.parquet")], Selection(), at, folder / "work" / "records", 1)
            print(f"{label}: {asyncio.run(copy(folder, at, CrawlConfig(partitions=1, ranges=ranges)))}")
        if arguments.peer:
            (base / "rows.json").write_text(json.dumps(rows[::2][: arguments.peer_records]))
            command = [arguments.peer, "-c", _PEER, at, str(base / "peer.warc.gz"), str(base / "rows.json")]
            n, took, cpu_s = map(
                float, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
            )
            print(f"peer: {n:,.0f} records, {n / took:,.0f} a second, {n / cpu_s:,.0f} a CPU second, 1 request each")
        server.terminate()


if __name__ == "__main__":
    main()
