"""The part of a walk that keeps rows of data and lines of code together; see `pipeline.page.walk`.

Tables that hold data are read row by row; what stands in the cells of those that only lay out a page is read as if
there were no table.
"""

from pipeline.page.elements import CELLS, HEADINGS
from pipeline.page.leaves import Container, collapse
from pipeline.page.markup import Markup
from pipeline.page.names import is_hidden

CELL_END = "\u2029"  # of a table row, in the text that is read

#: What tells the names of columns or of the whole apart from data.
_HEADS = frozenset(("th", "thead", "caption"))
#: What no cell of data holds.
_PARTS = HEADINGS | {"table", "article", "section", "form", "figure", "iframe", "video", "nav"}
_LINES = frozenset(("br", "div", "li", "p"))  # that part lines of code
_LOOK_AHEAD = 300  # tags
_LONG = 400  # characters of a cell; more are a text of their own
_LONG_TEXTS = 3  # so many block elements with text are a text, too


def is_data_table(markup: Markup, at: int) -> bool:
    """Whether the `<table>` that opens at `at` has heads, and cells of a few words each: then a row is one text."""
    end = markup.end_of(at)
    tags = markup.tags[at + 1 : end]
    if _HEADS.isdisjoint(tags) or not _PARTS.isdisjoint(tags):
        return False
    held = paragraphs = 0
    for place in range(at + 1, min(end, len(markup.texts) - 1)):
        tag = markup.tags[place]
        held += len(markup.texts[place])
        paragraphs += tag == "p"
        if tag in ("td", "th"):
            held = paragraphs = 0
        if held > _LONG or paragraphs > _LONG_TEXTS:
            return False
    return True


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


class RowsOfWalk:
    """What a walk asks inside of tables and code."""

    containers: list[Container]
    _markup: Markup
    _lengths: list[int]
    _at: int
    _container: int
    _buffer: list[str]
    _preformatted: int
    _data_tables: list[bool]

    def _pass_over(self, end: int) -> None:
        raise NotImplementedError

    def _is_in_data(self) -> bool:
        return bool(self._data_tables) and self._data_tables[-1]

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

    def _fills_cell(self) -> bool:
        """Whether the paragraph that opens here is all that its table cell holds: the row stays one text."""
        tags, at, end = self._markup.tags, self._at, self._markup.end_of(self._at)
        if end + 1 >= len(tags) or tags[at - 1] not in CELLS or tags[end + 1] not in ("/td", "/th"):
            return False
        return not self._lengths[at] and not self._lengths[end + 1]

    def _is_one_line(self) -> bool:
        """Whether the element that opens here holds a line of text."""
        end = self._markup.end_of(self._at, _LOOK_AHEAD)
        is_cut = not _LINES.isdisjoint(self._markup.tags[self._at : end])
        return not is_cut and not any("\n" in text.strip() for text in self._markup.texts[self._at + 1 : end + 1])
