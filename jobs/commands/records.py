"""Records of archives elsewhere, by the rows of an index: options of `weft crawl` and `weft build`."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawlers.crawl_config import CrawlConfig
    from jobs.crawl.records import RecordsReport
    from jobs.engine.engine import EngineSettings


def add_records(parser: argparse.ArgumentParser, option: str) -> None:
    """The options that name an index, and which of its rows are wanted."""
    group = parser.add_argument_group("records by an index", "of Common Crawl, or of a CDX server's answer")
    group.add_argument(
        option,
        dest="index",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="rows of url, file name, offset and length: parquet, csv or lines of JSON; paths, globs or URLs",
    )
    group.add_argument(
        "--archives-at",
        default="",
        metavar="PREFIX",
        help="where the archives lie that the rows name: http(s)://, s3://, a folder; default Common Crawl's server",
    )
    group.add_argument("--domain", nargs="+", action="extend", default=[], help="hosts, each with all below it")
    group.add_argument("--language", nargs="+", action="extend", default=[], metavar="eng", help="as the index has it")
    group.add_argument("--type", nargs="+", action="extend", default=[], metavar="text/html", help="also image/*")
    group.add_argument("--http-status", nargs="+", type=int, metavar="N", help="of the response; default 200; 0: any")
    group.add_argument("--where", default="", metavar="SQL", help="a condition over the columns of the index")


def is_asked_for(arguments: argparse.Namespace) -> str:
    """The first option that only means something beside an index; "" if there is none."""
    named = ("archives_at", "domain", "language", "type", "http_status", "where")
    return next((f"--{name.replace('_', '-')}" for name in named if getattr(arguments, name)), "")


def copy(
    output: str,
    arguments: argparse.Namespace,
    config: "CrawlConfig",
    engine: "EngineSettings",
    max_seconds: float = 0.0,
    status_port: int = 0,
) -> "RecordsReport":
    """Copy the records, but not those of denied addresses, and print what came of it. Raises what `copy_records`
    raises."""
    from crawlers.index_rows import Selection
    from jobs.crawl.records import copy_records
    from jobs.settings_files import read_lines

    selection = Selection(
        domains=tuple(arguments.domain),
        languages=tuple(arguments.language),
        types=tuple(arguments.type),
        statuses=(200,) if arguments.http_status is None else tuple(filter(None, arguments.http_status)),
        where=arguments.where,
    )
    given = (output, arguments.index, selection, arguments.archives_at, config, engine)
    report = copy_records(*given, read_lines(arguments.deny), max_seconds, status_port)
    print(f"{report.copied:,} records of {report.fitting:,} rows that fit, of {report.rows:,} in the index")
    if report.drops:
        worst = sorted(report.drops.items(), key=lambda item: (-item[1], item[0]))
        print("  dropped: " + ", ".join(f"{reason} {count:,}" for reason, count in worst))
    if report.left:
        print(f"  {report.left:,} left to copy: the same command goes on")
    return report
