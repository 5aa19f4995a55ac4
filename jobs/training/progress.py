"""Progress of a training run: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

_LINE_EVERY_S = 10.0


class TrainProgress:
    """Of one process; one that is not to `show` anything says nothing. As a context manager it ends the bar."""

    def __init__(self, steps: int, show: bool = True, stream: TextIO | None = None) -> None:
        self._steps, self._show, self._stream = steps, show, stream or sys.stderr
        self._bar: Any = None
        self._started = self._last = time.monotonic()
        self._first_step: int | None = None

    def on_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Takes readings and measurements on held-out data."""
        if not self._show:
            return
        held_out = {name.removeprefix("held_out/"): value for name, value in values.items() if "held_out/" in name}
        if held_out:
            self.on_message(f"step {step}: held out: {summary(held_out)}")
            return
        if self._first_step is None:
            self._first_step, self._started = step, time.monotonic()
        self._advance("train", step, self._steps, self._text(values))

    def on_message(self, text: str) -> None:
        """A sentence, above the bar if there is one."""
        if self._show and self._bar is not None:
            self._bar.console.print(text, highlight=False)
        elif self._show:
            print(text, file=self._stream, flush=True)

    @contextmanager
    def phase(self, name: str, steps: int) -> Iterator[Callable[[int, float], None]]:
        """A phase of its own before the training, such as the text model's; what it gives takes steps and losses."""
        self._started = self._last = time.monotonic()
        yield lambda step, loss: self._advance(name, step, steps, f"loss {loss:.3f}") if self._show else None
        self._end_bar()
        self._started = self._last = time.monotonic()

    def _advance(self, name: str, step: int, steps: int, text: str) -> None:
        if self._stream.isatty():
            self._move_bar(name, step, steps, text)
            return
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S or step == steps:
            self._last = now
            elapsed = now - self._started
            done = step - (self._first_step or 0) if name == "train" else step
            left = elapsed / max(1, done) * (steps - step)
            ending = f"{elapsed:.0f} s" + (f", about {left:.0f} s left" if step < steps and done > 0 else "")
            print(f"{name} {step}/{steps} steps, {text}, {ending}", file=self._stream, flush=True)

    def _text(self, values: Mapping[str, float]) -> str:
        losses = [f"{name.removeprefix('loss/')} {value:.3f}" for name, value in values.items() if "loss/" in name]
        speed = [f"{values['tokens_per_s']:,.0f} tokens/s", f"{values['images_per_s']:,.0f} images/s"]
        speed += [f"MFU {values['mfu']:.0%}"] if "mfu" in values else []
        speed += [f"waiting for data {values['data_wait']:.0%}"] if values["data_wait"] > 0.05 else []
        return ", ".join(["loss " + ", ".join(losses), *speed])

    def _move_bar(self, name: str, step: int, steps: int, text: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            # The text comes last: it is what a narrow terminal cuts.
            columns = (
                TextColumn("{task.description}"), BarColumn(16), MofNCompleteColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[text]}"),
            )  # fmt: skip
            self._bar = Progress(*columns, console=Console(file=self._stream))
            self._task = self._bar.add_task(name, total=steps, text=text)
            self._bar.start()
        self._bar.update(self._task, completed=step, text=text)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> "TrainProgress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_bar()


def summary(held_out: Mapping[str, float]) -> str:
    """`pages loss 0.41 (1.02 with shuffled pictures); pairs loss ..., 93% of captions right (2% shuffled)`."""
    names = list(dict.fromkeys(name.partition("/")[0] for name in held_out))
    parts = []
    for name in names:
        text = f"{name} loss {held_out[f'{name}/loss']:.3f} ({held_out[f'{name}/shuffled']:.3f} with shuffled pictures)"
        if f"{name}/accuracy" in held_out:
            right, wrong = held_out[f"{name}/accuracy"], held_out[f"{name}/accuracy_shuffled"]
            text += f", {right:.0%} of captions right ({wrong:.0%} shuffled)"
        parts.append(text)
    return "; ".join(parts)
