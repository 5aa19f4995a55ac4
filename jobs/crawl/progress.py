"""Progress of a crawl: one line, again and again on a terminal, now and then in a log."""

import time
from collections import Counter
from typing import TextIO

from crawlers.crawl_status import Status

_LINE_EVERY_S = 10.0
_REDRAW_EVERY_S = 1.0


class CrawlProgress:
    """Shows the sum of all partitions."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_terminal = stream, stream.isatty()
        self._last = time.monotonic()
        self._before: tuple[float, int] | None = None

    def show(self, statuses: list[Status], elapsed: float, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._last < (_REDRAW_EVERY_S if self._is_terminal else _LINE_EVERY_S):
            return
        self._last = now
        line = self.line(statuses, elapsed)
        if self._is_terminal:
            print(f"\r\033[K{line[:200]}", end="\n" if last else "", file=self._stream, flush=True)
        else:
            print(line, file=self._stream, flush=True)

    def line(self, statuses: list[Status], elapsed: float) -> str:
        """`crawl 41 s: 310 pages, 1,204 images, 58.1 MB, 37.2 requests/s, 200 1,514, 404 3, 870 queued, 12 in flight`,
        then the host with most left and the reasons of drops."""
        visits: Counter[str] = sum((Counter(status.visits) for status in statuses), Counter())
        answers: Counter[str] = sum((Counter(status.statuses) for status in statuses), Counter())
        drops: Counter[str] = sum((Counter(status.drops) for status in statuses), Counter())
        requests = sum(status.requests for status in statuses)
        before = self._before or (0.0, 0)
        rate = (requests - before[1]) / max(1e-6, elapsed - before[0])
        self._before = (elapsed, requests)
        parts = [f"{visits['page']:,} pages", f"{visits['image']:,} images"]
        parts += [f"{visits['video']:,} videos"] if visits["video"] else []
        parts += [f"{sum(status.bytes for status in statuses) / 1e6:,.1f} MB", f"{rate:,.1f} requests/s"]
        parts += [f"{status} {count:,}" for status, count in sorted(answers.items())]
        parts += [f"{sum(status.queued for status in statuses):,} queued"]
        parts += [f"{sum(status.in_flight for status in statuses):,} in flight"]
        slowest = sorted((host for status in statuses for host in status.slowest), key=lambda host: -host[1])
        parts += [f"most left: {name} {queued:,}" for name, queued, _ in slowest[:2]]
        parts += [f"dropped: {reason} {count:,}" for reason, count in drops.most_common(3)]
        return f"crawl {elapsed:.0f} s: " + ", ".join(parts)
