"""Progress of a build: one bar over all its parts on a terminal, a plain line now and then in a log."""

import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

import msgspec

from jobs.engine.progress import LINE_EVERY_S, counted, tell
from jobs.engine.work_left import WorkLeft, about, clock_of
from schemas.drops import Counts

_MERGED = "-merged"  # how the names of phases end that merge the files of another


class Part(msgspec.Struct, frozen=True):
    """A part of a build, as people are told of it: some phases that are run one after the other."""

    name: str  # of its first phase
    words: str
    share: float = 1.0  # of the time that a build takes, beside the shares of the others
    phases: tuple[str, ...] = ()  # the beginnings of the names of its phases, in their order; (): its own name

    def place_of(self, phase: str) -> int:
        """The number of a phase among those of the part; -1 where it is none of them."""
        names = self.phases or (self.name,)
        return next((place for place, name in enumerate(names) if _is_of(phase, name)), -1)


def _is_of(phase: str, name: str) -> bool:
    """What merges the files of a phase, and rounds of one, are of it."""
    base = phase.removesuffix(_MERGED)
    return base == name or (name.endswith("-") and base.startswith(name))


def _merges(phase: str) -> bool:
    return phase.endswith(_MERGED)


class BuildProgress:
    """Of one run of a build. A context manager, which ends it. Until the parts are known it tells what is prepared."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Shown on stderr if no stream is given."""
        self._stream, self._clock = stream or sys.stderr, clock
        self._started = self._last = clock()
        self._parts: list[Part] = []
        self._left = WorkLeft({}, clock)
        self._part: Part | None = None
        self.counts = Counts()  # of the part at hand
        self._doing, self._detail = "", ""
        self._live: Any = None
        self._beat: threading.Event | None = None  # of a log; set when it ends

    @property
    def _is_drawn(self) -> bool:
        return self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def prepare(self, text: str) -> None:
        """Something is done before the first part begins."""
        self._doing, self._last = text, self._clock()
        if not self._is_drawn:
            self.say(f"{text} ...")
            if self._beat is None:
                self._beat = threading.Event()
                threading.Thread(target=self._keep_telling, args=(self._beat,), daemon=True).start()
        elif self._live is None:
            from jobs.engine.build_bar import open_bar

            self._live = open_bar(self.pieces, self._stream)

    def _keep_telling(self, ended: threading.Event) -> None:
        """A log has a line now and then also while nothing ends and nobody tells anything."""
        while not ended.wait(LINE_EVERY_S):
            if self._clock() - self._last >= LINE_EVERY_S:
                self._line_of_part()

    def pause(self) -> None:
        """Other things are printed: the bar ends, and stays to be seen where something was built."""
        self._line_of_part()
        if self._beat is not None:
            self._beat.set()
            self._beat = None
        if self._live is not None:
            self._live.transient = not self._parts
            self._live.stop()
            self._live = None
        self._part = None

    def foresee(self, parts: Sequence[Part]) -> None:
        """These parts come, in this order."""
        self._parts, self._doing = list(parts), ""
        self._left = WorkLeft({part.name: part.share for part in parts}, self._clock)

    @contextmanager
    def phase(
        self, name: str, size: int, done: Collection[int] = (), weights: Sequence[float] = (), unit: str = "tasks"
    ) -> Iterator["PhaseProgress"]:
        """A phase of so many tasks begins; some were `done` before. `weights` say how large each is, in bytes."""
        self._enter(name)
        shown = PhaseProgress(self, self._span(name), size, done, weights, "merged" if _merges(name) else unit)
        yield shown
        shown.end()

    @contextmanager
    def stage(self, name: str) -> Iterator["Stage"]:
        """A part that is not made of tasks, and says itself what it does and how long it takes."""
        self._enter(name)
        yield Stage(self)

    def tell(self, detail: str, done: float, before: bool = False, left_s: float | None = None) -> None:
        """What is known of the part at hand. Seen at once on a terminal, after a while in a log."""
        self._detail = detail
        self._left.reach(done, before)
        self._left.foretell(left_s)
        if self._clock() - self._last >= LINE_EVERY_S:
            self._line_of_part()

    def _line_of_part(self) -> None:
        """The state of things as a line of a log."""
        if not self._is_drawn and self._part is not None:
            self._last = self._clock()
            self.say(", ".join(piece for piece in self.pieces()[1:] if piece))

    def pieces(self) -> tuple[float, str, str, str, str]:
        """The share that is done; where it is, how long it went, how long it goes on, and details, as words."""
        gone, left, part = clock_of(self._clock() - self._started), self._left.left_s, self._part
        if part is None:
            return self._left.done, self._doing, gone, "", ""
        place = next(number for number, one in enumerate(self._parts, 1) if one is part)
        where = f"{place} of {len(self._parts)}: {part.words}"
        return self._left.done, where, gone, f"{about(left)} left" if left is not None else "", self._detail

    def say(self, text: str) -> None:
        """A sentence of its own, above the bar if there is one."""
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)
        else:
            tell(text, self._stream)

    def end(self) -> None:
        """All parts are done; what comes now is told by what is printed."""
        self._line_of_part()
        self._left.end()
        self._part, self._doing = None, "done"

    def __enter__(self) -> "BuildProgress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.pause()

    def _enter(self, phase: str) -> None:
        part = next((part for part in self._parts if part.place_of(phase) >= 0), None)
        if part is None:  # nobody has foreseen it
            part = Part(phase, phase)
            self._parts.append(part)
            self._left.add(part.name, part.share)
        if part is not self._part:
            self._line_of_part()
            self._part, self.counts = part, Counts()
            self._left.begin(part.name)
        self._detail = ""

    def _span(self, phase: str) -> tuple[float, float]:
        """From where to where in its part a phase leads; what merges leads nowhere."""
        assert self._part is not None
        place, count = self._part.place_of(phase), len(self._part.phases) or 1
        end = (place + 1) / count
        return (end if _merges(phase) else place / count), end


class PhaseProgress:
    """Of a phase of a build. `advance` is called as tasks end, `reach` as they tell how far they are."""

    def __init__(
        self,
        of: BuildProgress,
        span: tuple[float, float],
        size: int,
        done: Collection[int],
        weights: Sequence[float],
        unit: str,
    ) -> None:
        self._of, self._span, self._size, self._unit = of, span, size, unit
        self._weights = list(weights) if len(weights) == size and all(weight > 0 for weight in weights) else []
        self._ended, self._flying = set(done), dict[int, float]()
        self._were_done, self._total = len(self._ended), sum(self._weights) or size
        self._amount = sum(map(self._weight, self._ended))  # of those that have ended, by weight or number
        self._tell(before=True)

    def advance(self, task: int, counts: Counts) -> None:
        """A task has ended well."""
        self._amount += 0 if task in self._ended else self._weight(task)
        self._ended.add(task)
        self._flying.pop(task, None)
        self._of.counts = self._of.counts + counts
        self._tell()

    def reach(self, task: int, share: float) -> None:
        """So much of a task is done; of several attempts at it the one that is farthest counts."""
        if task not in self._ended:
            self._flying[task] = max(share, self._flying.get(task, 0.0))
            self._tell()

    def end(self) -> None:
        """All tasks have ended; what an earlier run has done says so."""
        if self._size and self._were_done == self._size:
            self._of.tell("done before", self._span[1], before=True)

    def _tell(self, before: bool = False) -> None:
        low, high = self._span
        self._of.tell(self._text(), low + (high - low) * (self._so_far() / self._total if self._total else 1.0), before)

    def _weight(self, task: int) -> float:
        return self._weights[task] if self._weights else 1.0

    def _so_far(self) -> float:
        """What is done of all tasks; parts of tasks count."""
        return self._amount + sum(self._weight(task) * share for task, share in self._flying.items())

    def _text(self) -> str:
        """`1.2 of 3.0 GB, 3,410 pages in, 512 kept, few_words 210`; no pages of phases that only count."""
        amount: list[str] = []
        if self._weights:
            amount = [counted_bytes(self._so_far(), self._total)]
        elif self._size > 1:
            amount = [f"{len(self._ended):,} of {self._size:,} {self._unit}"]
        return ", ".join([*amount, *counted(self._of.counts)])


class Stage:
    """Of a part that is not made of tasks: takes the place of a `Progress`, and may say how far it is."""

    def __init__(self, of: BuildProgress) -> None:
        self._of = of

    def show(self, done: int, text: Callable[[], str], last: bool = False, left_s: float | None = None) -> None:
        """What is being done, in words; as a `Progress` takes it."""
        self.tell(text(), left_s=left_s)

    def tell(self, text: str, done: float = 0.0, left_s: float | None = None) -> None:
        """What is being done, which share of it is done, and how many seconds it will take: what is known of that."""
        self._of.tell(text, done, left_s=left_s)

    def say(self, text: str) -> None:
        """A sentence of its own."""
        self._of.say(text)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def counted_bytes(amount: float, total: float) -> str:
    """`1.2 of 3.0 GB`, both in the unit of the total."""
    power, unit = next(
        ((1000.0**number, unit) for number, unit in ((4, "TB"), (3, "GB"), (2, "MB")) if total >= 1000**number),
        (1000.0, "kB"),
    )
    return f"{amount / power:,.1f} of {total / power:,.1f} {unit}"
