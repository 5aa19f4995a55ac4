"""`weft crawl`."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.cli import fail, positive
from jobs.commands.records import add_records, copy, is_asked_for
from jobs.commands.running import add_status_port

if TYPE_CHECKING:
    from crawlers.crawl_config import CrawlConfig
    from jobs.engine.engine import EngineSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "seeds", nargs="*", metavar="SEED", help="addresses, sitemaps (sitemap:URL, *.xml), or files of one a line"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="a local or shared folder; one crawl each")
    asked = parser.add_mutually_exclusive_group()
    for wish, meaning in (
        ("stop", "end the run that works on the folder; the same command without this goes on"),
        ("pause", "have it begin no visit"),
        ("resume", "have it go on"),
        ("status", "say what it is doing"),
    ):
        asked.add_argument(f"--{wish}", dest="wish", action="store_const", const=wish, help=meaning)
    parser.add_argument("--config", metavar="FILE", help="settings of the crawl, YAML")
    parser.add_argument("--contact", default="", help="address or mail address sent in the user agent: who is crawling")
    parser.add_argument("--deny", metavar="FILE", help="addresses and domains never to visit, one a line")
    parser.add_argument(
        "--max-pages", type=positive, default=0, help="stop after about so many pages of this run; a rerun goes on"
    )
    parser.add_argument(
        "--since",
        nargs="+",
        action="extend",
        default=[],
        metavar="CRAWL",
        help="folders of earlier crawls, or archives: what has not changed since is only referred to",
    )
    add_status_port(parser)
    parser.add_argument("--max-seconds", type=float, default=0.0, help="stop after so long; a rerun goes on")
    parser.add_argument("--engine", choices=("ray", "inline"), default="ray", help="inline works in this one process")
    parser.add_argument("--address", default="", help="of a Ray cluster; default RAY_ADDRESS, else this machine")
    parser.add_argument(
        "--workers",
        type=positive,
        default=0,
        help="partitions of the crawl, a worker each; default: as before, at first CPUs",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, such as pace.delay_s=2"
    )
    add_records(parser, "--from-index")


def run(arguments: argparse.Namespace) -> int:
    from crawlers.crawl_config import CrawlConfig
    from crawlers.inputs import InputError
    from jobs.crawl.drive import CrawlError, ask, crawl
    from jobs.crawl.since import GONE
    from jobs.crawl.watch import status_line
    from jobs.engine.engine import EngineSettings
    from jobs.settings_files import load_file, read_lines
    from schemas.drops import StepError
    from schemas.settings import SettingsError

    engine = EngineSettings(engine=arguments.engine, address=arguments.address, workers=arguments.workers)
    overrides = [*arguments.set, *([f"fetch.contact={arguments.contact!r}"] if arguments.contact else [])]
    try:
        if arguments.wish == "status":
            print(status_line(Path(arguments.output)))
            return 0
        if arguments.wish:
            if line := ask(arguments.output, arguments.wish):
                print(line)
            return 0
        config = load_file(CrawlConfig, arguments.config, overrides, {})
        if arguments.index:
            return _from_index(arguments, config, engine)
        if option := is_asked_for(arguments):
            return fail(f"{option} goes with --from-index", 2)
        limits = (arguments.max_pages, arguments.max_seconds, arguments.status_port)
        report = crawl(
            arguments.output, arguments.seeds, config, engine, read_lines(arguments.deny), *limits, arguments.since
        )
    except (SettingsError, InputError) as error:
        return fail(error, 2)
    except (CrawlError, StepError) as error:
        return fail(error, 1)
    print(f"{report.pages:,} pages, {report.images:,} images, {report.videos:,} videos, {report.bytes / 1e6:,.1f} MB")
    if report.unchanged or report.gone:
        unchanged = ", ".join(f"{kind} {count:,}" for kind, count in report.unchanged.items()) or "nothing"
        print(f"  not changed: {unchanged}; gone: {report.gone:,}, in {arguments.output}/{GONE}")
    if report.drops:
        worst = sorted(report.drops.items(), key=lambda item: (-item[1], item[0]))
        print("  dropped: " + ", ".join(f"{reason} {count:,}" for reason, count in worst))
    if report.refused:
        print("  never queued: " + ", ".join(f"{reason} {count:,}" for reason, count in report.refused.items()))
    if report.finished and not report.pages:
        return fail("no page was fetched: the lines above say why", 1)
    if not report.finished:
        print(f"  {report.queued:,} left to visit: the same command goes on")
    if not config.fetch.contact:
        print("  sites could not see who is crawling: give --contact with an address where you can be reached")
    print(f"next: weft build --input {shlex.quote(f'{arguments.output}/warc/*.warc.gz')} --output DATASET")
    return 0


def _from_index(arguments: argparse.Namespace, config: "CrawlConfig", engine: "EngineSettings") -> int:
    if arguments.seeds or arguments.max_pages or arguments.since:
        return fail("--from-index takes no seeds, --max-pages or --since: it copies the records that rows name", 2)
    report = copy(arguments.output, arguments, config, engine, arguments.max_seconds, arguments.status_port)
    if not report.copied and not report.left:
        return fail("no record was copied: the lines above say why", 1)
    print(f"next: weft build --input {shlex.quote(f'{arguments.output}/warc/*.warc.gz')} --output DATASET")
    return 0
