"""`weft fetch-pairs`."""

import argparse
from typing import TYPE_CHECKING

from jobs.commands.build import carry_out
from jobs.commands.running import add_engine, add_fetching, engine_of

if TYPE_CHECKING:
    from jobs.engine.build_progress import BuildProgress
    from schemas.dataset import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "lists", nargs="*", metavar="LIST", help="parquet, csv, tsv or jsonl files: paths, globs or URLs"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="a folder or an fsspec URL; one job each")
    parser.add_argument(
        "--config", default="list", help="a YAML file or a preset; default list: every row, captions as they stand"
    )
    parser.add_argument(
        "--downloader", choices=("weft", "img2dataset"), help="weft, the default, is as safe and polite as a crawl"
    )
    parser.add_argument("--url-column", default="", help="default: the first of the known names that the list has")
    parser.add_argument("--caption-column", default="", help="the same")
    parser.add_argument("--contact", default="", help="address or mail address sent in the user agent: who is fetching")
    parser.add_argument("--deny", metavar="FILE", help="addresses and domains never to fetch, one a line; also removed")
    add_fetching(parser)
    add_engine(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, such as media.pace.delay_s=0.1"
    )


def run(arguments: argparse.Namespace) -> int:
    def work(shown: "BuildProgress") -> "Dataset":
        from jobs.fetch_pairs import fetch_pairs
        from jobs.phases.recipe import Recipe
        from jobs.settings_files import read_lines

        recipe = Recipe.named(arguments.config, [*arguments.set, *_overrides(arguments)])
        config = recipe.config
        engine = engine_of(arguments)
        deny, retry = read_lines(arguments.deny), arguments.retry_failed
        dataset = fetch_pairs(
            arguments.output, arguments.lists, recipe, engine, deny, retry, shown, arguments.status_port
        )
        if not config.media.fetch.contact and config.lists.downloader == "weft":
            shown.pause()
            print("sites could not see who is fetching: give --contact with an address where you can be reached")
        return dataset

    return carry_out(work, arguments.output)


def _overrides(arguments: argparse.Namespace) -> list[str]:
    named = {
        "lists.downloader": arguments.downloader,
        "lists.read.url_column": arguments.url_column,
        "lists.read.caption_column": arguments.caption_column,
        "media.fetch.contact": arguments.contact,
        "media.from_build": arguments.media_from,
    }
    return [f"{path}={value!r}" for path, value in named.items() if value]
