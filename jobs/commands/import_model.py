"""`weft import-model`."""

import argparse
import shlex
from pathlib import Path

from jobs.cli import fail
from jobs.training.libraries import quiet_libraries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="checkpoint.pt of OpenFlamingo")
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="a new folder, as the output of weft train"
    )
    parser.add_argument("--lm", required=True, metavar="DIR", help="its language model, with the tokenizer")
    parser.add_argument("--vision", required=True, metavar="DIR", help="its CLIP, as transformers has it")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="in which the frozen parts are held"
    )


def run(arguments: argparse.Namespace) -> int:
    quiet_libraries()
    from model.imported.write import import_open_flamingo
    from schemas.settings import SettingsError

    try:
        model = import_open_flamingo(
            arguments.checkpoint, arguments.output, arguments.lm, arguments.vision, arguments.dtype
        )
    except SettingsError as error:
        return fail(error, 2)
    except OSError as error:
        return fail(error, 1)
    attention = model.config.cross_attention
    print(f"{arguments.output}: {len(model.blocks)} blocks, one before every {attention.every}. layer")
    if Path(model.config.lm.path or "").is_relative_to(arguments.output):
        print(f"the language model with the checkpoint's embeddings: {model.config.lm.path}")
    print(f"next: weft generate {shlex.quote(arguments.output)} --image PICTURE --prompt '<image>'")
    return 0
