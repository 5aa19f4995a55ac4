"""`weft inspect`."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from jobs.cli import fail

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_BAR = 28  # cells


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", help="the folder or URL that weft build wrote; or tars, parquet or JSON lines of other tools"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="verify every hash, member and image; exit 1 on any fault")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from jobs.dataset.summary import NotADataset, summary
    from schemas.shards import DamagedShard
    from schemas.storage import Store

    store = Store(arguments.path)
    found: list[str] = []
    try:
        if arguments.check:
            from jobs.dataset.check import problems

            found = list(problems(store))
        report = summary(store)
    except NotADataset as error:
        if arguments.check:
            return fail(error, 2)
        return _inspect_foreign(arguments, error)
    except DamagedShard as error:
        for problem in found or [str(error)]:
            fail(problem, 1)
        return 1
    except OSError as error:
        return fail(f"the storage failed: {error}", 1)
    if arguments.check:
        report["problems"] = found
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(report)
    for problem in found:
        fail(problem, 1)
    if arguments.check and not found and not arguments.json:
        print("check: every hash, member and image is as committed")
    return 1 if found else 0


def _inspect_foreign(arguments: argparse.Namespace, reason: Exception) -> int:
    import msgspec

    from jobs.dataset.foreign import NothingKnown, foreign_summary

    try:
        report = foreign_summary(arguments.path)
    except (NothingKnown, FileNotFoundError):
        return fail(reason, 2)
    except OSError as error:
        return fail(f"the storage failed: {error}", 1)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print_foreign(report)
    return 0


def _console() -> "Console":
    from jobs.terminal import Terminal

    return Terminal()


def _print(report: dict[str, Any]) -> None:
    from rich.text import Text

    console = _console()
    state = "" if report["finished"] else "  (not finished: what is committed so far)"
    console.print(Text.assemble((str(report["path"]), "bold"), state))
    for kind, totals in report["kinds"].items():
        images = f"{totals['images']:,} images, " if totals["images"] else ""
        size = f"{totals['shards']} shards, {totals['bytes'] / 1e6:,.1f} MB"
        console.print(Text(f"\n{kind}: {totals['samples']:,} samples, {images}{size}", style="bold cyan"))
        _print_distributions(console, kind, totals)
    _print_drops(console, report["drops"])
    for build in report.get("builds", ()):
        written = ", ".join(f"{amount['samples']:,} {kind}" for kind, amount in build["written"].items())
        replaced = sum(amount["samples"] for amount in build["superseded"].values())
        told = f"build {build['number']}: {build['inputs']:,} inputs, {written}, {replaced:,} replaced  {build['time']}"
        console.print(Text(told.rstrip(), style="dim"))


def _print_foreign(report: dict[str, Any]) -> None:
    from rich.text import Text

    console = _console()
    console.print(Text.assemble((str(report["path"]), "bold"), f"  (not weft's: {report['layout']})"))
    samples = f"{report['samples']:,}" if report["samples"] is not None else "an unknown number of"
    console.print(f"{samples} samples, {report['shards']:,} files, {report['bytes'] / 1e6:,.1f} MB")
    if report["samples"] is None and report["shards_counted"]:
        console.print(f"only {report['shards_counted']} of the files say how many they hold", style="yellow")
    console.print(f"what follows is estimated from {report['looked_at']:,} samples", style="dim")
    loader = ", ".join(f"{name} {count:,}" for name, count in report["loader"].items())
    for title, counts in (("kind", report["kinds_seen"]), ("members", report["members"])):
        if counts:
            console.print(Text(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items())))
    if loader:
        console.print(Text(f"read by weft's loader: {loader}"))
    _print_distributions(console, next(iter(report["kinds_seen"]), ""), report)
    if statuses := {name: count for name, count in report["statuses"].items() if name != "success"}:
        console.print(_counts("not downloaded, as the downloader reports", statuses))


def _print_distributions(console: "Console", kind: str, totals: dict[str, Any]) -> None:
    """Two columns of small tables where the terminal is wide enough."""
    from rich.columns import Columns

    samples = totals.get("samples") if "looked_at" not in totals else totals["looked_at"]  # those counted
    what = "caption" if kind in ("pairs", "clips") else "document"
    tables = [
        _counts("images per document", totals["images_per_document"]) if kind == "interleaved" else None,
        _counts("caption from", totals.get("caption_sources", {})),
        _bins(f"words per {what}", totals["words_histogram"], totals["words_per_document"]),
        _bins("seconds per clip", totals.get("seconds_histogram", []), totals.get("seconds_per_clip", {})),
        _counts("language", totals["languages"], samples),
        _counts(f"domain, top of {totals['domains']:,}", totals["top_domains"], samples),
        _counts("licence, as stated", totals.get("licences", {}), samples),
        _counts("captured in", totals.get("captured", {})),
        _quantile_table(totals),
    ]
    shown = [table for table in tables if table is not None]
    if sys.stdout.isatty() and console.width >= 120:
        console.print(Columns(shown, padding=(1, 4)))
    else:
        for table in shown:
            console.print()
            console.print(table)


def _counts(title: str, counts: dict[Any, int], of: int | None = None) -> "RenderableType | None":
    """Percentages are of all samples that were counted, `of`, where only the most frequent values are shown."""
    rows = [(str(name) if name not in ("", None) else "(none)", count) for name, count in counts.items()]
    return _bars(title, rows, of) if rows and list(counts) != [""] else None


def _bins(title: str, bins: list[tuple[float, float, int]], quantiles: dict[str, float]) -> "RenderableType | None":
    rows = [(f"{low:,g} – {high:,g}", count) for low, high, count in bins]
    told = ", ".join(
        f"{name} {quantiles[name]:,.1f}".replace(".0", "") for name in ("min", "median", "max") if quantiles
    )
    return _bars(f"{title}: {told}", rows) if rows else None


def _bars(title: str, rows: list[tuple[str, int]], of: int | None = None) -> "RenderableType":
    """A histogram, the longest bar `_BAR` cells; eighths of a cell tell small differences."""
    from rich.table import Table
    from rich.text import Text

    from jobs.dataset.html import percent

    most, total = max(count for _, count in rows) or 1, of or sum(count for _, count in rows) or 1
    table = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", overflow="ellipsis", max_width=40, no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    for name, count in rows:
        eighths = max(count > 0, round(8 * _BAR * count / most))
        bar = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
        table.add_row(Text(name), bar, f"{count:,}", f"{percent(count, total)}%")
    return table


def _quantile_table(totals: dict[str, Any]) -> "RenderableType | None":
    from rich.table import Table
    from rich.text import Text

    rows = {**({"height in pixels": totals["height"]} if totals.get("height") else {}), **totals.get("scores", {})}
    if not rows:
        return None
    names = ("min", "p25", "median", "p75", "max", "mean")
    table = Table(
        "", *names, title=Text("scores and sizes", style="bold"), title_justify="left", box=None, pad_edge=False
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, quantiles in rows.items():
        table.add_row(Text(name), *(f"{quantiles[point]:g}" for point in names))
    return table


def _print_drops(console: "Console", drops: dict[str, dict[str, int]]) -> None:
    from rich.table import Table

    from schemas.drops import meaning_of

    wide = sys.stdout.isatty() and console.width >= 110
    table = Table("dropped", "reason", "count", *(["what it means"] if wide else []), box=None, pad_edge=False,
                  header_style="bold")  # fmt: skip
    table.columns[2].justify = "right"
    for kind, reasons in drops.items():
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
            table.add_row(kind, reason, f"{count:,}", *([f"[dim]{meaning_of(reason)}[/dim]"] if wide else []))
            kind = ""
    console.print()
    console.print(table if drops else "nothing was dropped")
