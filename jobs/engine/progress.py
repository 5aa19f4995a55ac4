"""Progress of a job: a bar on a terminal, a plain line now and then in a log."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, Protocol, TextIO

from schemas.drops import Counts

LINE_EVERY_S = 10.0


class Shown(AbstractContextManager["Shown"], Protocol):
    """What shows how far a job is: a `Progress` of its own, or the part of a build that the job is."""

    def show(self, done: int, text: Callable[[], str], last: bool = False, left_s: float | None = None) -> None:
        """So much is done, this is what is to be said of it, and so long it takes, where that is known."""

    def say(self, text: str) -> None:
        """A sentence of its own."""


def tell(text: str, stream: TextIO) -> None:
    """Print a line at once; nothing where its reader is gone, such as `head`: the work goes on."""
    with suppress(BrokenPipeError):
        print(text, file=stream, flush=True)


class Progress:
    """Of something with a name, counted in `unit`s up to `total`, or without an end. A context manager, which stops it.

    `done` was done before, and says nothing about the pace. Shown on stderr if no stream is given.
    """

    def __init__(
        self, name: str, total: int | None = None, unit: str = "", done: int = 0, stream: TextIO | None = None
    ) -> None:
        self._name, self._total, self._unit, self._before = name, total, unit, done
        self._stream = stream or sys.stderr
        self._started = self._last = time.monotonic()
        self._bar: Any = None
        if self._stream.isatty() and os.environ.get("TERM") != "dumb":
            self._bar, self._task = _open_bar(name, total, done, self._stream)

    def show(self, done: int, text: Callable[[], str], last: bool = False, left_s: float | None = None) -> None:
        """So much is done. `text` is asked for only when it is to be seen; what is `last`, or complete, always is. How
        long it takes is told by what was done so far."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, text=text())
            return
        now = time.monotonic()
        if last or done == self._total or now - self._last >= LINE_EVERY_S:
            self._last = now
            self.say(self.line(done, text(), now - self._started))

    def line(self, done: int, text: str, elapsed_s: float) -> str:
        """`extract 12/80 partitions, 3,410 pages in, 512 kept, 41 s, about 230 s left`."""
        if self._total is None:
            return f"{self._name} {elapsed_s:.0f} s: {text}"
        parts = [f"{self._name} {done}/{self._total} {self._unit}", *([text] if text else [])]
        ending = f"{elapsed_s:.0f} s"
        if self._before < done < self._total:
            left_s = elapsed_s / (done - self._before) * (self._total - done)
            ending += f", about {left_s:.0f} s left"
        return ", ".join([*parts, ending])

    def say(self, text: str) -> None:
        """A sentence of its own, above the bar if there is one."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
        else:
            tell(text, self._stream)

    def stop(self) -> None:
        """End the bar; it stays to be seen as it is."""
        if self._bar is not None:
            self._bar.stop()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _open_bar(name: str, total: int | None, done: int, stream: TextIO) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar
    from rich.table import Column

    # The text comes last: it is what a narrow terminal cuts.
    text = TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True, ratio=1))
    named: tuple[Any, ...] = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    if total is not None:
        counted = BarColumn(16), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        named = (TextColumn("{task.description:<9}"), *counted)
    bar = Bar(*named, text, console=Console(file=stream), expand=True)
    task = bar.add_task(name, total=total, completed=done, text="")
    bar.start()
    return bar, task


def counted(counts: Counts) -> list[str]:
    """`3,410 pages in, 512 kept`, `few_words 210`, ...; nothing of what only counts."""
    pages, kept = counts.seen.get("page", 0), counts.kept.get("page", 0)
    worst = sorted(counts.drops.get("page", {}).items(), key=lambda item: -item[1])[:3]
    parts = [f"{pages:,} pages in, {kept:,} kept"] if pages else []
    return [*parts, *(f"{reason} {count:,}" for reason, count in worst)]
