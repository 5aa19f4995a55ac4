"""Memory of a worker that is asked for many addresses: python -m benchmarks.wanted --addresses 1000000

Addresses are made as a build hands them on, queued in a frontier, and read back as outcomes. Prints how far the memory
of the process has grown by each quarter of the way, and addresses a second.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from crawlers.frontier import Frontier
from crawlers.items import Item
from crawlers.media_settings import MediaSettings, media_crawl
from crawlers.outcomes import read_outcomes
from schemas.consent import ConsentSettings

_HOSTS, _AT_A_TIME = 1000, 1000


def main(addresses: int) -> None:
    scope = media_crawl(MediaSettings(), ConsentSettings(), 1).scope
    with tempfile.TemporaryDirectory() as folder:
        path, began = Path(folder) / "frontier.sqlite", time.monotonic()
        frontier = Frontier(path, scope)
        for start in range(0, addresses, _AT_A_TIME):
            with frontier.transaction():
                for number in range(start, min(addresses, start + _AT_A_TIME)):
                    url = f"http://h{number % _HOSTS}.example/pictures/{number}.jpg"
                    frontier.intake.add(Item(url, "image", fallbacks=(f"{url}?small",)))
            if (start + _AT_A_TIME) * 4 % addresses < 4 * _AT_A_TIME:
                print(
                    f"{start + _AT_A_TIME:,} queued: {_peak_mb():.0f} MB, {time.monotonic() - began:.0f} s", flush=True
                )
        frontier.close()
        began = time.monotonic()
        told = sum(1 for _ in read_outcomes(path))
        print(f"{told:,} outcomes: {_peak_mb():.0f} MB, {time.monotonic() - began:.0f} s")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=1_000_000)
    main(parser.parse_args().addresses)
