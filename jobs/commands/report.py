"""`weft report`."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from jobs.cli import add_archives, elsewhere, fail
from schemas.storage import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="the folder or URL that weft build wrote")
    parser.add_argument("--compare", metavar="OTHER", help="another dataset, shown beside it")
    add_archives(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="default: report.html in the dataset")


def run(arguments: argparse.Namespace) -> int:
    from crawlers.inputs import InputError, named_archives
    from jobs.dataset.summary import NotADataset
    from jobs.report.collect import Collector
    from jobs.report.write import render
    from schemas import __version__
    from schemas.shards import DamagedShard

    datasets = []
    try:
        archives = named_archives(arguments.input)
        for path in filter(None, (arguments.path, arguments.compare)):
            with Collector(Store(path), archives) as collector:
                datasets.append(collector.collect())
    except (NotADataset, InputError) as error:
        return fail(error, 2)
    except DamagedShard as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}", 1)
    html = render(datasets, __version__, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC").encode("utf-8", "replace")
    try:
        if arguments.output:
            _write(Path(arguments.output), html)
        else:
            Store(arguments.path).put("report.html", html)
    except OSError as error:
        return fail(f"the report cannot be written: {error}{'' if arguments.output else elsewhere(error)}", 1)
    print(
        f"{arguments.output or f'{arguments.path}/report.html'}: {len(html) / 1e6:.1f} MB, one file, needs no network"
    )
    return 0


def _write(file: Path, html: bytes) -> None:
    """Whole or not at all, but for a device or a pipe."""
    if file.exists() and not file.is_file():
        file.write_bytes(html)
    else:
        Store(str(file.resolve().parent)).put(file.resolve().name, html)
