"""What another try costs for a dataset that has grown, beside an append of as many pages as it makes again.

    python -m benchmarks.retried [--pages 400] [--s3]

Two builds of one dataset, of an archive of so many pages each; every page shows a picture of the web, one of ten has
a second, whose server was busy. Then it is well: `--retry-failed` asks for those, and a plain append adds as many new
pages with two pictures each. Opens are files of the dataset that were opened or asked for a range; with `--s3` there
are requests to the store that it lies in. CPU seconds are those of this process, its servers too, and its children.
"""

import argparse
import tempfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from benchmarks.append import TimedPhases
from benchmarks.cpu import cpu_seconds
from benchmarks.scale import Meter, slow_bucket
from jobs import build as building
from jobs.config import load_config
from jobs.engine.engine import EngineSettings
from schemas.dataset import Dataset
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.s3 import Faults
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_media_from_web import CDN, settings

INLINE = EngineSettings(engine="inline")
BUSY = Reply(b"busy", status=503)
#: One page of so many lacks a picture.
_OF = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--s3", action="store_true")
    arguments = parser.parse_args()
    faults = Faults() if arguments.s3 else None
    with tempfile.TemporaryDirectory() as folder, WebServer() as web, ExitStack() as stack:
        out = f"{stack.enter_context(slow_bucket(faults, 0))}/out" if faults is not None else f"{folder}/out"
        measure(Path(folder), out, arguments.pages, web, Meter(faults))


def measure(folder: Path, out: str, pages: int, web: WebServer, meter: Meter) -> None:
    sets = settings(web, "media.fetch.max_attempts=1", "media.pace.max_failures=9999", delay_s=0.0)
    recipe = load_config("default", sets)
    archives = [written(folder / f"{part}.warc.gz", web, part * pages, pages) for part in range(2)]
    fails = [url for url in web.routes if "second" in url]
    replies = {url: web.routes[url] for url in fails}
    web.routes |= dict.fromkeys(fails, BUSY)
    building.build(out, archives[:1], recipe, INLINE)
    building.append(out, archives[1:], recipe, INLINE)
    web.routes |= replies
    more = written(folder / "more.warc.gz", web, 2 * pages, len(fails), every=1)
    print("what | samples written | pictures asked for | opens | requests to the store | CPU s | most of it")
    with patch.object(building, "Phases", TimedPhases), meter.installed():
        for name, work in {
            "--retry-failed": lambda: building.build(out, [], recipe, INLINE, retry=True),
            "--retry-failed, nothing to ask for": lambda: building.build(out, [], recipe, INLINE, retry=True),
            "--append of as many pages": lambda: building.append(out, [more], recipe, INLINE),
        }.items():
            row(name, work, web, meter)


def row(name: str, work: Callable[[], Dataset], web: WebServer, meter: Meter) -> None:
    web.log.clear()
    TimedPhases.seconds.clear()
    before = cpu_seconds(), meter.opens(), meter.requests()
    dataset = work()
    took = cpu_seconds() - before[0]
    most = sorted(TimedPhases.seconds.items(), key=lambda one: -one[1])[:4]
    wrote = dataset.builds[-1].written["interleaved"].samples
    asked = sum(path.endswith(".jpg") for path in web.paths(CDN))
    of_phases = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in most)
    opens, requests = meter.opens() - before[1], meter.requests() - before[2]
    print(f"{name} | {wrote} | {asked} | {opens} | {requests} | {took:.2f} | {of_phases}")


def written(path: Path, web: WebServer, first: int, count: int, every: int = _OF) -> str:
    """An archive of pages, and their pictures on the server."""
    records = []
    for number in range(first, first + count):
        names = [f"{number}.jpg"] + ([f"second-{number}.jpg"] if number % every == 0 else [])
        for name in names:
            web.routes[f"{CDN}/{name}"] = Reply(photo(zlib.crc32(name.encode())), "image/jpeg")
        html = article(number, [f"http://{CDN}/{name}" for name in names])
        records.append((f"http://site{number % 50}.example/{number}", html.encode(), "text/html; charset=utf-8"))
    return str(write_archive(path, records))


if __name__ == "__main__":
    main()
