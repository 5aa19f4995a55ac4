"""`weft evaluate`."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from jobs.cli import fail
from jobs.training.libraries import quiet_libraries

if TYPE_CHECKING:
    from model.evaluation.harness import Score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a YAML file of tasks")
    parser.add_argument("checkpoint", help="the output of weft train, or one of its checkpoints")
    parser.add_argument("-o", "--output", metavar="JSON", help="write every score and answer there")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON, not as a table")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, such as shots=[0,4]"
    )


def run(arguments: argparse.Namespace) -> int:
    quiet_libraries()
    from model.data.rows import LoaderError
    from model.training.checkpoints import CheckpointError
    from schemas.settings import SettingsError

    is_first = os.environ.get("RANK", "0") == "0"  # torchrun may have started several
    try:
        if arguments.output and is_first:  # not first found out when all has been asked
            _check_output(arguments.output)
        report = _evaluate(arguments, is_first)
        return _tell(arguments, report) if is_first else 0
    except SettingsError as error:
        return fail(error, 2) if is_first else 2
    except (CheckpointError, LoaderError, OSError) as error:
        return fail(error, 1) if is_first else 1


def _check_output(path: str) -> None:
    """Raises `SettingsError`, and `OSError`."""
    from pathlib import Path

    from schemas.settings import SettingsError

    if Path(path).is_dir():
        raise SettingsError(f"--output {path} is a folder: name a file in it")
    Path(path).parent.mkdir(parents=True, exist_ok=True)


def _evaluate(arguments: argparse.Namespace, is_first: bool) -> dict[str, Any]:
    from jobs.settings_files import load_file
    from model.evaluation.config import EvaluateConfig
    from model.evaluation.harness import evaluate
    from model.evaluation.loaded import load_model
    from model.evaluation.spread import join_for

    config = load_file(EvaluateConfig, arguments.config, arguments.set, {})
    with join_for(config.device) as (processes, device):
        over = processes if config.strategy == "fsdp" else None
        loaded = load_model(arguments.checkpoint, device, config.features, over)
        scores: list[Score] = []
        for found in evaluate(loaded, config, _on_progress if is_first else lambda *args: None, processes):
            scores.append(found)
            if is_first:
                for line in _left_out(found, scores):
                    print(line, file=sys.stderr)
                if found.with_fewer:
                    few = f"{found.with_fewer:,} of {found.queries:,} queries had fewer examples: there are no more"
                    print(f"{found.task}, {found.shots} shots: {few}", file=sys.stderr)
                line = f"{found.task}, {found.shots} shots: {found.metric} {found.score:.3f}"
                print(line, file=sys.stderr, flush=True)
    return {"checkpoint": loaded.checkpoint, "examples": config.examples, "scores": scores}


def _tell(arguments: argparse.Namespace, report: dict[str, Any]) -> int:
    from pathlib import Path

    import msgspec

    scores: list[Score] = report["scores"]
    if arguments.output:
        Path(arguments.output).parent.mkdir(parents=True, exist_ok=True)
        Path(arguments.output).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    if arguments.json:
        short = [{**msgspec.to_builtins(found), "answers": None} for found in scores]
        for one in short:
            del one["answers"]
        print(msgspec.json.format(msgspec.json.encode({**report, "scores": short}), indent=1).decode())
    else:
        _print(scores)
    return 0


def _on_progress(task: str, shots: int, done: int, total: int) -> None:
    if sys.stderr.isatty():
        ending = "\r" if done < total else "\r\033[K"
        print(f"{task}, {shots} shots: {done}/{total}", end=ending, file=sys.stderr, flush=True)


def _left_out(found: "Score", scores: "list[Score]") -> list[str]:
    """What of a task could not be used and why, said once: with its last number of shots it may be more."""
    if any(other is not found and other.task == found.task and other.dropped == found.dropped for other in scores):
        return []
    return [
        f"{found.task}: left out of its {what}: {reason} {count:,}"
        for what, reasons in found.dropped.items()
        for reason, count in reasons.items()
    ]


def _print(scores: "list[Score]") -> None:
    """A row for each task, a column for each number of shots."""
    from rich.table import Table

    from jobs.terminal import Terminal

    shots = list(dict.fromkeys(found.shots for found in scores))
    table = Table("task", "metric", "queries", *(f"{count} shots" for count in shots), box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for task in dict.fromkeys(found.task for found in scores):
        row = {found.shots: found for found in scores if found.task == task}
        first = next(iter(row.values()))
        cells = (f"{row[count].score:.3f} ± {row[count].error:.3f}" if count in row else "" for count in shots)
        table.add_row(task, first.metric, f"{first.queries:,}", *cells)
    Terminal().print(table)
