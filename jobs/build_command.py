"""`weft build`."""

import argparse

from jobs.cli import fail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", nargs="?", default="default", help="a YAML file or a preset: default, flamingo, obelics"
    )
    parser.add_argument(
        "--input",
        nargs="+",
        action="extend",
        default=[],
        metavar="GLOB",
        help="archives: paths, globs, URLs (s3://, https://, ...), or .txt and .paths.gz files that list them",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="a folder or an fsspec URL; one build each")
    parser.add_argument(
        "--deny", metavar="FILE", help="addresses and domains that must not be in the dataset, one a line; also removed"
    )
    parser.add_argument("--kinds", default="", help="what to make: interleaved, clips, or both with a comma")
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
    parser.add_argument("--workers", type=int, default=0, help="partitions at a time on this machine; default its CPUs")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, such as text.gopher.min_words=30"
    )


def run(arguments: argparse.Namespace) -> int:
    from crawlers.inputs import InputError
    from jobs.build import BuildError, build, funnel_lines
    from jobs.config import load_config, read_lines
    from jobs.engine import EngineSettings
    from model.scorers import BadModel
    from schemas.drops import StepError
    from schemas.settings import SettingsError

    engine = EngineSettings(engine=arguments.engine, address=arguments.address, workers=arguments.workers)
    try:
        kinds = [f"kinds=[{arguments.kinds}]"] if arguments.kinds else []
        config = load_config(arguments.config, kinds + arguments.set)
        deny = read_lines(arguments.deny)
        dataset = build(arguments.output, arguments.input, config, engine, deny, arguments.videos)
    except (SettingsError, InputError, BadModel) as error:
        return fail(error, 2)
    except (BuildError, StepError) as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}. What is committed stays, the same command goes on", 1)
    for line in funnel_lines(dataset):
        print(line)
    print(f"look at it: weft inspect {arguments.output}")
    return 0
