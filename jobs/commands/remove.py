"""`weft remove`."""

import argparse
from typing import TYPE_CHECKING

from jobs.cli import fail
from jobs.commands.running import add_engine, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.removals import Removal

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="a folder or fsspec URL that weft build wrote")
    parser.add_argument(
        "--deny",
        metavar="FILE",
        help="addresses, domains, and hashes of images and videos (sha256:, phash:, pdq:), one a line; they stay in "
        "the dataset's deny.txt. Without it that list is carried out, or what was begun is finished",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    from crawlers.inputs import InputError
    from jobs.dataset.removal import remove, require_finished, would_remove
    from jobs.phases.run import BuildError
    from jobs.settings_files import read_lines
    from schemas.deny import DenyList, read_deny_list
    from schemas.settings import SettingsError
    from schemas.storage import Store

    store = Store(arguments.dataset)
    try:
        before, lines = require_finished(store), read_lines(arguments.deny)
        deny = DenyList([*read_deny_list(store).lines, *lines])
        if not deny:
            return fail("nothing is denied: name a list by --deny", 2)
        if arguments.dry_run:
            removal, by_entry = would_remove(store, before, deny)
            print("\n".join([*_lines(removal, "would go"), *_by_entry(by_entry)]))
            return 0
        after = remove(store, lines, engine_of(arguments))
    except (InputError, SettingsError) as error:
        return fail(error, 2)
    except BuildError as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}. The same command goes on", 1)
    if after.removals == before.removals:
        print("nothing of the list is in it")
    else:
        print("\n".join(_lines(after.removals[-1], "went")))
    return 0


def _lines(removal: "Removal", went: str) -> "Iterator[str]":
    """By kind, and what lies beside the shards."""
    if not any((removal.samples, removal.images, removal.records, removal.replaced)):
        yield f"nothing {went}"
    for kind in dict.fromkeys([*removal.samples, *removal.images]):
        alone = f", and {removal.images[kind]:,} images of others" if kind in removal.images else ""
        yield f"{kind}: {removal.samples.get(kind, 0):,} samples{alone} {went}"
    for kind, count in removal.replaced.items():
        yield f"{kind}: {count:,} samples that newer ones had replaced {went}"
    if removal.records:
        yield f"archives beside the shards: {removal.records:,} records {went}"


def _by_entry(counts: "Mapping[str, int]") -> "Iterator[str]":
    worst = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    yield from (f"  {count:,} by {entry}" for entry, count in worst[:_SHOWN])
    if len(worst) > _SHOWN:
        yield f"  and others by {len(worst) - _SHOWN:,} more entries"
