"""The part of a walk that keeps rows of data and lines of code together; see `pipeline.page.walk`.

Tables that hold data are read row by row; what stands in the cells of those that only lay out a page is read as if
there were no table.
"""

import re

from pipeline.page.cell_icons import label_of_icon
from pipeline.page.code import OF_LISTINGS, is_gutter, is_line, is_line_number
from pipeline.page.elements import CELLS, NO_DATA, TABLE_HEADS
from pipeline.page.leaves import Container, collapse
from pipeline.page.markup import Markup
from pipeline.page.names import is_hidden, read_names

_SHORT_ROW = 200  # characters
CELL_END = "\u2029"  # of a table row, in the text that is read

_GROUPS = frozenset(("thead", "tbody", "tfoot"))
TABLE_PARTS = _GROUPS | {"table"}
_MOST_PIECES = 2_000  # of the text of a row, beyond which no span is looked for
_LINES = frozenset(("br", "div", "li", "p"))  # that part lines of code
_LOOK_AHEAD = 300  # tags
_LONG = 400  # characters of a cell; more are a text of their own
_LONG_TEXTS = 3  # so many block elements with text are a text, too
_SPAN = re.compile(r' (col|row)span="(\d{1,5})"')
_LABEL = 60  # characters of a cell that is said again in each row it reaches into
_MOST_COLUMNS, _MOST_REPEATED = 100, 20_000  # columns, and characters of a table, that spans may fill


def is_data_table(markup: Markup, at: int) -> bool:
    """Whether the `<table>` that opens at `at` has heads, and cells of a few words each: then a row is one text."""
    end = markup.end_of(at)
    tags = markup.tags[at + 1 : end]
    if TABLE_HEADS.isdisjoint(tags) or not NO_DATA.isdisjoint(tags):
        return False
    held = paragraphs = 0
    for place in range(at + 1, min(end, len(markup.texts) - 1)):
        tag = markup.tags[place]
        held += len(markup.texts[place])
        paragraphs += tag == "p"
        if tag in ("td", "th"):
            held = paragraphs = 0
        if held > _LONG or paragraphs > _LONG_TEXTS or (tag == "pre" and _numbers_lines(markup, place)):
            return False
    return True


def _numbers_lines(markup: Markup, at: int) -> bool:
    """Whether the `<pre>` that opens at `at` has the numbers of the lines of code in the cell beside it."""
    return is_gutter("".join(markup.texts[at + 1 : markup.end_of(at, _LOOK_AHEAD) + 1]))


def collapse_row(text: str) -> str:
    """The same; the cells of a table row are divided by bars."""
    if CELL_END not in text:
        return collapse(text)
    cells = [collapse(cell) for cell in text.split(CELL_END)]
    while cells and not cells[-1]:
        cells.pop()
    if sum(map(bool, cells)) < 2:  # no column is told from another
        return "".join(cells)
    return " |".join(f" {cell}" if cell else "" for cell in cells).strip()


def is_short_row(text: str, line_end: str) -> bool:
    """Whether cells, some of which have lines, are a row of a table without heads, and not the columns of a page or
    who wrote a post beside it: none has more than two lines."""
    return len(text) < _SHORT_ROW and all(cell.count(line_end) <= 1 for cell in text.split(CELL_END))


class Grid:
    """A table of data whose cells may reach over several columns and rows: each row is laid out as a reader sees it."""

    def __init__(self) -> None:
        self._spans: dict[int, tuple[int, int]] = {}  # columns and rows, by the number of a cell in its row
        self._above: dict[int, tuple[int, str]] = {}  # rows that a cell still reaches into, and its text, by column
        self._left = _MOST_REPEATED

    @property
    def spans(self) -> bool:
        """Whether any cell reaches into or out of the row that is read."""
        return bool(self._spans or self._above)

    def span(self, cell: int, written: str) -> None:
        """What the attributes of a cell say of its reach."""
        said = {name: int(number) for name, number in _SPAN.findall(written)}
        columns, rows = said.get("col", 1), said.get("row", 1)
        if cell < _MOST_COLUMNS and 0 < columns <= _MOST_COLUMNS:
            self._spans[cell] = columns, rows or 1 << 16  # 0: down to the end of the group

    def end_group(self) -> None:
        """No cell reaches from the head of a table into its body."""
        self._above.clear()

    def row(self, cells: list[str]) -> list[str]:
        """The texts of a row by column: short ones from above are said again, other columns that are spanned are ""."""
        above, spans, self._spans = self._above, self._spans, {}
        self._above = {column: (rows - 1, text) for column, (rows, text) in above.items() if rows > 1}
        laid: list[str] = []
        for number, cell in enumerate(cells):
            self._fill(laid, above)
            columns, rows = spans.get(number, (1, 1))
            if len(laid) + columns > _MOST_COLUMNS:
                columns = rows = 1
            for column in range(len(laid), len(laid) + columns * (rows > 1)):
                text = cell if column == len(laid) and len(cell) <= _LABEL else ""
                self._above[column] = rows - 1, text
            laid += [cell] + [""] * (columns - 1)
        self._fill(laid, above)
        return laid if any(cell.strip() for cell in cells) else []

    def _fill(self, laid: list[str], above: dict[int, tuple[int, str]]) -> None:
        """Goes on to the next column that no cell from above reaches into."""
        while len(laid) in above:
            text = above[len(laid)][1]
            self._left -= len(text)
            laid.append(text if self._left > 0 else "")


class RowsOfWalk:
    """What a walk asks inside of tables and code."""

    containers: list[Container]
    _markup: Markup
    _lengths: list[int]
    _at: int
    _container: int
    _buffer: list[str]
    _preformatted: int
    _mute: int
    _data_tables: list[Grid | None]
    _line: int  # so long was the buffer when a line of code began; -1 when none has

    def _pass_over(self, end: int) -> None:
        raise NotImplementedError

    def _flush(self) -> None:
        raise NotImplementedError

    def _begin(self, tag: str, written: str) -> bool:
        raise NotImplementedError

    def _outside_links(self, start: int, end: int) -> int:
        raise NotImplementedError

    def _is_in_data(self) -> bool:
        return bool(self._data_tables) and self._data_tables[-1] is not None

    def _open_table_part(self, tag: str) -> None:
        if tag == "table":
            self._data_tables.append(Grid() if is_data_table(self._markup, self._at) else None)
        elif tag in _GROUPS and self._data_tables and (grid := self._data_tables[-1]):
            grid.end_group()

    def _open_cell(self, tag: str, written: str) -> None:
        """A row is one text; one of code is a line, or all lines beside their numbers."""
        if self.containers[self._container].tag == "pre":
            return
        self._span(written)
        if self._buffer and read_names(written).is_caption and not self._is_in_data():
            self._flush()
        self._begin(tag, written)
        if not self._lengths[self._at + 1] and self._is_in_data() and not self._mute:
            self._buffer.append(label_of_icon(self._markup, self._at))

    def _span(self, written: str) -> None:
        """Notes of the cell that opens how far it reaches."""
        grid = self._data_tables[-1] if self._data_tables else None
        if grid is not None and "span=" in written and len(self._buffer) <= _MOST_PIECES:
            grid.span(self._buffer.count(CELL_END), written)

    def _lay_out_row(self) -> None:
        """The row that was read gets the cells of other rows that reach into it."""
        grid = self._data_tables[-1] if self._data_tables else None
        if grid is not None and grid.spans:
            cells = "".join(self._buffer).split(CELL_END)[:-1]
            self._buffer[:] = [CELL_END.join(grid.row(cells))]

    def _is_part_of_text(self, tag: str, written: str) -> bool:
        """Whether a block only parts the lines of code, or the words of a cell of data: it is none of its own then."""
        above = self.containers[self._container].tag
        in_code = self._preformatted > 0 and tag != "pre" and above == "pre"
        if not in_code and not (above in CELLS and self._is_in_data()):
            return False
        if written and is_hidden(written):
            self._pass_over(self._markup.end_of(self._at))
        elif self._buffer and not (in_code and self._buffer[-1].endswith("\n")):
            self._buffer.append("\n" if in_code else " ")
        return True

    def _is_passed_over_in_code(self, at: int, written: str) -> bool:
        """Whether an inline element in code holds the number of a line. One that is a line begins below the last."""
        if is_line_number(written, self._markup.texts[at + 1]):
            self._at = at
            self._pass_over(self._markup.end_of(at))
            return True
        if is_line(written):
            is_behind = (self._markup.tags[at - 1] or "/")[0] == "/"  # another, and not within it
            if self._buffer and is_behind and (self._buffer[-1][-1:] != "\n" or len(self._buffer) == self._line):
                self._buffer.append("\n")  # often there is none, and styles part the lines
            self._line = len(self._buffer)
        return False

    def _fills_cell(self) -> bool:
        """Whether the paragraph that opens here is all that its table cell holds: the row stays one text."""
        tags, at, end = self._markup.tags, self._at, self._markup.end_of(self._at)
        if end + 1 >= len(tags) or tags[at - 1] not in CELLS or tags[end + 1] not in ("/td", "/th"):
            return False
        return not self._lengths[at] and not self._lengths[end + 1]

    def _is_one_line(self) -> bool:
        """Whether the element that opens in a cell holds a line of text, and the cell is none of a listing."""
        if not OF_LISTINGS.isdisjoint(self.containers[self._container].names.words):
            return False
        end = self._markup.end_of(self._at, _LOOK_AHEAD)
        is_cut = not _LINES.isdisjoint(self._markup.tags[self._at : end])
        return not is_cut and "\n" not in "".join(self._markup.texts[self._at + 1 : end + 1]).strip()
