"""What a crawl has found so far, in one line."""

import time
from collections import Counter

from crawlers.crawl_status import Status
from jobs.engine.progress import Shown

_RATE_OVER_S = 1.0


class CrawlProgress:
    """Shows the sum of all partitions. Nobody knows where a crawl ends."""

    def __init__(self, progress: Shown) -> None:
        self._progress = progress
        self._rate, self._requests, self._counted_at = 0.0, 0, time.monotonic()

    def show(self, statuses: list[Status], last: bool = False) -> None:
        self._progress.show(0, lambda: self.text(statuses), last)

    def text(self, statuses: list[Status]) -> str:
        """`310 pages, 1,204 images, 58.1 MB, 37.2 requests/s, 870 queued, 12 in flight, 200 1,514, 404 3`, then the
        host with most left and the reasons of drops: what a narrow terminal cuts comes last."""
        visits: Counter[str] = sum((Counter(status.visits) for status in statuses), Counter())
        answers: Counter[str] = sum((Counter(status.statuses) for status in statuses), Counter())
        drops: Counter[str] = sum((Counter(status.drops) for status in statuses), Counter())
        parts = [f"{visits['page']:,} pages", f"{visits['image']:,} images"]
        parts += [f"{visits['video']:,} videos"] if visits["video"] else []
        unchanged = sum(sum(status.unchanged.values()) for status in statuses)
        parts += [f"{unchanged:,} not changed"] if unchanged else []
        rate = self._requests_per_s(sum(status.requests for status in statuses))
        parts += [f"{sum(status.bytes for status in statuses) / 1e6:,.1f} MB", f"{rate:,.1f} requests/s"]
        parts += [f"{sum(status.queued for status in statuses):,} queued"]
        parts += [f"{sum(status.in_flight for status in statuses):,} in flight"]
        parts += [f"{status} {count:,}" for status, count in sorted(answers.items())]
        slowest = sorted((host for status in statuses for host in status.slowest), key=lambda host: -host[1])
        parts += [f"most left: {name} {queued:,}" for name, queued, _ in slowest[:2]]
        parts += [f"dropped: {reason} {count:,}" for reason, count in drops.most_common(3)]
        return ", ".join(parts)

    def _requests_per_s(self, requests: int) -> float:
        """Since it was last asked for, and over a second at least."""
        now = time.monotonic()
        if now - self._counted_at >= _RATE_OVER_S:
            self._rate = (requests - self._requests) / (now - self._counted_at)
            self._requests, self._counted_at = requests, now
        return self._rate
