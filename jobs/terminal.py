"""The terminal of commands that print for people."""

import sys
from typing import NoReturn

from rich.console import Console


class Terminal(Console):
    """Folds lines where somebody looks at them, and not where a program reads them."""

    def __init__(self) -> None:
        super().__init__(highlight=False, soft_wrap=not sys.stdout.isatty())

    def draws(self, wish: str) -> bool:
        """Whether pictures are drawn, by `--draw`; `auto` is where somebody looks who has colours, and wants them."""
        has_colors = self.is_terminal and self.color_system is not None and not self.no_color
        return wish == "always" or (wish == "auto" and has_colors)

    def on_broken_pipe(self) -> NoReturn:
        """The reader has seen enough, which is no error; rich would end with 1."""
        raise BrokenPipeError
