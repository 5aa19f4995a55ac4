"""What a training run says of its progress."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from jobs.engine.progress import Progress, tell
from model.training.config import MEASURED


class TrainProgress:
    """Of one process; one that is not to `show` anything says nothing. As a context manager it ends the bar."""

    def __init__(self, steps: int, show: bool = True, stream: TextIO | None = None) -> None:
        self._steps, self._show, self._stream = steps, show, stream or sys.stderr
        self._shown: Progress | None = None

    def on_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Takes readings, and what is measured in between."""
        if said := measured(values):
            self.on_message(f"step {step}: {said}")
        else:
            self._advance("train", step, self._steps, lambda: readings(values))

    def on_message(self, text: str) -> None:
        """A sentence, above the bar if there is one."""
        if self._show and self._shown is not None:
            self._shown.say(text)
        elif self._show:
            tell(text, self._stream)

    @contextmanager
    def phase(self, name: str, steps: int) -> Iterator[Callable[[int, float], None]]:
        """A phase of its own before the training, such as the text model's; what it gives takes steps and losses."""
        yield lambda step, loss: self._advance(name, step, steps, lambda: f"loss {loss:.3f}")
        self._stop()

    def _advance(self, name: str, step: int, steps: int, text: Callable[[], str]) -> None:
        if not self._show:
            return
        if self._shown is None:  # the pace is that of the steps after the first, which may be slow
            self._shown = Progress(name, steps, "steps", step, self._stream)
        self._shown.show(step, text)

    def _stop(self) -> None:
        if self._shown is not None:
            self._shown.stop()
            self._shown = None

    def __enter__(self) -> "TrainProgress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()


def readings(values: Mapping[str, float]) -> str:
    """`loss pages 0.412, pairs 1.203, 12,345 tokens/s, 67 images/s, MFU 41%, waiting for data 12%`."""
    losses = [f"{name.removeprefix('loss/')} {value:.3f}" for name, value in values.items() if "loss/" in name]
    speed = [f"{values['tokens_per_s']:,.0f} tokens/s", f"{values['images_per_s']:,.0f} images/s"]
    speed += [f"MFU {values['mfu']:.0%}"] if "mfu" in values else []
    speed += [f"waiting for data {values['data_wait']:.0%}"] if values["data_wait"] > 0.05 else []
    return ", ".join(["loss " + ", ".join(losses), *speed])


def measured(values: Mapping[str, float]) -> str:
    """`held out: ...` or `on training data: ...`; empty where nothing of that is among the values."""
    for prefix, words in MEASURED.items():
        if found := {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}:
            return f"{words}: {summary(found)}"
    return ""


def summary(found: Mapping[str, float]) -> str:
    """`pages loss 0.41 (1.02 with shuffled pictures); pairs loss ..., 93% of captions right (2% shuffled)`."""
    names = list(dict.fromkeys(name.rpartition("/")[0] for name in found))
    parts = []
    for name in names:
        text = f"{name} loss {found[f'{name}/loss']:.3f} ({found[f'{name}/shuffled']:.3f} with shuffled pictures)"
        if f"{name}/accuracy" in found:
            right, wrong = found[f"{name}/accuracy"], found[f"{name}/accuracy_shuffled"]
            text += f", {right:.0%} of captions right ({wrong:.0%} shuffled)"
        parts.append(text)
    return "; ".join(parts)
