"""What a frontier costs as it grows: python -m benchmarks.frontier --addresses 10000000 --max-s 900

Addresses of made sites, 500 a transaction, as a spider adds them. Now and then prints microseconds of CPU for an
address, those of a status, the memory of this process, the size of the file, and what was written to it and its log.
"""

import argparse
import itertools
import resource
import tempfile
import time
from pathlib import Path

from crawlers.frontier import Frontier
from crawlers.items import Item
from crawlers.scope import ScopeSettings

_AT_ONCE, _STATUSES = 500, 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--addresses", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--every", type=int, default=1_000_000)
    parser.add_argument("--max-s", type=float, default=900.0)
    arguments = parser.parse_args()
    items = (
        Item(f"https://site{n * 7919 % arguments.hosts}.example/section/{n % 97}/page-{n}.html", "page", n % 9)
        for n in range(arguments.addresses)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frontier.sqlite"
        frontier, began = Frontier(path, ScopeSettings()), time.monotonic()
        added, last, cpu = 0, 0, time.process_time()
        while (batch := list(itertools.islice(items, _AT_ONCE))) and time.monotonic() - began < arguments.max_s:
            with frontier.transaction():
                for item in batch:
                    frontier.intake.add(item)
            added += len(batch)
            if added % arguments.every == 0:
                a_piece = (time.process_time() - cpu) / (added - last) * 1e6
                cpu = time.process_time()
                for _ in range(_STATUSES):
                    frontier.queued()
                    frontier.unsent()
                    frontier.hosts.waiting()
                    frontier.hosts.fullest(20)
                status = (time.process_time() - cpu) / _STATUSES * 1e6
                memory, size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, path.stat().st_size >> 20
                line = f"{added:,}: {a_piece:.0f} us each, status {status:.0f} us, {memory} MB, file {size} MB"
                print(f"{line}, written {_written() / added / 1000:.1f} kB each", flush=True)
                last, cpu = added, time.process_time()
        frontier.close()


def _written() -> int:
    """Bytes that this process has handed to the system to be written, as Linux counts them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("wchar")))


if __name__ == "__main__":
    main()
