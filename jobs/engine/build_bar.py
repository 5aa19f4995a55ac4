"""The bar of a build: one line that fits the terminal, whatever its width."""

from collections.abc import Callable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

Pieces = tuple[float, str, str, str, str]
_CELLS = 16
_A_SECOND = 4  # how often it is drawn
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def open_bar(pieces: Callable[[], Pieces], stream: TextIO) -> Any:
    """Drawn from now on, of the pieces as they are; `stop` ends it, and it stays to be seen as it was last."""
    live = Live(_Bar(pieces), console=Console(file=stream), refresh_per_second=_A_SECOND)
    live.start(refresh=True)
    return live


class _Bar:
    def __init__(self, pieces: Callable[[], Pieces]) -> None:
        self._pieces, self._drawn = pieces, 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self._drawn += 1
        spinner = _SPINNER[self._drawn % len(_SPINNER)]
        yield Text.assemble(*fitted(spinner, *self._pieces(), width=options.max_width), no_wrap=True, end="")


def fitted(
    spinner: str, done: float, where: str, gone: str, left: str, detail: str, width: int
) -> list[tuple[str, str]]:
    """Texts and their styles, of `width` cells at most: details are cut first, then the bar goes, then the times."""
    filled = int(_CELLS * done + 0.001)
    bar = [("━" * filled, "cyan"), ("─" * (_CELLS - filled), "bright_black"), (f" {done:4.0%} ", "")]
    head, tail = [(f"{spinner} ", "cyan"), *bar], [text for text in (gone, left) if text]
    for parts, texts in ((head, [where, *tail]), (head[:1] + bar[2:], [where, *tail]), (head[:1], [where, *tail[1:]])):
        told = ", ".join(texts)
        room = width - sum(len(text) for text, _ in parts) - len(told)
        if room >= 0:
            more = f", {detail}"
            shown = more if len(more) <= room else f"{more[: room - 1]}…" if room > len(", 123 of …") else ""
            return [*parts, (told, ""), (shown if detail else "", "dim")]
    line = f"{spinner} {where}"
    return [(line if len(line) <= width else f"{line[: max(0, width - 1)]}…", "")]
