"""How near a crawl comes to the pace that its hosts allow: python -m benchmarks.politeness --hosts 1000 --delay-s 5

One worker, and a server of made pages in a process beside it, on this machine. Prints requests a second, those that are
ideal, and requests a CPU second of the worker.
"""

import argparse
import asyncio
import multiprocessing
import socket
import tempfile
import time
from pathlib import Path

from crawlers.crawl_config import CrawlConfig
from crawlers.fetch_settings import FetchSettings
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links

_LINKS = 20


def serve(listener: socket.socket) -> None:
    """Pages `/n` that lead to the next ones, on every host; no policy files."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].strip(b"/")
                links = range(int(path) + 1, int(path) + 1 + _LINKS) if path.isdigit() else ()
                body = b"".join(b"<a href=/%d>on</a><p>Some words.</p>" % number for number in links)
                status = b"200 OK" if links else b"404 Not Found"
                head = b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
                writer.write(head + body)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, sock=listener)
        await server.serve_forever()

    asyncio.run(run())


async def measure(port: int, hosts: int, delay_s: float, seconds: float) -> str:
    names = [f"h{number}.example" for number in range(hosts)]
    config = CrawlConfig(
        partitions=1,
        pace=PaceSettings(delay_s=delay_s, concurrency_per_host=1 if delay_s else 8),
        fetch=FetchSettings(connect_to=dict.fromkeys(names, f"127.0.0.1:{port}")),
    )
    with tempfile.TemporaryDirectory() as folder:
        async with Spider(Path(folder), 0, config, find_links) as spider:
            spider.offer(Item(f"http://{name}/0", "page") for name in names)
            running = asyncio.create_task(spider.run())
            began, cpu_began = time.monotonic(), time.process_time()
            await asyncio.sleep(seconds)
            took, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
            status = spider.status()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    ideal = f" of {hosts / delay_s:,.0f}" if delay_s else ""
    return (
        f"{status.requests / took:,.0f}{ideal} requests/s, {status.requests / cpu_s:,.0f} a CPU second, "
        f"{status.visits.get('page', 0):,} pages in {took:.0f} s and {cpu_s:.1f} CPU seconds"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--delay-s", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
    server.start()
    try:
        print(asyncio.run(measure(listener.getsockname()[1], given.hosts, given.delay_s, given.seconds)))
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
