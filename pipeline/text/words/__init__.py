"""Word lists, one file each, short and ours; whitespace separates, in `labels` lines. Those named `_en` are English.

`url.blocked_words` may name a file instead.
"""

import functools
from importlib.resources import files


@functools.cache
def word_list(name: str) -> frozenset[str]:
    """A list that ships here, such as `stop_en`, or a text file of words by its path.

    Raises `FileNotFoundError` naming what was looked for.
    """
    shipped = files(__name__) / f"{name}.txt"
    if shipped.is_file():
        return frozenset(shipped.read_text("utf-8").lower().split())
    with open(name, encoding="utf-8") as file:
        return frozenset(file.read().lower().split())


@functools.cache
def phrase_list(name: str) -> frozenset[str]:
    """A list that ships here of one phrase a line, in small letters."""
    return frozenset((files(__name__) / f"{name}.txt").read_text("utf-8").lower().splitlines())
