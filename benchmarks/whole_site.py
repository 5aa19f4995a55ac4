"""Whether a crawl gets all of a site, and nothing twice: python -m benchmarks.whole_site FOLDER /index.html

Serves a folder, such as the HTML of a manual of Debian, crawls it from a page on, and compares what was asked for with
the pages that a walk over the files reaches by their links. Prints what is missing, and what was asked for twice; then
crawls it again since that crawl.
"""

import argparse
import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from selectolax.lexbor import LexborHTMLParser

from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.earlier import EARLIER, make_earlier
from crawlers.fetch_settings import FetchSettings
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from schemas.urls import resolve

_SITE = "http://site.example"
_HTML = (".html", ".htm")


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        print(self.path, file=self.log, flush=True)

    def log_error(self, *_: Any) -> None:
        pass

    def __init__(self, *arguments: Any, log: Any, **named: Any) -> None:
        self.log = log
        super().__init__(*arguments, **named)


def serve(listener: socket.socket, folder: str, log_path: str) -> None:
    with open(log_path, "w", encoding="utf-8") as log:
        server = ThreadingHTTPServer(listener.getsockname(), partial(_Handler, directory=folder, log=log), False)
        server.socket.close()
        server.socket = listener
        server.serve_forever()


async def crawl(port: int, start: str, folder: Path) -> Status:
    config = CrawlConfig(
        partitions=1,
        pace=PaceSettings(delay_s=0.0, concurrency_per_host=8),
        fetch=FetchSettings(connect_to={"site.example": f"127.0.0.1:{port}"}),
    )
    async with Spider(folder, 0, config, find_links) as spider:
        spider.offer([Item(_SITE + start, "page")])
        running = asyncio.create_task(spider.run())
        while not spider.status().is_idle and not running.done():
            await asyncio.sleep(0.2)
        spider.stop()
        await running
        return spider.status()


def crawl_again(port: int, start: str, scratch: Path) -> str:
    """What a second crawl of the same makes, since the one in `scratch/crawl`."""
    cpu_began = time.process_time()
    make_earlier(scratch / "again" / EARLIER, [str(scratch / "crawl")])
    indexed_s, cpu_began = time.process_time() - cpu_began, time.process_time()
    status = asyncio.run(crawl(port, start, scratch / "again"))
    cpu_s = time.process_time() - cpu_began
    sizes = [sum(path.stat().st_size for path in (scratch / name / "warc").iterdir()) for name in ("crawl", "again")]
    return (
        f"again: {status.visits}, not changed: {status.unchanged}, {status.statuses}; "
        f"{status.bytes / 1e6:.1f} MB came, archives {sizes[1] / 1e6:.2f} MB instead of {sizes[0] / 1e6:.2f}; "
        f"{indexed_s:.2f} CPU seconds to read those, {cpu_s:.1f} to crawl"
    )


def reachable(root: Path, start: str) -> set[str]:
    """Paths of the files that links lead to from a page on, in HTML."""
    seen, queue, found = {start}, [start], set[str]()
    while queue:
        path = queue.pop()
        file = root / unquote(path).lstrip("/") / ("index.html" if path.endswith("/") else "")
        if file.is_file() and file.name.endswith(_HTML):
            found.add(f"/{file.relative_to(root)}")
            for url in _links(file.read_bytes(), _SITE + path):
                if url not in seen:
                    seen.add(url)
                    queue.append(url)
    return found


def _links(html: bytes, base: str) -> Iterator[str]:
    for node in LexborHTMLParser(html).css("a[href], area[href], frame[src], iframe[src]"):
        url = resolve(base, (node.attributes.get("href") or node.attributes.get("src") or "").strip())
        if url.startswith(f"{_SITE}/"):
            yield urlsplit(url).path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("start")
    given = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        arguments = (listener, str(given.folder), str(log))
        server = multiprocessing.get_context("fork").Process(target=serve, args=arguments, daemon=True)
        server.start()
        began, cpu_began = time.monotonic(), time.process_time()
        status = asyncio.run(crawl(listener.getsockname()[1], given.start, Path(scratch, "crawl")))
        took, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
        asked = Counter(unquote(urlsplit(line).path) for line in log.read_text(encoding="utf-8").splitlines())
        again = crawl_again(listener.getsockname()[1], given.start, Path(scratch))
        server.terminate()
    wanted = reachable(given.folder, given.start)
    missing = [path for path in sorted(wanted) if not asked[path] and not asked[path.removesuffix("index.html")]]
    twice = {path: count for path, count in asked.items() if count > 1}
    print(
        f"{len(wanted) - len(missing):,} of {len(wanted):,} pages that links lead to were asked for, {missing[:5]} not"
    )
    print(f"{status.requests:,} requests, of them more than once: {twice or 'none'}")
    print(f"{status.visits}, dropped: {status.drops}; {took:.0f} s, {cpu_s:.1f} CPU seconds")
    print(again)


if __name__ == "__main__":
    main()
