"""`weft export-model`."""

import argparse

from jobs.cli import fail
from jobs.training.libraries import quiet_libraries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="the output of weft train, or one of its checkpoints")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--refer",
        action="store_true",
        help="leave the frozen language model and encoder where they lie, and name their folders instead",
    )
    parser.add_argument("--licence", default="", help="of what was trained, for the card: such as apache-2.0")


def run(arguments: argparse.Namespace) -> int:
    quiet_libraries()
    from model.exported.write import export_model
    from model.training.checkpoints import CheckpointError
    from schemas.settings import SettingsError

    try:
        checkpoint = export_model(arguments.checkpoint, arguments.output, arguments.refer, arguments.licence)
    except SettingsError as error:
        return fail(error, 2)
    except (CheckpointError, OSError) as error:
        return fail(error, 1)
    print(f"{arguments.output}: {checkpoint.name}, for AutoModelForImageTextToText and AutoProcessor of transformers")
    return 0
