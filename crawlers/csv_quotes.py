"""Quotes in lists in CSV: a field that begins with one and is never closed takes in all rows that follow."""

import csv
from collections import deque
from collections.abc import Iterator


class ClosedQuotes:
    """The lines, each once, for a reader of CSV; in place of one in which a quote opens that nothing closes `csv.Error`
    is raised, and the next line begins anew.

    A row may go on over lines until a field is too long for the reader. Of each line that is looked at ahead it is
    found out once whether an open quote stays open over it, so that time grows with the lines, whatever they open.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._ahead, self._size = deque[str](), 0  # lines that were looked at, and their characters
        self._over = 0  # of these the first, over which an open quote stays open
        self._rest = 0  # lines of the row in hand that are still to come

    def __iter__(self) -> "ClosedQuotes":
        return self

    def __next__(self) -> str:
        if self._ahead:
            line = self._ahead.popleft()
            self._size -= len(line)
            self._over = max(0, self._over - 1)
        else:
            line = next(self._lines)
        if self._rest:
            self._rest -= 1
        elif '"' in line and _is_open(line):
            self._rest = self._lines_until_closed(len(line))
        return line

    def _lines_until_closed(self, size: int) -> int:
        """Raises `csv.Error`."""
        while size + self._size <= csv.field_size_limit():
            if self._over == len(self._ahead):
                line = next(self._lines, None)
                if line is None:
                    break
                self._ahead.append(line)
                self._size += len(line)
            if '"' in self._ahead[self._over] and not _is_open('"' + self._ahead[self._over]):
                return len(self._ahead)
            self._over += 1
        raise csv.Error("a quote is not closed")


def _is_open(line: str) -> bool:
    """Whether a reader of CSV would take the next line for a part of the same field. Raises `csv.Error`."""
    reader = csv.reader(iter((line, '"')))
    next(reader)
    return reader.line_num > 1
