"""Progress of a job: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from schemas.drops import Counts

_LINE_EVERY_S = 10.0


class Progress:
    """One phase. `advance` is called as partitions end."""

    def __init__(self, phase: str, total: int, done: int, stream: TextIO) -> None:
        self._phase, self._total, self._done, self._stream = phase, total, done, stream
        self._counts = Counts()
        self._started = self._last = time.monotonic()
        self._already = done

    def advance(self, counts: Counts) -> None:
        self._done += 1
        self._counts = self._counts + counts
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S or self._done == self._total:
            self._last = now
            print(self.line(now), file=self._stream, flush=True)

    def line(self, now: float) -> str:
        """`extract 12/80 partitions, 3,410 pages in, 512 kept, few_words 210, ... 41 s, about 230 s left`."""
        pages, kept = self._counts.seen.get("page", 0), self._counts.kept.get("page", 0)
        parts = [f"{self._phase} {self._done}/{self._total} partitions"]
        if pages:  # some phases only count
            parts.append(f"{pages:,} pages in, {kept:,} kept")
        reasons = self._counts.drops.get("page", {})
        worst = sorted(reasons.items(), key=lambda item: -item[1])[:3]
        parts += [f"{reason} {count:,}" for reason, count in worst]
        elapsed = now - self._started
        left = elapsed / max(1, self._done - self._already) * (self._total - self._done)
        parts.append(f"{elapsed:.0f} s" + (f", about {left:.0f} s left" if self._done < self._total else ""))
        return ", ".join(parts)


class _Bar(Progress):
    def __init__(self, phase: str, total: int, done: int, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        super().__init__(phase, total, done, stream)
        columns = (
            TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[pages]}"), TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self._bar = RichProgress(*columns, console=Console(file=stream))
        self._task = self._bar.add_task(phase, total=total, completed=done, pages="")
        self._bar.start()

    def advance(self, counts: Counts) -> None:
        self._counts = self._counts + counts
        pages, kept = self._counts.seen.get("page", 0), self._counts.kept.get("page", 0)
        self._bar.update(self._task, advance=1, pages=f"{kept:,} of {pages:,} pages" if pages else "")

    def stop(self) -> None:
        self._bar.stop()


@contextmanager
def progress(phase: str, total: int, done: int, stream: TextIO | None = None) -> Iterator[Progress]:
    """A bar if `stream` (stderr) is a terminal, else lines."""
    stream = stream or sys.stderr
    if stream.isatty():
        bar = _Bar(phase, total, done, stream)
        try:
            yield bar
        finally:
            bar.stop()
    else:
        yield Progress(phase, total, done, stream)
