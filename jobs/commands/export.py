"""`weft export`."""

import argparse

from jobs.cli import fail
from jobs.commands.running import add_engine, engine_of
from jobs.dataset.exports.forms import FORMS
from schemas.kind_names import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="the folder or URL of a finished dataset")
    parser.add_argument("--to", required=True, choices=list(FORMS), help="the form of others to write")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a new folder or fsspec URL")
    parser.add_argument("--kind", action="append", default=[], choices=NAMES, help="default: all that fit")
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    from jobs.dataset.exports.forms import form_of
    from jobs.dataset.exports.run import ExportError, FilesFailed, export
    from jobs.dataset.summary import NotADataset
    from schemas.drops import StepError
    from schemas.shards import DamagedShard
    from schemas.storage import Store

    try:
        form = form_of(arguments.to)
        source, output = Store(arguments.path), Store(arguments.output)
        counts = export(source, output, arguments.to, form, arguments.kind, engine_of(arguments))
    except (DamagedShard, StepError, FilesFailed) as error:
        return fail(error, 1)
    except (NotADataset, ExportError) as error:
        return fail(error, 2)
    except OSError as error:
        return fail(f"the storage failed: {error}. The same command goes on", 1)
    for kind, samples in counts.items():
        print(f"{kind}: {samples:,} samples")
    print(f"written to {arguments.output}")
    return 0
