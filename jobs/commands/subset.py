"""`weft subset`."""

import argparse
import shlex
import sys

from jobs.cli import fail, positive
from schemas.kind_names import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = """examples:
  weft subset out --where "language = 'en' and num_images >= 3" -o english
  weft subset out --where "(scores->>'clip')::float > 0.3" --kind pairs -o good-pairs
  weft subset out --where "hash(key) % 100 = 0" -o one-percent
  weft subset out --keys keys.txt --kind interleaved -o good"""
    parser.add_argument("path", help="the folder or URL of a finished dataset")
    parser.add_argument("--where", default="", metavar="SQL", help="a condition on the columns of the index")
    parser.add_argument(
        "--keys", metavar="FILE", help="the samples with these keys, one a line, as the viewer exports what is flagged"
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a new folder or fsspec URL")
    parser.add_argument("--kind", action="append", default=[], choices=NAMES, help="default: all it has")
    parser.add_argument(
        "--shard-bytes", type=positive, default=0, metavar="N", help="of a shard at most; default 512 MB"
    )


def run(arguments: argparse.Namespace) -> int:
    from jobs.dataset.index import QueryError
    from jobs.dataset.subset import SubsetError, absent, subset
    from jobs.dataset.summary import NotADataset
    from jobs.settings_files import read_lines
    from schemas.settings import SettingsError
    from schemas.shards import DamagedShard, ShardSettings
    from schemas.storage import Store

    try:
        keys = read_lines(arguments.keys)
    except SettingsError as error:
        return fail(error, 2)
    if not arguments.where and not arguments.keys:
        return fail("which samples? name a condition by --where, or a file of --keys", 2)
    settings = ShardSettings(max_bytes=arguments.shard_bytes) if arguments.shard_bytes > 0 else ShardSettings()
    try:
        source, output = Store(arguments.path), Store(arguments.output)
        named = keys if arguments.keys else None
        dataset = subset(source, output, arguments.where, arguments.kind, settings, named)
        missing = absent(output, keys, dataset)
    except (NotADataset, QueryError, SubsetError) as error:
        return fail(error, 2)
    except DamagedShard as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}. What is committed stays, the same command goes on", 1)
    for kind, totals in dataset.kinds.items():
        print(f"{kind}: {totals.samples:,} samples, {totals.shards} shards, {totals.bytes / 1e6:,.1f} MB")
    if missing:
        why = "are not there, or do not meet the condition" if arguments.where else "are not there"
        print(f"of {arguments.keys} {len(missing):,} keys {why}, the first {missing[0]}", file=sys.stderr)
    if not any(totals.samples for totals in dataset.kinds.values()):
        why = f"none has a key of {arguments.keys}" if arguments.keys else "the condition holds for none"
        why += ", and meets the condition" if arguments.keys and arguments.where else ""
        return fail(f"no sample was chosen: {why}", 1)
    print(f"look at it: weft view {shlex.quote(arguments.output)}")
    return 0
