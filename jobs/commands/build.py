"""`weft build`."""

import argparse
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobs.cli import add_inputs, fail, positive
from jobs.commands.records import add_records, copy, is_asked_for
from jobs.commands.running import add_engine, add_fetching, engine_of

if TYPE_CHECKING:
    from jobs.engine.build_progress import BuildProgress
    from jobs.engine.engine import EngineSettings
    from schemas.dataset import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        nargs="?",
        help="a YAML file, a Python file that has a `recipe`, or a preset: default, "
        "flamingo, obelics; align, datacomp, laion, ltip for pairs; with --append what the dataset was built with, "
        "if nothing is said",
    )
    add_inputs(
        parser, "archives: paths, globs, URLs (s3://, https://, ...), or .txt and .paths.gz files that list them"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="a folder or an fsspec URL; one build each"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be read and made, try some pages, and write nothing"
    )
    parser.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="a trial: at most N pages, the first of archives all over the inputs",
    )
    parser.add_argument(
        "--append",
        action="store_true",
        help="add the inputs to the finished dataset that lies there: new shards, compared with what it has; without "
        "--input finish what was begun",
    )
    parser.add_argument(
        "--rewrite",
        action="store_true",
        help="with --append: write shards anew that hold samples which newer ones have replaced, without these",
    )
    parser.add_argument(
        "--deny", metavar="FILE", help="addresses and domains that must not be in the dataset, one a line; also removed"
    )
    parser.add_argument(
        "--kinds", help="what to make of each page, by commas: interleaved, pairs, clips; default: as the config"
    )
    parser.add_argument(
        "--videos",
        nargs="+",
        action="extend",
        default=[],
        metavar="LIST",
        help="for clips: .jsonl, .csv, .tsv or .parquet files of url, text, and subtitles if there are",
    )
    parser.add_argument(
        "--robots",
        nargs="+",
        action="extend",
        default=[],
        metavar="GLOB",
        help="archives of robots.txt captures, such as Common Crawl's robotstxt/*.warc.gz: each page is judged by that "
        "of its host which was captured nearest before it",
    )
    add_fetching(parser)
    add_engine(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, such as text.gopher.min_words=30"
    )
    add_records(parser, "--records")
    parser.add_argument("--contact", default="", help="with --records: who is asking, sent in the user agent")


def run(arguments: argparse.Namespace) -> int:
    def work(shown: "BuildProgress") -> "Dataset | None":
        from jobs.build import append, build
        from jobs.dataset.onto import recipe_of_dataset
        from jobs.dry_run import dry_run
        from jobs.phases.recipe import Recipe
        from jobs.settings_files import read_lines

        engine = engine_of(arguments)
        kinds = [f"kinds=[{arguments.kinds}]"] if arguments.kinds is not None else []
        media = [f"media.from_build={arguments.media_from!r}"] if arguments.media_from else []
        limit = [f"limit={arguments.limit}"] if arguments.limit else []
        overrides = [*arguments.set, *kinds, *media, *limit]
        if arguments.append and arguments.config is None:
            recipe = recipe_of_dataset(arguments.output, overrides)
        else:
            recipe = Recipe.named(arguments.config or "default", overrides)
        if arguments.dry_run:
            deny = read_lines(arguments.deny)
            for line in dry_run(arguments.output, arguments.input, recipe, arguments.videos, arguments.robots, deny):
                shown.pause()
                print(line)
            return None
        inputs = [*arguments.input, *_copied(arguments, engine)]
        given = (arguments.output, inputs, recipe, engine, read_lines(arguments.deny), arguments.videos)
        if arguments.append:
            return append(
                *given,
                rewrite=arguments.rewrite,
                shown=shown,
                robots=arguments.robots,
                status_port=arguments.status_port,
            )
        return build(
            *given,
            retry=arguments.retry_failed,
            shown=shown,
            robots=arguments.robots,
            status_port=arguments.status_port,
        )

    beside = {"--append": arguments.append, "--records": arguments.index, "--retry-failed": arguments.retry_failed}
    if arguments.dry_run and (others := [name for name, is_given in beside.items() if is_given]):
        return fail(f"--dry-run tells of a new build, not of {others[0]}", 2)
    if arguments.append and arguments.retry_failed:
        return fail("--retry-failed asks again for what a dataset lacks, --append adds to it: one after the other", 2)
    if arguments.rewrite and not arguments.append:
        return fail("--rewrite is for --append", 2)
    return carry_out(work, arguments.output)


def _copied(arguments: argparse.Namespace, engine: "EngineSettings") -> list[str]:
    """The archives of records that an index names, copied beside the dataset. Raises `SettingsError`, `InputError`."""
    from crawlers.crawl_config import CrawlConfig
    from crawlers.fetch_settings import FetchSettings
    from crawlers.inputs import InputError
    from schemas.settings import SettingsError

    if not arguments.index:
        if option := is_asked_for(arguments) or ("--contact" if arguments.contact else ""):
            raise SettingsError(f"{option} goes with --records")
        return []
    folder = f"{arguments.output.rstrip('/')}/records"
    config = CrawlConfig(fetch=FetchSettings(contact=arguments.contact))
    report = copy(folder, arguments, config, engine)
    if report.left:
        raise InputError(f"{report.left:,} records are left to copy: the same command goes on")
    if not report.copied:
        raise InputError("no record was copied: the lines above say why")
    return [f"{folder}/warc/*.warc.gz"]


def carry_out(work: Callable[["BuildProgress"], "Dataset | None"], output: str) -> int:
    """Do a build and print what became of its input; an error becomes a message and an exit code. None: nothing was
    to be made. What takes seconds to import comes when something is to be seen."""
    from jobs.engine.build_progress import BuildProgress

    with BuildProgress() as shown:
        shown.prepare("starting")
        return _carry_out(lambda: work(shown), output, shown)


def _carry_out(work: Callable[[], "Dataset | None"], output: str, shown: "BuildProgress") -> int:
    from crawlers.inputs import InputError, NoResponses
    from jobs.crawl.drive import CrawlError
    from jobs.kinds.finish import funnel_lines
    from jobs.phases.run import BuildError
    from model.scorers import BadModel
    from schemas.builds import read_builds
    from schemas.drops import StepError
    from schemas.settings import SettingsError
    from schemas.storage import Store

    try:
        try:
            before = len(read_builds(Store(output)))
            dataset = work()
        finally:
            shown.pause()
    except NoResponses as error:
        return fail(error, 1)
    except (SettingsError, InputError, BadModel) as error:
        return fail(error, 2)
    except (BuildError, CrawlError, StepError) as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}. What is committed stays, the same command goes on", 1)
    if dataset is None:
        return 0
    for line in funnel_lines(dataset, before):
        print(line)
    if not any(totals.samples for totals in dataset.kinds.values()):
        why = (
            "the lines above say what was dropped and why"
            if dataset.drops
            else "the inputs hold no page, pair or video"
        )
        return fail(f"no sample was made: {why}", 1)
    print(f"look at it: weft inspect {shlex.quote(output)}")
    return 0
