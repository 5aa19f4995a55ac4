"""A result set walked as one: from a sample to the next of those that a filter leaves, in its order."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from jobs.view.filters import ORDERS, Filter
from jobs.view.library import Library, NoSample


class Place(msgspec.Struct, frozen=True):
    """Where a sample stands among those of a filter."""

    previous: str  # keys; "" at the ends
    next: str
    number: int  # counted from 1; 0 where the filter does not leave the sample
    count: int


class Walk:
    """Of one kind and filter. Every question is one of the index, whatever the size of the set."""

    def __init__(self, library: Library, kind: str, chosen: Filter) -> None:
        self._library, self.kind, self.chosen = library, kind, chosen
        self._columns = library.columns[kind]
        self._order = ORDERS[chosen.order][1] if chosen.order_sql(self._columns) else ""

    def place(self, row: dict[str, Any]) -> Place:
        """Raises `QueryError` for a condition that is none."""
        library = self._library
        if not self._library.where(self.kind, self.chosen)[0] and not self._order:
            # marks tell where rows lie: no filter, no scan
            before, after = (library.neighbour(self.kind, row, step) for step in (-1, 1))
            return Place(before, after, library.number(self.kind, row), library.total(self.kind))
        condition, values = self._beyond(row, -1)
        counts = f"count(*) FILTER (key = ?), count(*) FILTER ({condition})"
        is_among, before = self._ask(counts, values=[row["key"], *values])[0]
        number = int(before) + 1 if is_among else 0
        count = library.count(self.kind, self.chosen)
        return Place(self._neighbour(row, -1), self._neighbour(row, 1), number, count)

    def random_key(self) -> str:
        """Any of them, each as likely. Raises `NoSample` where there is none, and `QueryError`."""
        if not self._library.where(self.kind, self.chosen)[0]:
            return self._library.random_key(self.kind)
        count = self._library.count(self.kind, self.chosen)
        if not count:
            raise NoSample("no sample has all that is asked for")
        return str(self._ask("key", ending=f"LIMIT 1 OFFSET {random.randrange(count)}")[0][0])

    def _neighbour(self, row: dict[str, Any], step: int) -> str:
        condition, values = self._beyond(row, step)
        found = self._ask("key", condition, f"ORDER BY {self._sorting(step)} LIMIT 1", after=values)
        return str(found[0][0]) if found else ""

    def _ask(
        self, what: str, condition: str = "", ending: str = "", values: Sequence[Any] = (), after: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """`values` belong to what is asked, `after` to the condition beside that of the filter."""
        where, of_filter = self._library.where(self.kind, self.chosen)
        if condition:
            where = f"{where} AND {condition}" if where else f"WHERE {condition}"
        sql = f"SELECT {what} FROM {self.kind} {where} {ending}"
        return self._library.index.ask(sql, [*values, *of_filter, *after], limit=1).rows

    def _beyond(self, row: dict[str, Any], step: int) -> tuple[str, list[Any]]:
        """What comes before (-1) or after (1) a row."""
        sign = ">" if step > 0 else "<"
        if not self._order:
            return f"(shard {sign} ? OR (shard = ? AND row {sign} ?))", [row["shard"], row["shard"], row["row"]]
        column, opposite = self._column, "<" if step > 0 else ">"  # the largest come first
        value = row[column] if row[column] is not None else _NOTHING[column == "fetch_time"]
        ranked = self._ranked(column)
        return f"({ranked} {opposite} ? OR ({ranked} = ? AND key {sign} ?))", [value, value, row["key"]]

    def _sorting(self, step: int) -> str:
        down, up = ("DESC", "ASC") if step > 0 else ("ASC", "DESC")
        if not self._order:
            return f"shard {up}, row {up}"
        return f"{self._ranked(self._column)} {down}, key {up}"

    @property
    def _column(self) -> str:
        return self._order.partition(" ")[0]

    def _ranked(self, column: str) -> str:
        """What is not known comes last."""
        return f"coalesce({column}, {_NOTHING[column == 'fetch_time']!r})"


#: Below every number, and before every time.
_NOTHING: tuple[Any, Any] = (-1, "")
