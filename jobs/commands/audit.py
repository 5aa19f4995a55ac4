"""`weft audit`."""

import argparse
import shutil
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jobs.cli import elsewhere, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from jobs.dataset.index import Index
    from jobs.dataset.sample_ledger import SampleLedger, SubjectLedger
    from schemas.storage import Store

_MEMORY = 1 << 24  # bytes of the JSON beyond which it waits on disk


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = """examples:
  weft audit out                               # out/audit.html and out/audit.json
  weft audit out 000000000006                  # all that was said of one sample, and the decision
  weft audit out https://example.org/page      # the same by its address, also of a page that was refused"""
    parser.add_argument("path", help="the folder or URL that weft build wrote")
    parser.add_argument("key", nargs="?", default="", help="a sample's key, or the address of its page or file")
    parser.add_argument(
        "--crawl", action="append", default=[], metavar="DIR", help="a crawl that fetched its archives: what it refused"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, and write no file")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="by which examples are drawn; default 0")
    parser.add_argument(
        "-o", "--output", metavar="FILE.html", help="default: audit.html in the dataset; the JSON lies beside it"
    )


def run(arguments: argparse.Namespace) -> int:
    from jobs.dataset.index import Index
    from jobs.dataset.summary import NotADataset
    from schemas.storage import Store

    if arguments.key and arguments.output:
        return fail("-o is for the audit of a whole dataset; --json prints that of one sample", 2)
    if arguments.output and Path(arguments.output).suffix != ".html":
        return fail(f"-o names the HTML, such as audit.html, not {arguments.output}", 2)
    try:
        crawls = [Store(path) for path in arguments.crawl]
        if missing := [crawl.url for crawl in crawls if not crawl.exists("crawl.json")]:
            return fail(f"{missing[0]}: no finished crawl", 2)
        with Index(Store(arguments.path), crawls=crawls) as index:
            if arguments.key:
                return _of_sample(index, arguments)
            return _of_dataset(index, arguments)
    except NotADataset as error:
        return fail(error, 2)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(f"the storage failed: {error}{'' if arguments.output else elsewhere(error)}", 1)


def _of_dataset(index: "Index", arguments: argparse.Namespace) -> int:
    from jobs.report.audit import Audit
    from schemas import __version__

    audit = Audit(index, __version__, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", arguments.seed)
    if arguments.json:
        audit.write_json(sys.stdout.buffer)
        return 0
    html = arguments.output or "audit.html"
    with tempfile.SpooledTemporaryFile(max_size=_MEMORY) as written:
        domains = audit.write_json(written)
        written.seek(0)
        with _target(index.store, arguments.output, str(Path(html).with_suffix(".json"))) as out:
            shutil.copyfileobj(written, out, 1 << 20)
    with _target(index.store, arguments.output, html) as out:
        out.write(audit.html(domains).encode("utf-8", "replace"))
    for line in _lines(audit.facts):
        print(line)
    where = html if arguments.output else f"{arguments.path.rstrip('/')}/{html}"
    print(f"{where} and {Path(html).with_suffix('.json').name} beside it")
    return 0


@contextmanager
def _target(store: "Store", output: str | None, name: str) -> "Iterator[IO[bytes]]":
    """A file of the dataset, or where somebody wants it; its old state is there until the new one is complete."""
    from schemas.storage import new_attempt

    if output:
        with open(name, "wb") as file:
            yield file
        return
    staged = f".{new_attempt()}.{name}.tmp"
    with store.create(staged) as file:
        yield file
    store.move(staged, name)


def _lines(facts: dict[str, Any]) -> "Iterator[str]":
    """What a person wants to know at once."""
    for one in facts["ledger"]:
        passed = ", ".join(f"{name} {count:,}" for name, count in one["passed"].items())
        silent = f"nothing said {one['silent']:,}" if one["silent"] else ""
        unknown = f"no record {one['unrecorded']:,}" if one["unrecorded"] else ""
        kept = ", ".join(filter(None, (passed, silent, unknown)))
        yield f"{one['thing']}: {one['refused']:,} refused, {one['kept']:,} kept{f' ({kept})' if kept else ''}"
    for note in facts["notes"]:
        yield f"note: {note}"


def _of_sample(index: "Index", arguments: argparse.Namespace) -> int:
    import msgspec

    from jobs.dataset.sample_ledger import sample_ledgers
    from jobs.terminal import Terminal

    found = sample_ledgers(index, arguments.key)
    if not found:
        return fail(f"{arguments.path} has no sample {arguments.key}, and nothing at this address was refused", 1)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return 0
    console = Terminal()
    for number, one in enumerate(found):
        if number:
            console.print()
        _print(console, one)
    return 0


def _print(console: "Console", one: "SampleLedger") -> None:
    from rich.text import Text

    name = f"{one.kind} {one.key}" if one.key else "refused: no sample was made of it"
    console.print(Text.assemble((name, "bold"), f"  {one.url}"))
    facts = [
        f"captured {one.fetch_time}" if one.fetch_time else "",
        f"licence as stated: {one.licence}" if one.licence else "",
    ]
    if line := " · ".join(filter(None, facts)):
        console.print(Text(line, style="dim"))
    for note in one.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    for subject in one.subjects:
        _print_subject(console, subject)
    if one.refused:
        console.print(Text("\nrefused" + (" on its page" if one.key else ""), style="bold"))
    for row in one.refused:
        console.print(Text(f"  {row['kind']} {row['url']}: {row['reason']}, {row['detail']}"))


def _print_subject(console: "Console", subject: "SubjectLedger") -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text.assemble(("\n" + subject.subject, "bold"), f"  {subject.url}"))
    console.print(Text(f"  {subject.decision}"))
    if subject.signals:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("  signal", "verdict", "read", "where", "value"):
            table.add_column(column, overflow="fold", no_wrap=column in ("  signal", "verdict", "read"))
        for said in subject.signals:
            cells = (f"  {said.signal}", said.verdict, said.time or "not known", said.origin, said.value)
            table.add_row(*map(Text, cells))
        console.print(table)
    if subject.rights:
        stated = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in subject.rights.items())
        console.print(Text(f"  rights as its metadata states them: {stated}", style="dim"))
