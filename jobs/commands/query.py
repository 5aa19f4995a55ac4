"""`weft query`."""

import argparse
import csv
import itertools
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobs.cli import fail

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from jobs.dataset.index import Index

_EXAMPLES = """tables: interleaved, pairs, clips (those that are there), samples (what they have in common), drops,
removed, and embeddings, of --embeddings
examples:
  weft query out "select domain, count(*) n from interleaved group by 1 order by n desc"
  weft query out "select reason, count(*) from drops where kind = 'image' group by 1"
  weft query out "select key, url from pairs where (scores->>'clip')::float > 0.3" --csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("path", help="the folder or URL that weft build wrote")
    parser.add_argument("sql", help="one SELECT, in DuckDB's SQL")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print all rows as CSV")
    form.add_argument("--json", action="store_true", help="print all rows as JSON, one object a line")
    parser.add_argument(
        "--limit", type=int, default=100, metavar="N", help="rows of the table on a terminal; default 100"
    )
    parser.add_argument(
        "--embeddings", metavar="FILES", default="", help="parquet, as `weft view` takes it, as a table"
    )


def run(arguments: argparse.Namespace) -> int:
    from jobs.dataset.index import Index, QueryError
    from jobs.dataset.summary import NotADataset
    from schemas.storage import Store

    try:
        with Index(Store(arguments.path), embeddings=arguments.embeddings) as index:
            if arguments.csv:
                _print_csv(index, arguments.sql)
            elif arguments.json:
                _print_json(index, arguments.sql)
            else:
                _print_table(index, arguments.sql, max(0, arguments.limit))
    except (NotADataset, QueryError) as error:
        return fail(error, 2)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return fail(f"the storage failed: {error}", 1)
    return 0


def _batches(
    index: "Index", sql: str, size: int = 10_000
) -> Generator[tuple[list[str], Iterator[tuple[Any, ...]]], None, None]:
    """Names of columns, and rows: by place, since a join may have two columns of a name."""
    for batch in index.batches(sql, size=size):
        yield batch.schema.names, zip(*map(_values, batch.columns), strict=True)


def _values(column: "pa.Array[Any]") -> list[Any]:
    """What a column holds; of numbers in 32 bits the shortest that are these: 0.3, not 0.30000001192092896."""
    import pyarrow as pa

    if pa.types.is_interval(column.type):  # a month is 30 days, as DuckDB counts
        spans = column.to_pylist()
        return [s and timedelta(s.months * 30 + s.days, microseconds=s.nanoseconds // 1000) for s in spans]
    written, number = _with_floats(column.type, pa.string()), _with_floats(column.type, pa.float64())
    values: list[Any] = (column if number == column.type else column.cast(written).cast(number)).to_pylist()
    return values


def _with_floats(of: "pa.DataType", type_: "pa.DataType") -> "pa.DataType":
    """A type with another in place of numbers in 32 bits, those within lists and structs, too."""
    import pyarrow as pa

    if pa.types.is_float32(of):
        return type_
    if pa.types.is_list(of):
        return pa.list_(_with_floats(of.value_type, type_))
    if pa.types.is_fixed_size_list(of):
        return pa.list_(_with_floats(of.value_type, type_), of.list_size)
    if pa.types.is_struct(of):
        return pa.struct([(field.name, _with_floats(field.type, type_)) for field in of])
    return of


def _print_csv(index: "Index", sql: str) -> None:
    out, header = csv.writer(sys.stdout, lineterminator="\n"), False
    for names, rows in _batches(index, sql):
        if not header:
            out.writerow(names)
            header = True
        out.writerows(rows)
    if not header:  # no row, and so no batch
        out.writerow(index.ask(sql, limit=0, timeout_s=None).columns)


def _print_json(index: "Index", sql: str) -> None:
    import msgspec

    encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number")  # sums of whole numbers are decimals
    for names, rows in _batches(index, sql):
        keys = _told_apart(names)
        for row in rows:
            print(encoder.encode(dict(zip(keys, row, strict=True))).decode())


def _told_apart(names: Sequence[str]) -> list[str]:
    """Names of which no two are the same, as DuckDB numbers the columns of a table: url, url_1."""
    found: dict[str, None] = {}
    for name in names:
        free = (f"{name}_{number}" for number in itertools.count(1))
        found[name if name not in found else next(one for one in free if one not in found and one not in names)] = None
    return list(found)


def _print_table(index: "Index", sql: str, limit: int) -> None:
    from rich.table import Table
    from rich.text import Text

    from jobs.terminal import Terminal

    columns, rows = _first(index, sql, limit + 1)
    console = Terminal()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) for row in rows[:limit]) and bool(rows[:limit])
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    cells = [["" if value is None else str(value) for value in row] for row in rows[:limit]]
    for row in cells:
        table.add_row(*map(Text, row))
    width = _width(columns, cells)
    is_too_wide = bool(cells) and width > 2 * console.width
    if not console.is_terminal:  # nothing is folded that another program reads
        console.width = max(console.width, width)
    if is_too_wide:
        _print_records(console, columns, cells)
    else:
        console.print(table)
    if len(rows) > limit:
        console.print(f"the first {limit:,} rows; --limit, --csv or --json for more", style="dim")


def _first(index: "Index", sql: str, count: int) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
    """Names of columns, and the first rows of an answer."""
    columns: Sequence[str] = ()
    rows: list[tuple[Any, ...]] = []
    with closing(_batches(index, sql, count)) as batches:
        for names, batch in batches:
            columns = names
            rows += itertools.islice(batch, count - len(rows))
            if len(rows) == count:
                break
    return columns or index.ask(sql, limit=0, timeout_s=None).columns, rows  # no row, and so no batch


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Of a table whose cells are not folded, with a gap between columns."""
    return sum(max(map(len, column)) + 2 for column in zip(columns, *rows, strict=True))


def _print_records(console: "Console", columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """What is too wide for a table: a column a line, as psql does after \\x."""
    from rich.padding import Padding
    from rich.text import Text

    widest = max(map(len, columns))
    for number, row in enumerate(rows, 1):
        console.print(Text(f"row {number:,}", style="bold"))
        for name, value in zip(columns, row, strict=True):
            console.print(Text(f"{name:>{widest}}  ", style="dim"), end="")
            text = Text(value, overflow="fold")
            shown = Padding(text, (0, 0, 0, widest + 2)) if len(value) > console.width - widest - 2 else text
            if shown is not text:
                console.print()
            console.print(shown)
