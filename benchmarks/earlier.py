"""What it takes to know what an earlier crawl captured: python -m benchmarks.earlier [--captures 100000]

Writes an archive of small made pages, indexes it as `weft crawl --since` does, and looks them up.
"""

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from crawlers.earlier import EARLIER, Earlier, make_earlier
from crawlers.exchange import Exchange
from crawlers.warc_writer import WarcWriter, payload_digest

_HEAD = b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: "%d"\r\n'


def write(folder: Path, captures: int) -> None:
    writer, now = WarcWriter(folder / "warc", "weft-000", 1 << 30), datetime.now(UTC)
    for number in range(captures):
        body = b"<p>%d" % number * 200
        exchange = Exchange(url_of(number), 200, b"GET / HTTP/1.1\r\n", _HEAD % number, {}, body, "192.0.2.1", now)
        writer.write(exchange, payload_digest(body))
    writer.finish()


def url_of(number: int) -> str:
    return f"http://site{number % 997}.example/articles/{number}.html"


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--captures", type=int, default=100_000)
    captures = parser.parse_args().captures
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "two", EARLIER)
        write(Path(scratch, "one"), captures)
        before, began = memory_mb(), time.process_time()
        make_earlier(path, [str(Path(scratch, "one"))])
        took, grown = time.process_time() - began, memory_mb() - before
        earlier, some, began = Earlier(path), range(0, captures, 5), time.process_time()
        assert all(earlier.find(url_of(number)) for number in some)
        lookup_us, size = (time.process_time() - began) / len(some) * 1e6, path.stat().st_size
        print(
            f"{captures:,} captures: {took / captures * 1e6:.0f} us of CPU and {size / captures:.0f} bytes each, "
            f"{grown:.0f} MB of memory more; a lookup {lookup_us:.0f} us"
        )


if __name__ == "__main__":
    main()
