"""`weft view`."""

import argparse
import asyncio
import sys
import time
import webbrowser

from jobs.cli import add_archives, add_own_steps, fail, port, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="the folder or URL that weft build wrote")
    parser.add_argument("--port", type=port, default=8642, help="default 8642; 0 takes any that is free")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at; any but 127.0.0.1 shows the dataset to others"
    )
    parser.add_argument(
        "--tokenizer", action="append", default=[], metavar="PATH", help="a model folder or tokenizer.json to offer"
    )
    add_archives(parser)
    add_own_steps(parser)
    parser.add_argument(
        "--texts", action="store_true", help="make what the full text is searched by, or bring it up to date, first"
    )
    parser.add_argument(
        "--compare", metavar="OTHER", default="", help="another dataset: what was gained, lost and changed against it"
    )
    parser.add_argument(
        "--embeddings",
        metavar="FILES",
        default="",
        help="parquet with `key` and `embedding` (and `kind`, `image`), by which to find what is alike; also a pattern",
    )
    parser.add_argument(
        "--flags", metavar="FILE", default="", help="of what you flag; default beside the dataset: DIR.flags.jsonl"
    )
    parser.add_argument(
        "--review", type=positive, metavar="N", help="draw so many samples to judge, for a precision with its interval"
    )
    parser.add_argument("--kind", default="", help="of the review; default the first that there is")
    parser.add_argument("--where", metavar="SQL", default="", help="review those for which this holds")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(arguments: argparse.Namespace) -> int:
    from crawlers.inputs import InputError
    from jobs.dataset.index import QueryError
    from jobs.dataset.summary import NotADataset
    from jobs.dataset.text_index import TextIndexError
    from jobs.view.app import open_context, serve
    from jobs.view.flags import FlagsError
    from jobs.view.library import NoSample

    if not arguments.review and (arguments.kind or arguments.where):
        return fail("--kind and --where choose what a review is drawn from: say how many by --review N", 2)

    def ready(address: str) -> None:
        print(f"{arguments.path} is shown at {address}  (Ctrl-C ends it)", flush=True)
        if arguments.open:
            webbrowser.open(address)

    try:
        if arguments.texts:
            _index_texts(arguments.path)
        if arguments.compare:
            print(f"comparing {arguments.path} with {arguments.compare} ...", file=sys.stderr, flush=True)
        context = open_context(
            arguments.path,
            arguments.tokenizer,
            arguments.input,
            arguments.own_steps,
            arguments.flags,
            arguments.embeddings,
            arguments.compare,
        )
        if arguments.review:
            context.draw_review(arguments.review, arguments.kind, arguments.where)
    except (NotADataset, InputError, FlagsError, TextIndexError, QueryError) as error:
        return fail(error, 2)
    except NoSample as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}", 1)
    try:
        asyncio.run(serve(context, arguments.host, arguments.port, ready))
    except OSError as error:
        return fail(f"cannot listen at {arguments.host}:{arguments.port}: {error.strerror or error}; try --port 0", 2)
    except KeyboardInterrupt:
        print()
    return 0


def _index_texts(url: str) -> None:
    """Raises `TextIndexError`, `NotADataset`, and `OSError`."""
    from jobs.dataset.html import human_bytes
    from jobs.dataset.index import Index
    from jobs.dataset.text_index import build_text_index
    from jobs.engine.progress import Progress
    from jobs.view.library import texts_file
    from schemas.storage import Store

    started = time.monotonic()
    with Index(Store(url)) as index:
        path = texts_file(index.store)
        total = sum(mark.shard.samples for marks in index.marks.values() for mark in marks)
        with Progress("texts", total, "samples") as progress:
            for done in build_text_index(index, path):
                progress.show(done, str)
    print(
        f"{path}: {human_bytes(path.stat().st_size)}, {total:,} samples, {time.monotonic() - started:.0f} s", flush=True
    )
