"""Documents of many lengths into rows of one length: best fit into a bounded number of open rows."""

from typing import Generic, TypeVar

import msgspec

from schemas.settings import Settings

#: Where so many items wait, rows leave that are filled to this part; and the fullest, while more than a few are open.
_MANY_ITEMS, _NEARLY_FULL, _FEW_ROWS = 64, 0.98, 4

I = TypeVar("I")  # noqa: E741


class PackingSettings(Settings, frozen=True):
    """How rows are filled."""

    enabled: bool = True
    """False: one document a row, as in the paper."""
    row_tokens: int = 256
    """Length of a row. With variable-length attention on a GPU 2048 and more pay; on a CPU 256."""
    open_rows: int = 32
    """Rows that wait for a document that fits, in each lane, at most: fewer where they hold many documents."""

    def __post_init__(self) -> None:
        if self.row_tokens < 4 or self.open_rows < 1:
            raise ValueError("row_tokens must be 4 or more, open_rows 1 or more")


class _OpenRow(msgspec.Struct, Generic[I], eq=False):
    room: int
    items: list[I]


class Packer(Generic[I]):
    """Each item goes to the open row that it fills best; where none has room, a new row is opened.

    A row leaves when it is full; the fullest, when more than `open_rows` are open; and when many items wait, once it is
    nearly full: who goes on from a state reads again all that waits. Items keep their order within a row. The outcome
    depends on the lengths alone.
    """

    def __init__(self, settings: PackingSettings) -> None:
        self._settings = settings
        self._rows: list[_OpenRow[I]] = []

    def add(self, item: I, length: int) -> list[I] | None:
        """The items of a row that is done, if one is. `length` is `row_tokens` at most."""
        if not self._settings.enabled:
            return [item]
        fitting = [row for row in self._rows if row.room >= length]
        if fitting:
            row = min(fitting, key=lambda row: row.room)
        else:
            row = _OpenRow(self._settings.row_tokens, [])
            self._rows.append(row)
        row.items.append(item)
        row.room -= length
        if row.room == 0:
            return self._leave(row)
        return self.flush() if self._too_many() else None

    def flush(self) -> list[I] | None:
        """The items of the fullest open row; None when none is open."""
        return self._leave(min(self._rows, key=lambda row: row.room)) if self._rows else None

    def open_items(self) -> list[list[I]]:
        """What waits, by row, in the order in which the rows were opened. The state of a packer."""
        return [list(row.items) for row in self._rows]

    def reopen(self, rows: list[list[tuple[I, int]]]) -> None:
        """Take up a state: the items of each row with their lengths. A row left without items is not opened."""
        self._rows = [
            _OpenRow(self._settings.row_tokens - sum(length for _, length in row), [item for item, _ in row])
            for row in rows
            if row
        ]

    def _too_many(self) -> bool:
        if len(self._rows) > self._settings.open_rows:
            return True
        if sum(len(row.items) for row in self._rows) <= _MANY_ITEMS:
            return False
        least = min(row.room for row in self._rows)
        return len(self._rows) > _FEW_ROWS or least <= (1 - _NEARLY_FULL) * self._settings.row_tokens

    def _leave(self, row: _OpenRow[I]) -> list[I]:
        self._rows.remove(row)
        return row.items
