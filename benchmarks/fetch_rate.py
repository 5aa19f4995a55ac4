"""Small images fetched into archives: how near to the pace that hosts allow, CPU time a fetch, memory, and what the
server saw.

    python -m benchmarks.fetch_rate --hosts 1000 --delay-s 1 --seconds 60     # of 1,000 a second that are ideal
    python -m benchmarks.fetch_rate --hosts 50 --images 20000 --delay-s 0 --seconds 3000  # 10^6 addresses: memory

The workers of a build, each a process with its own hosts, beside a server on this machine that keeps a log. Prints a
line a tenth of the way, then requests and images a second, CPU seconds of workers and of the server, memory, how often
an address was asked for at most, and the least time between two requests to a host.
"""

import argparse
import asyncio
import cProfile
import multiprocessing
import os
import pstats
import random
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

from crawlers.fetch_settings import FetchSettings
from crawlers.items import Item
from crawlers.media_settings import MediaSettings, media_crawl
from crawlers.pace_settings import PaceSettings
from crawlers.scope import partition_of
from crawlers.spider import Spider
from pipeline.page.links import find_links
from schemas.consent import ConsentSettings

_OFFERED_AT_ONCE = 1000
_NOISE = random.Random(1).randbytes(1 << 20)


class Size(NamedTuple):
    hosts: int
    images: int  # of each host
    delay_s: float
    workers: int
    seconds: float
    bytes: int = 1000  # of an image


class Log(NamedTuple):
    """What the server saw."""

    images: int
    most: int  # requests for one address
    least_gap_s: float  # between two requests to a host
    cpu_s: float


class Worked(NamedTuple):
    """What one worker did."""

    requests: int
    images: int
    bytes: int
    cpu_s: float
    took_s: float
    memory_mb: int


class _Server(asyncio.Protocol):
    """Images that differ in their last bytes, on every host; no policy files."""

    counts: ClassVar[dict[bytes, int]] = {}
    last: ClassVar[dict[bytes, float]] = {}
    least_gap_s: ClassVar[float] = 1e9
    body_bytes: ClassVar[int] = 1000

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        while b"\r\n\r\n" in self._head:
            head, _, self._head = self._head.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            host = head.split(b"\r\nHost: ", 1)[1].split(b"\r\n", 1)[0]
            at = time.monotonic()
            self._note(host, at)
            if path.endswith(b".jpg"):
                name = host + path
                _Server.counts[name] = _Server.counts.get(name, 0) + 1
                body = b"\xff\xd8\xff\xe0\0\x10JFIF" + _NOISE[: self.body_bytes] + name
                self._transport.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )
            else:
                self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _note(self, host: bytes, at: float) -> None:
        if host in _Server.last:
            _Server.least_gap_s = min(_Server.least_gap_s, at - _Server.last[host])
        _Server.last[host] = at


def serve(listener: socket.socket, told: Connection, body_bytes: int) -> None:
    """Until it is asked for its log."""
    _Server.body_bytes = body_bytes

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, sock=listener)
        while not told.poll():
            await asyncio.sleep(0.2)
        server.close()

    asyncio.run(run())
    counts = _Server.counts.values()
    told.send(Log(sum(counts), max(counts, default=0), _Server.least_gap_s, time.process_time()))


def items_of(size: Size, partition: int) -> Iterator[Item]:
    for number in range(size.images):
        for host in range(size.hosts):
            item = Item(f"http://h{host}.example/{number}.jpg", "image")
            if partition_of(item.url, size.workers) == partition:
                yield item


async def fetch(size: Size, port: int, partition: int, folder: Path) -> Worked:
    names = [f"h{number}.example" for number in range(size.hosts)]
    media = MediaSettings(
        pace=PaceSettings(delay_s=size.delay_s, concurrency_per_host=1 if size.delay_s else 8),
        fetch=FetchSettings(connect_to=dict.fromkeys(names, f"127.0.0.1:{port}")),
    )
    config = media_crawl(media, ConsentSettings(), size.workers)
    async with Spider(folder, partition, config, find_links) as spider:
        batch: list[Item] = []
        for item in items_of(size, partition):
            batch.append(item)
            if len(batch) == _OFFERED_AT_ONCE:
                spider.offer(batch)
                batch = []
        spider.offer(batch)
        _say(partition, f"queued, {_memory_mb()} MB")
        began, cpu_began, shown = time.monotonic(), time.process_time(), 0
        running = asyncio.create_task(spider.run())
        while (took := time.monotonic() - began) < size.seconds and not spider.status().is_idle and not running.done():
            await asyncio.sleep(0.25)
            images = spider.status().visits.get("image", 0)
            if images - shown >= max(1, size.hosts * size.images // size.workers // 10):
                shown = images
                cpu_s = time.process_time() - cpu_began
                _say(
                    partition, f"{images:,} images, {took:.0f} s, {1e3 * cpu_s / images:.2f} ms each, {_memory_mb()} MB"
                )
        status, took, cpu_s = spider.status(), time.monotonic() - began, time.process_time() - cpu_began
        spider.stop()
        await running
    return Worked(status.requests, status.visits.get("image", 0), status.bytes, cpu_s, took, _memory_mb())


def _say(partition: int, text: str) -> None:
    print(f"  worker {partition}: {text}", flush=True)


def _memory_mb() -> int:
    """Of this process now: pages that are its own."""
    pages = Path("/proc/self/statm").read_text().split()
    return (int(pages[1]) - int(pages[2])) * resource.getpagesize() >> 20


def work(size: Size, port: int, partition: int, folder: Path, told: Connection, profile: bool) -> None:
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    told.send(asyncio.run(fetch(size, port, partition, folder)))
    profiler.disable()
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def measure(size: Size, profile: bool = False) -> str:
    """Raises `RuntimeError` where a worker or the server has ended before its time, which has said why itself."""
    fork, listener = multiprocessing.get_context("fork"), socket.create_server(("127.0.0.1", 0), backlog=4096)
    log_end, server_end = fork.Pipe()
    started = [fork.Process(target=serve, args=(listener, server_end, size.bytes), daemon=True)]
    started[0].start()
    server_end.close()  # an end that is held here, too, would never be found shut
    port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="weft-fetch-rate-") as folder:
        ends = []
        try:
            for partition in range(size.workers):
                mine, theirs = fork.Pipe()
                worker = fork.Process(target=work, args=(size, port, partition, Path(folder), theirs, profile))
                worker.start()
                theirs.close()
                started.append(worker)
                ends.append(mine)
            worked: list[Worked] = [_told(end, f"worker {number}") for number, end in enumerate(ends)]
            log_end.send("")
            log: Log = _told(log_end, "the server")
        except BaseException:
            for process in started:
                process.terminate()
            raise
        finally:
            for process in started:
                process.join()
    return told_of(size, worked, log)


def _told(end: Connection, who: str) -> Any:
    try:
        return end.recv()
    except EOFError:
        raise RuntimeError(f"{who} has ended with an error") from None


def told_of(size: Size, worked: list[Worked], log: Log) -> str:
    requests, images = sum(one.requests for one in worked), sum(one.images for one in worked)
    cpu_s, took = sum(one.cpu_s for one in worked), max(one.took_s for one in worked)
    ideal = f" of {size.hosts / size.delay_s:,.0f} that are ideal" if size.delay_s else ""
    return (
        f"{requests / took:,.0f} requests/s{ideal}, {images:,} images in {took:.0f} s on {os.cpu_count()} CPUs; "
        f"{1e3 * cpu_s / requests:.2f} ms of CPU a request, {images / cpu_s:,.0f} images a CPU second; the server took "
        f"{log.cpu_s:.0f} of {cpu_s + log.cpu_s:.0f} CPU seconds; {max(one.memory_mb for one in worked)} MB a worker; "
        f"an address was asked for {log.most} times at most, gaps of {log.least_gap_s:.3f} s at least"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--images", type=int, default=1000, help="of each host")
    parser.add_argument("--delay-s", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bytes", type=int, default=1000, help="of an image, a MB at most")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    size = Size(given.hosts, given.images, given.delay_s, given.workers, given.seconds, given.bytes)
    print(measure(size, given.profile))


if __name__ == "__main__":
    main()
