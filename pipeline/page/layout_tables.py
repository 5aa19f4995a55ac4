"""Tables that only lay out a page, as the web was built until 2010 and mails are: to a reader their cells are blocks.

They get the tags of such, so that columns of menus, boxes and text are told apart as on any other page. In doubt a
table is one of data.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from pipeline.page.elements import CELLS, LAID_OUT, NO_DATA, TABLE_HEADS
from pipeline.page.names import read_names

_PARTS = frozenset("table thead tbody tfoot tr td th colgroup".split())
_LINES = frozenset(("br", "p", "div", "li", "hr"))  # that begin one
_LONG, _MOST_LINES = 400, 4  # characters and lines of a cell; more are a text of their own
_RECORDS = 3  # so many rows of as many cells each are data, however long
_MARK = re.compile(r"[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[)\].]{0,2}|[-–—•·*]")  # all of a cell
_SAYING = 40  # characters beside a picture, or below it: more than a name
_SMALL = re.compile(r' (?:width|height)="\s*+[1-4]?\d(?:px)?\s*+"')  # an icon, a flag, a line
_WIDTH = re.compile(r' width="\s*+(\d{1,4})(?:px|(%))?\s*+"')
_NARROW, _NARROW_SHARE = 240, 30  # pixels, and percent, of a column beside the text
_LINKS, _LINKED = 3, 0.3  # in such a column, and their share of what it says
_BESIDE = 0.25  # of what the longest cell of the row says: less may be other things
_TAGS = 3_000  # in it, at most
_UNREAD = (' role="presentation"', ' role="none"')


class _Table:
    """What is seen of a table while it is open."""

    __slots__ = (
        "cells",
        "has_heads",
        "has_picture",
        "holds",
        "inside",
        "lines",
        "marked",
        "named",
        "parts",
        "pictured",
        "rows",
        "said",
        "tells",
        "texts",
        "unread",
        "word",
    )

    def __init__(self, at: int, written: str) -> None:
        self.named = read_names(written).plain
        self.parts = [at]  # where its own tags stand
        self.inside: list[_Table] = []
        self.rows: list[int] = []  # how many of the cells of each say something
        self.texts = set[int]()  # the rows with a cell that is a text of its own
        self.cells = self.marked = 0  # all, and rows that begin with a number
        self.said = self.lines = 0  # characters and lines of the cell that is open
        self.word = ""  # all that it says, if that is in one piece
        self.pictured = set[int]()  # those with a picture and words on it
        self.has_heads = self.holds = self.has_picture = self.tells = False
        self.unread = any(said in written for said in _UNREAD)

    def read(self, text: str) -> None:
        """Some of the words inside."""
        if text:
            self.word = text if not self.said else ""
            self.said += len(text)

    def see(self, at: int, tag: str, written: str) -> None:
        """One of the tags inside."""
        if tag in _PARTS or tag[1:] in _PARTS:
            self.parts.append(at)
        self.has_heads = self.has_heads or tag in TABLE_HEADS
        self.holds = self.holds or tag in NO_DATA
        self.lines += tag in _LINES
        if tag == "tr":
            self.rows.append(0)
            self.has_picture = self.tells = False
        elif tag in CELLS:
            self.cells, self.said, self.lines, self.word = self.cells + 1, 0, 0, ""
        elif tag == "img":
            self.has_picture = self.has_picture or not _SMALL.search(written)
        elif tag[1:] in CELLS and self.rows:
            self.marked += self.rows[-1] == 0 and _MARK.fullmatch(self.word) is not None
            self.rows[-1] += self.said > 0
            self.tells = self.tells or self.said >= _SAYING
            if self.has_picture and self.tells:
                self.pictured.add(len(self.rows))
            if self.said > _LONG or self.lines > _MOST_LINES:
                self.texts.add(len(self.rows))

    @property
    def is_box(self) -> bool:
        """Whether it is a single cell around something: by itself it stays what it is, as the box of a text."""
        return self.cells == 1

    def lays_out(self) -> bool:
        """Whether its rows and columns mean nothing."""
        if self.has_heads:
            return False
        rows = [cells for cells in self.rows if cells]
        if self.is_box or (self.marked == len(rows) and set(rows) == {2}):
            return False  # of a law each paragraph is a row behind its number
        if self.unread or self.inside:
            return True
        if max(rows, default=0) < 2 or 2 * len(self.pictured) > len(rows):
            return True
        is_of_records = len(rows) >= _RECORDS and len(set(rows)) == 1 and 2 * len(self.texts) > len(rows)
        return self.holds or (bool(self.texts) and not is_of_records)


def lay_out_tables(tags: list[str | None], texts: Sequence[str], written: Sequence[str]) -> bool:
    """Gives tables that lay out a page, and their rows and cells, the tags of blocks. Whether there were any.

    What is named as one of them is one, as each post of a forum may be. What stands in a table of data is a part of
    that.
    """
    outer, every = _tables(tags, texts, written)
    known = {table.named for table in every if table.lays_out()} - {frozenset()}
    left = [(table, False) for table in outer]
    found, menus = False, _Menus(tags, texts)
    while left:
        table, is_inside = left.pop()
        may_lay_out = is_inside if table.is_box else table.named in known
        lays_out = table.lays_out() or (may_lay_out and not table.has_heads)
        if lays_out or table.is_box:
            left += [(inner, lays_out) for inner in table.inside]
        if lays_out:
            found = True
            _name_blocks(table, tags, written, menus)
    return found


def _name_blocks(table: _Table, tags: list[str | None], written: Sequence[str], menus: "_Menus") -> None:
    most = 0
    for number, (at, behind) in enumerate(zip(table.parts, [*table.parts[1:], 0], strict=True)):
        tag = tags[at] or ""
        if tag == "tr":
            most = menus.most_in_row(table.parts, number)
        if tag == "td" and menus.is_one(written[at], at, behind, most):
            tags[at], tags[behind] = "aside", "/aside"
        elif tag != "/aside":
            name = LAID_OUT.get(tag.removeprefix("/"), "div")
            tags[at] = f"/{name}" if tag[0] == "/" else name


class _Menus:
    """Tells the narrow columns of links that stand beside the text of a page."""

    def __init__(self, tags: Sequence[str | None], texts: Sequence[str]) -> None:
        self._tags, self._texts = tags, texts

    @cached_property
    def _held(self) -> list[int]:
        """How many characters stand before each tag."""
        return list(accumulate(len(text.strip()) for text in self._texts))

    def most_in_row(self, parts: list[int], number: int) -> int:
        """The characters of the longest cell of the row that opens at a part of a table."""
        most = 0
        for place in range(number + 1, len(parts) - 1):
            tag = self._tags[parts[place]]
            if tag in ("/tr", "tr"):
                break
            if tag in CELLS:
                most = max(most, self._held[parts[place + 1]] - self._held[parts[place]])
        return most

    def is_one(self, written: str, at: int, end: int, most: int) -> bool:
        """Whether the cell from one tag to another is one, in a row whose longest cell has so many characters."""
        width = _WIDTH.search(written)
        if not width or int(width[1]) > (_NARROW_SHARE if width[2] else _NARROW) or end - at > _TAGS:
            return False
        links = [place for place in range(at, end) if self._tags[place] == "/a" and self._texts[place].strip()]
        held = self._held[end] - self._held[at]
        linked = sum(len(self._texts[place]) for place in links)
        return len(links) >= _LINKS and (linked > _LINKED * held or held < _BESIDE * most)


def _tables(tags: list[str | None], texts: Sequence[str], written: Sequence[str]) -> tuple[list[_Table], list[_Table]]:
    """The tables of a page that stand in no other, and all."""
    outer, every, at = list[_Table](), list[_Table](), -1
    still_open: list[_Table] = []
    try:
        while True:
            at = at + 1 if still_open else tags.index("table", at + 1)
            tag = tags[at]
            if still_open:
                still_open[-1].read(texts[at].strip())
            if tag == "table":
                table = _Table(at, written[at])
                every.append(table)
                (still_open[-1].inside if still_open else outer).append(table)
                still_open.append(table)
            elif tag == "/table":
                still_open.pop().parts.append(at)
            elif tag is not None:
                still_open[-1].see(at, tag, written[at])
    except (ValueError, IndexError):  # none is left, or one stays open
        return outer, every
