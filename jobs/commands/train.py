"""`weft train`."""

import argparse
import os
import shlex

from jobs.cli import fail
from jobs.training.libraries import quiet_libraries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a YAML file, or tiny: learns within minutes, without data of yours")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="the folder of the run, instead of the config's output, and of what the config has in that",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="parameters, memory, a batch, and a step that is not kept"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        help="override a setting, such as optimiser.learning_rate=3e-4",
    )
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: as a job of Ray Train")
    parser.add_argument(
        "--workers", type=int, help="of Ray Train: processes, each with a GPU where there are any; default 1"
    )
    parser.add_argument("--address", default="", help="of a Ray cluster; default RAY_ADDRESS, else this machine")


def run(arguments: argparse.Namespace) -> int:
    """Wrong settings are reported by the first process alone; under torchrun every process would report them."""
    quiet_libraries()
    from jobs.training.config import load_train_config
    from model.data.rows import LoaderError
    from model.training.checkpoints import CheckpointError
    from model.training.guard import TrainingError
    from schemas.drops import StepError
    from schemas.settings import SettingsError

    is_first = os.environ.get("RANK", "0") == "0"
    if arguments.engine == "local" and (arguments.workers is not None or arguments.address):
        return fail("--workers and --address are of --engine ray", 2)
    try:
        config = load_train_config(arguments.config, arguments.set, arguments.output or "")
        return _work(arguments, config, is_first)
    except SettingsError as error:
        return fail(error, 2) if is_first else 2
    except (LoaderError, TrainingError, CheckpointError, StepError) as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"the storage failed: {error}. Checkpoints stay, the same command goes on after the last", 1)


def _work(arguments: argparse.Namespace, config: object, is_first: bool) -> int:
    from jobs.training.progress import measured
    from model.training.config import TrainConfig

    assert isinstance(config, TrainConfig)
    if arguments.dry_run:
        from jobs.training.run import dry_run

        for line in dry_run(config):
            print(line)
        return 0
    if arguments.engine == "ray":
        from jobs.training.ray import train_on_ray

        ended = train_on_ray(config, 1 if arguments.workers is None else arguments.workers, arguments.address)
    else:
        from jobs.training.run import run_training

        ended = run_training(config)
    if not is_first:
        return 0
    if ended.dropped:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in ended.dropped.items())
        print(f"dropped samples: {counts}")
    if not ended.finished:
        print(f"stopped at step {ended.step} of {config.steps} by {ended.stopped_by}; the same command goes on")
        return 0
    print(f"trained {ended.step} steps: {config.output}")
    if said := measured(ended.measured):
        print(said)
    print(f"try it: weft generate {shlex.quote(config.output)} --image PICTURE")
    return 0
