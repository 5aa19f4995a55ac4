"""`weft inspect`."""

import argparse
from typing import Any

from jobs.cli import fail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="the folder or URL that weft build wrote")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="verify every hash, member and image; exit 1 on any fault")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from jobs.inspection import NotADataset, summary
    from schemas.shards import DamagedShard
    from schemas.storage import Store

    store = Store(arguments.path)
    found: list[str] = []
    try:
        if arguments.check:
            from jobs.check import problems

            found = list(problems(store))
        report = summary(store)
    except NotADataset as error:
        return fail(error, 2)
    except DamagedShard as error:
        for problem in found or [str(error)]:
            fail(problem, 1)
        return 1
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


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    state = "" if report["finished"] else "  (not finished: what is committed so far)"
    console.print(f"[bold]{report['path']}[/bold]{state}")
    for kind, totals in report["kinds"].items():
        size = f"{totals['shards']} shards, {totals['bytes'] / 1e6:,.1f} MB"
        images = f"{totals['images']:,} images, " if kind != "clips" else ""
        console.print(f"{kind}: {totals['samples']:,} samples, {images}{size}\n")
        if kind != "interleaved":
            _bars(console, "caption from", totals["caption_sources"])
        else:
            _bars(console, "images per document", totals["images_per_document"])
        _bars(console, "language", totals["languages"])
        _bars(console, f"domain, top of {totals['domains']:,}", totals["top_domains"])
        if words := totals["words_per_document"]:
            console.print(
                f"words per {'document' if kind == 'interleaved' else 'caption'}  "
                + "  ".join(f"{name} {value:,.0f}" for name, value in words.items())
            )
        if seconds := totals.get("seconds_per_clip"):
            console.print("seconds per clip  " + "  ".join(f"{name} {value:,.1f}" for name, value in seconds.items()))
    table = Table("let go", "reason", "count", box=None, pad_edge=False, header_style="bold")
    table.columns[2].justify = "right"
    for kind, reasons in report["drops"].items():
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
            table.add_row(kind, reason, f"{count:,}")
            kind = ""
    console.print()
    console.print(table)


def _bars(console: Any, title: str, counts: dict[Any, int]) -> None:
    """A histogram, the longest bar 40 cells."""
    if not counts:
        return
    most, width = max(counts.values()), max(len(str(name)) for name in counts)
    console.print(f"[bold]{title}[/bold]")
    for name, count in counts.items():
        console.print(f"  {name!s:>{width}}  {'█' * max(1, round(40 * count / most))} {count:,}", markup=False)
    console.print()
