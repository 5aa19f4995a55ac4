"""Quotes in tab-separated lists: some writers quote fields as in CSV, most write quotation marks as they stand.

Read as CSV, a field that begins with a mark and is never closed takes in all rows that follow.
"""

import csv
from collections.abc import Iterator
from typing import Literal

_MAX_LINES = 1000  # of one row


def sound_quotes(lines: Iterator[str]) -> Iterator[str]:
    """The lines, with marks that quote nothing doubled and quoted, so that a reader of CSV takes them for text.

    A quoted field may go on in the next line as long as both have no more tabs than the line of names: a row in which
    a mark quotes nothing has all of its tabs, and so has the next one.
    """
    tabs, waiting = -1, list[str]()
    while line := (waiting.pop() if waiting else next(lines, "")):
        tabs = tabs if tabs >= 0 else line.count("\t")
        row, state = [line], _state(line, tabs)
        left = tabs - line.count("\t")
        while state == "open" and len(row) < _MAX_LINES:
            more = waiting.pop() if waiting else next(lines, "")
            row.append(more)
            left -= more.count("\t")
            if not more or left < 0:
                break
            if '"' in more:
                state = _state("".join(row), tabs)
        if state == "sound" and (len(row) == 1 or left == 0):
            yield from row
        else:
            waiting += filter(None, reversed(row[1:]))
            yield _literal(line)


def _state(text: str, tabs: int) -> Literal["sound", "open", "broken"]:
    """Whether it is one row by the rules of CSV, with all of its columns where it has all tabs, or the head of one."""
    if '"' not in text:
        return "sound"
    try:
        row = next(csv.reader([text], delimiter="\t", strict=True))
    except csv.Error as error:
        return "open" if "unexpected end" in str(error) else "broken"
    return "sound" if len(row) == tabs + 1 or text.count("\t") != tabs else "broken"


def _literal(line: str) -> str:
    """Each field quoted, but for one that is quoted soundly."""
    text = line.rstrip("\r\n")
    fields = [field if _is_quoted(field) else f'"{field.replace(chr(34), chr(34) * 2)}"' for field in text.split("\t")]
    return "\t".join(fields) + line[len(text) :]


def _is_quoted(field: str) -> bool:
    inner = field[1:-1]
    return len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inner.replace('""', "")
