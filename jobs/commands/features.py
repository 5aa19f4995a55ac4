"""`weft features`."""

import argparse
from typing import TYPE_CHECKING

from jobs.cli import fail, not_negative, positive
from jobs.commands.running import add_engine, engine_of
from jobs.training.libraries import quiet_libraries
from schemas.kind_names import NAMES

if TYPE_CHECKING:
    from jobs.dataset.features import Written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="a dataset, or shards as a loader takes them, such as out/interleaved")
    parser.add_argument(
        "--encoder",
        required=True,
        metavar="ENCODER",
        help="a model folder of transformers, or the YAML of a training run: its model.vision and data.images",
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a folder or fsspec URL; a folder a kind")
    parser.add_argument("--kind", action="append", default=[], choices=NAMES, help="default: all that are there")
    parser.add_argument(
        "--store",
        choices=("float16", "int8"),
        default="float16",
        help="int8 takes half of the space, with a scale for each channel of a frame",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="what the encoder computes in; auto: as the settings say, on a GPU bfloat16",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, such as vision.layer=-2"
    )
    parser.add_argument("--encoders", type=positive, default=1, help="on Ray: processes that hold the encoder")
    parser.add_argument(
        "--gpus", type=not_negative, default=None, help="on Ray: of each of these; default 1 where this machine has one"
    )
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    quiet_libraries()
    from jobs.dataset.features import Encoders, FeaturesError, write_features
    from jobs.dataset.features_settings import features_config, kinds_of
    from schemas.drops import StepError
    from schemas.settings import SettingsError
    from schemas.storage import Store

    try:
        config = features_config(arguments.encoder, arguments.set, arguments.store, arguments.precision)
        for kind, shards in kinds_of(arguments.path, arguments.kind).items():
            output = Store(f"{arguments.output.rstrip('/')}/{kind}")
            encoders = Encoders(arguments.encoders, _gpus() if arguments.gpus is None else arguments.gpus)
            written = write_features(shards, kind, output, config, engine_of(arguments), encoders)
            _tell(kind, output.url, written)
            if written.samples and not written.media:
                return fail(f"{shards}: of its {written.samples:,} samples none is of {kind} with media", 1)
    except (FeaturesError, SettingsError) as error:
        return fail(error, 2)
    except StepError as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}. The same command goes on", 1)
    return 0


def _gpus() -> float:
    from model.features.encoding import has_gpu

    return float(has_gpu())


def _tell(kind: str, url: str, written: "Written") -> None:
    a_frame = f", {written.bytes / written.frames:,.0f} bytes each" if written.frames else ""
    print(f"{kind}: {written.samples:,} samples, {written.frames:,} frames{a_frame}")
    for reason, count in written.drops.items():
        print(f"  without features: {reason} {count:,}")
    if written.removed:
        print(f"  {written.removed:,} shards are not there any more: their features were removed")
    print(f"next: features: {url} beside shards, in the datasets of weft train")
