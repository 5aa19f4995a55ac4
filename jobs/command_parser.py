"""What a wrong call is told: one line, with the nearest of what there is."""

import argparse
import difflib
import re
from collections.abc import Iterable
from itertools import takewhile
from typing import NoReturn

_UNKNOWN = re.compile(r"unrecognized arguments: (.*)")
_CHOICE = re.compile(r"invalid choice: '([^']*)'")
_CHOICES = re.compile(r"[\w-]+")


class Parser(argparse.ArgumentParser):
    """Of the program and of each of its commands."""

    @property
    def _options(self) -> list[str]:
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]

    def check_options(self, given: Iterable[str]) -> None:
        """End with the first option that is none, before others are said to be missing."""
        for name in (text.partition("=")[0] for text in takewhile(lambda text: text != "--", given)):
            if name.startswith("--") and not any(known.startswith(name) for known in self._options):
                self.error(f"unrecognized arguments: {name}")

    def error(self, message: str) -> NoReturn:
        if unknown := _UNKNOWN.fullmatch(message):
            name = unknown[1].split()[0].partition("=")[0]
            message = f"it takes no {name}{nearest(name, self._options)}" if name.startswith("-") else message
        elif chosen := _CHOICE.search(message):
            message += nearest(chosen[1], _CHOICES.findall(message, chosen.end()))
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help says more)\n")


def nearest(name: str, known: Iterable[str]) -> str:
    """`; the nearest is build`, or nothing where nothing is near."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; the nearest is {near[0]}" if near else ""
