"""`weft generate`."""

import argparse
import os
import random
from collections.abc import Sequence

from jobs.cli import fail
from jobs.training.libraries import quiet_libraries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="the output of weft train, or one of its checkpoints")
    parser.add_argument(
        "--image", action="append", default=[], metavar="FILE", help="a picture or clip; again for several, in order"
    )
    parser.add_argument(
        "--prompt",
        default="",
        help="text to go on from; `<image>` in it stands for the pictures in turn. Without one they stand before it",
    )
    parser.add_argument("--beams", type=int, default=1, help="search for the likeliest text, so many at a time")
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="draw tokens; 0, the default, takes the likeliest"
    )
    parser.add_argument("--top-p", type=float, default=1.0, help="draw from the likeliest that hold this probability")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ...")
    parser.add_argument("--fsdp", action="store_true", help="under torchrun: layers are shared out over the processes")
    parser.add_argument("--picture", metavar="PNG", help="write the pictures with the text beneath")
    parser.add_argument("--each", action="store_true", help="every picture by itself, not all of them in one prompt")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    quiet_libraries()
    import json

    from model.evaluation.loaded import load_model
    from model.evaluation.spread import join_for, spread
    from model.evaluation.text_generation import BadMedium, generate_text, split_prompt
    from model.network.generate import GenerateSettings
    from model.training.checkpoints import CheckpointError
    from schemas.settings import SettingsError

    is_first = os.environ.get("RANK", "0") == "0"  # torchrun may have started several
    if arguments.each and not arguments.image:
        return fail("--each is of pictures: name them by --image", 2)
    try:
        settings = GenerateSettings(
            max_new_tokens=arguments.max_new_tokens,
            beams=arguments.beams,
            temperature=arguments.temperature,
            top_p=arguments.top_p,
            seed=arguments.seed,
        )
        asked = [[path] for path in arguments.image] if arguments.each else [arguments.image]
        prompts = [split_prompt(arguments.prompt, paths) for paths in asked]
        with join_for(arguments.device) as (processes, device):
            loaded = load_model(arguments.checkpoint, device, processes=processes if arguments.fsdp else None)

            def said(numbers: range) -> list[tuple[str, str]]:
                return [answer(n) for n in numbers]

            def answer(number: int) -> tuple[str, str]:
                """A text, or why there is none: of many pictures a bad one does not cost the others theirs."""
                try:
                    return generate_text(loaded, prompts[number], settings), ""
                except (BadMedium, OSError) as error:
                    if not arguments.each or loaded.is_shared_out:  # all processes generate together then, or none
                        raise
                    return "", str(error)

            answers = spread(len(prompts), 1, said, processes, together=loaded.is_shared_out)
        failed = [why for _, why in answers if why]
        asked = [paths for paths, (_, why) in zip(asked, answers, strict=True) if not why]
        texts = [text for text, why in answers if not why]
        if arguments.picture and is_first and texts:
            write_pictures(arguments.picture, asked, texts)
    except (SettingsError, ValueError, OSError) as error:
        return fail(error, 2)
    except (CheckpointError, BadMedium) as error:
        return fail(error, 1)
    if not is_first:
        return 0
    for paths, text in zip(asked, texts, strict=True):
        if arguments.json:
            print(json.dumps({"images": paths, "prompt": arguments.prompt, "text": text}))
        else:
            print(f"{paths[0]}: {text}" if arguments.each else text)
    if arguments.picture and texts:
        print(f"written: {arguments.picture}")
    for why in failed:
        fail(why, 1)
    return 1 if failed else 0


def write_pictures(path: str, asked: Sequence[list[str]], texts: Sequence[str]) -> None:
    """The pictures in a grid; a text stands beneath the last one of its prompt. Clips show their first frame."""
    from jobs.commands.contact_sheet import write_sheet
    from model.data.documents import CLIP_EXTENSIONS
    from schemas.images import open_image

    cells = []
    for paths, text in zip(asked, texts, strict=True):
        for number, name in enumerate(paths):
            if name.rpartition(".")[2].lower() in CLIP_EXTENSIONS:
                from model.data.clips import clip_frames

                with open(name, "rb") as file:
                    image = clip_frames(file.read(), random.Random(0), 1, 1.0)[0]
            else:
                with open(name, "rb") as file:
                    image = open_image(file.read())
            cells.append((image, text if number == len(paths) - 1 else ""))
    write_sheet(path, cells)
