"""`weft build`."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobs.cli import add_inputs, fail, not_negative, positive

if TYPE_CHECKING:
    from schemas.dataset import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        nargs="?",
        default="default",
        help="a YAML file, a Python file that has a `recipe`, or a preset: default, "
        " flamingo, obelics; align, datacomp, laion, ltip for pairs",
    )
    add_inputs(
        parser, "archives: paths, globs, URLs (s3://, https://, ...), or .txt and .paths.gz files that list them"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="a folder or an fsspec URL; one build each")
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
    parser.add_argument("--engine", choices=("ray", "inline"), default="ray", help="inline works in this one process")
    parser.add_argument("--address", default="", help="of a Ray cluster; default RAY_ADDRESS, else this machine")
    parser.add_argument(
        "--workers", type=positive, default=0, help="partitions at a time on this machine; default its CPUs"
    )
    parser.add_argument(
        "--slow-factor",
        type=not_negative,
        default=4.0,
        help="on Ray, what takes so many times as long as most is tried a second time beside itself; 0: never",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, such as text.gopher.min_words=30"
    )


def run(arguments: argparse.Namespace) -> int:
    def work() -> "Dataset":
        from jobs.build import build
        from jobs.engine.engine import EngineSettings
        from jobs.phases.recipe import Recipe
        from jobs.settings_files import read_lines

        engine = EngineSettings(
            engine=arguments.engine,
            address=arguments.address,
            workers=arguments.workers,
            slow_factor=arguments.slow_factor,
        )
        kinds = [f"kinds=[{arguments.kinds}]"] if arguments.kinds else []
        recipe = Recipe.named(arguments.config, [*arguments.set, *kinds])
        return build(arguments.output, arguments.input, recipe, engine, read_lines(arguments.deny), arguments.videos)

    return carry_out(work, arguments.output)


def carry_out(work: Callable[[], "Dataset"], output: str) -> int:
    """Do a build and print what became of its input; an error becomes a message and an exit code."""
    from crawlers.inputs import InputError, NoResponses
    from jobs.kinds.finish import funnel_lines
    from jobs.phases.run import BuildError
    from model.scorers import BadModel
    from schemas.drops import StepError
    from schemas.settings import SettingsError

    try:
        dataset = work()
    except NoResponses as error:
        return fail(error, 1)
    except (SettingsError, InputError, BadModel) as error:
        return fail(error, 2)
    except (BuildError, StepError) as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}. What is committed stays, the same command goes on", 1)
    for line in funnel_lines(dataset):
        print(line)
    if not any(totals.samples for totals in dataset.kinds.values()):
        return fail("no sample was made: the lines above say what was dropped and why", 1)
    print(f"look at it: weft inspect {output}")
    return 0
