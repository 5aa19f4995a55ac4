"""What a crawl has found so far, in one line."""

import time
from collections import Counter
from collections.abc import Sequence

from crawlers.crawl_status import HostLeft, Status
from jobs.engine.progress import Shown

_RATE_OVER_S = 1.0
_HOSTS_SHOWN = 2


class Rates:
    """How much comes a second: since it was last told, and over a second at least."""

    def __init__(self) -> None:
        self.requests_per_s = self.media_per_s = 0.0
        self._last, self._at = (0, 0), time.monotonic()
        self._is_first = True

    def count(self, statuses: Sequence[Status]) -> None:
        now, counts = time.monotonic(), (sum(status.requests for status in statuses), _media(statuses))
        if self._is_first:  # runs before this one are not of its pace
            self._is_first, self._last, self._at = False, counts, now
        elif (took := now - self._at) >= _RATE_OVER_S:
            self.requests_per_s, self.media_per_s = (
                (n - last) / took for n, last in zip(counts, self._last, strict=True)
            )
            self._last, self._at = counts, now


def _media(statuses: Sequence[Status]) -> int:
    return sum(count for status in statuses for kind, count in status.visits.items() if kind in ("image", "video"))


def slowest_hosts(statuses: Sequence[Status], limit: int) -> list[HostLeft]:
    """Those of all partitions that take longest, the longest first."""
    hosts = [host for status in statuses for host in status.slowest]
    return sorted(hosts, key=lambda host: (-host.left_s, -host.queued))[:limit]


def left_s(statuses: Sequence[Status], requests_per_s: float) -> float:
    """Seconds until all that is queued now is asked for: at the rate of now, and at the pace of the slowest host."""
    queued = sum(status.queued for status in statuses)
    slowest = max((host.left_s for status in statuses for host in status.slowest), default=0.0)
    return max(slowest, queued / requests_per_s if requests_per_s else 0.0)


class CrawlProgress:
    """Shows the sum of all partitions. Nobody knows where a crawl ends; what a build `knows` to be wanted, it does."""

    def __init__(self, progress: Shown, knows_end: bool = False) -> None:
        self._progress, self._knows_end = progress, knows_end
        self.rates = Rates()

    def show(self, statuses: list[Status], last: bool = False) -> None:
        self.rates.count(statuses)
        takes = left_s(statuses, self.rates.requests_per_s) if self._knows_end else 0.0
        self._progress.show(0, lambda: self.text(statuses), last, takes or None)

    def text(self, statuses: list[Status], alone: bool = False) -> str:
        """`310 pages, 1,204 images, 58.1 MB, 37.2 requests/s, 870 queued on 12 hosts, 12 in flight, 200 1,514, 404 3`,
        then the slowest hosts and the reasons of drops: what a narrow terminal cuts comes last. Of a build `1,204
        images, 58.1 MB, 37.2/s, 870 queued on 12 hosts`, then the same; where no build says how long all takes, as it
        stands `alone`, `about 11 min left` before that."""
        visits: Counter[str] = sum((Counter(status.visits) for status in statuses), Counter())
        answers: Counter[str] = sum((Counter(status.statuses) for status in statuses), Counter())
        drops: Counter[str] = sum((Counter(status.drops) for status in statuses), Counter())
        always = ("image",) if self._knows_end else ("page", "image")
        parts = [f"{visits[kind]:,} {kind}s" for kind in ("page", "image", "video") if visits[kind] or kind in always]
        unchanged = sum(sum(status.unchanged.values()) for status in statuses)
        parts += [f"{unchanged:,} not changed"] if unchanged else []
        parts += [f"{sum(status.bytes for status in statuses) / 1e6:,.1f} MB"]
        parts += [
            f"{self.rates.media_per_s:,.1f}/s" if self._knows_end else f"{self.rates.requests_per_s:,.1f} requests/s"
        ]
        hosts = sum(status.hosts for status in statuses)
        parts += [f"{sum(status.queued for status in statuses):,} queued" + (f" on {hosts:,} hosts" if hosts else "")]
        if alone and self._knows_end and (seconds := left_s(statuses, self.rates.requests_per_s)):
            parts += [f"about {spell(seconds)} left"]
        parts += [f"{sum(status.in_flight for status in statuses):,} in flight"]
        parts += [f"{status} {count:,}" for status, count in sorted(answers.items())]
        for host in slowest_hosts(statuses, _HOSTS_SHOWN):
            takes = f" for {spell(host.left_s)}" if host.left_s else ""
            parts += [f"slowest: {host.name} {host.queued:,}{takes}"]
        parts += [f"dropped: {reason} {count:,}" for reason, count in drops.most_common(3)]
        return ", ".join(parts)


def spell(seconds: float) -> str:
    """`40 s`, `11 min`, `5 h`, `12 days`."""
    for unit, long in (("s", 1), ("min", 60), ("h", 3600)):
        if seconds < 100 * long or (unit == "h" and seconds < 48 * long):
            return f"{seconds / long:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"
