"""`weft import`."""

import argparse
import shlex

from jobs.cli import fail
from jobs.commands.running import add_engine, engine_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", help="a folder, a file or a pattern of .parquet, .jsonl or .tar, local or any fsspec URL"
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a new folder or fsspec URL")
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    from jobs.dataset.foreign import files_of
    from jobs.dataset.imports.run import FilesFailed, ImportFailed, import_files
    from schemas.drops import StepError
    from schemas.storage import Store

    try:
        source, names, _ = files_of(arguments.path)
        counts = import_files(source.url, names, Store(arguments.output), engine_of(arguments))
    except (StepError, FilesFailed) as error:
        return fail(error, 1)
    except ImportFailed as error:
        return fail(error, 2)
    except OSError as error:
        return fail(f"the storage failed: {error}. The same command goes on", 1)
    read, kept = counts.seen.get("sample", 0), counts.kept.get("sample", 0)
    print(f"{kept:,} of {read:,} samples")
    for reason, count in sorted(counts.drops.get("sample", {}).items()):
        print(f"  dropped: {reason} {count:,}")
    if not kept:
        return fail("no sample was imported: the lines above say why", 1)
    print(f"next: weft build --input {shlex.quote(f'{arguments.output}/warc/*.warc.gz')} --output DATASET")
    return 0
