"""`weft card`."""

import argparse

from jobs.cli import fail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = """A build writes both cards at its end, and refreshes them when something is added or
removed. What is said here is kept in card.json and stays.
example:
  weft card out --name "Field notes" --licence cc-by-4.0 --url https://me.example/data --creator "Ann Example" \\
    --published 2026-12-01"""
    parser.add_argument("path", help="the folder or URL of a finished dataset")
    parser.add_argument("--name", help="of the dataset")
    parser.add_argument("--description", help="in a sentence or two")
    parser.add_argument("--licence", help="of the dataset: an address, or an identifier such as cc-by-4.0")
    parser.add_argument("--url", help="of the page where it is published")
    parser.add_argument("--creator", action="append", metavar="NAME", help="who made it; may be given several times")
    parser.add_argument("--published", metavar="DATE", help="when, such as 2026-12-01")
    parser.add_argument("--citation", metavar="BIBTEX", help="how to cite it")
    parser.add_argument(
        "--overwrite", action="store_true", help="also where README.md or croissant.json was changed by somebody"
    )


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from jobs.dataset.cards.write import CROISSANT, README, read_card, write_cards
    from jobs.dataset.index import QueryError
    from jobs.dataset.summary import NotADataset
    from schemas.dataset import DATASET
    from schemas.storage import Store

    if arguments.published is not None and arguments.published and not _is_date(arguments.published):
        return fail(f"--published takes a date such as 2026-12-01, not {arguments.published!r}", 2)
    if arguments.url and not _is_address(arguments.url):
        return fail(f"--url takes an address such as https://me.example/data, not {arguments.url!r}", 2)
    store = Store(arguments.path)
    given = {
        "name": arguments.name,
        "description": arguments.description,
        "licence": arguments.licence,
        "url": arguments.url,
        "creators": tuple(arguments.creator) if arguments.creator else None,
        "published": arguments.published,
        "citation": arguments.citation,
    }
    said = {name: value for name, value in given.items() if value is not None}
    try:
        if not store.exists(DATASET):
            return fail(f"{arguments.path} is no finished dataset: there is nothing to describe yet", 2)
        publisher = msgspec.structs.replace(read_card(store).publisher, **said)
        _, left = write_cards(store, publisher, arguments.overwrite)
    except (NotADataset, QueryError) as error:
        return fail(error, 2)
    except OSError as error:
        return fail(f"the storage failed: {error}", 1)
    for name in (CROISSANT, README):
        if name in left:
            print(f"{name} was changed by somebody and stays as it is; --overwrite replaces it")
        else:
            print(f"{arguments.path.rstrip('/')}/{name}")
    wanted = ("licence", "url", "creators", "published")
    if missing := [name for name in wanted if not getattr(publisher, name)]:
        options = ", ".join(f"--{'creator' if name == 'creators' else name}" for name in missing)
        print(f"Croissant asks for more, which only you can say: {options}")
    return 0


def _is_address(text: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(map(str.isspace, text))


def _is_date(text: str) -> bool:
    from datetime import date

    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
