"""Checkpoints: all that a run needs to go on as if nothing had happened, and the new weights for others to use.

    OUTPUT/checkpoints/step-00001000/
      .metadata  *.distcp        new weights and optimiser, by torch.distributed.checkpoint: for any number of processes
      process-00000.json         where each process's loader and random generators stand
      weights.safetensors        the new weights alone
      settings.yaml              the resolved settings of the run
      checkpoint.json            step, counters, number of processes; written last

A checkpoint is written aside and renamed when it is whole and on the disk. The frozen parts are not in it.
"""

import json
import os
import random
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

from model.training.checkpoint_reading import Planner, Reader
from model.training.config import CheckpointSettings
from model.training.parallel import ParallelModel, Processes
from schemas.settings import Settings, SettingsError, dump_settings

FOLDER = "checkpoints"
WEIGHTS = "weights.safetensors"
SETTINGS = "settings.yaml"
MARK = "checkpoint.json"
_NAME = "step-{:08d}"
_TRAINED = StateDictOptions(ignore_frozen_params=True)


class CheckpointError(Exception):
    """A checkpoint could not be written or read; the message says which and why."""


class Mark(msgspec.Struct, frozen=True):
    """`checkpoint.json`."""

    step: int
    processes: int
    counters: dict[str, float]  # tokens, images, seconds: what the run has added up


def steps_saved(output: str) -> list[int]:
    """The steps of whole checkpoints, ascending."""
    folder = Path(output) / FOLDER
    names = (path.parent.name for path in folder.glob(f"step-*/{MARK}"))
    return sorted(int(name.removeprefix("step-")) for name in names)


def folder_of(output: str, step: int) -> Path:
    return Path(output) / FOLDER / _NAME.format(step)


def save(
    output: str,
    step: int,
    parallel: ParallelModel,
    optimiser: torch.optim.Optimizer,
    loader_state: Mapping[str, Any],
    counters: Mapping[str, float],
    processes: Processes,
    settings: Settings,
) -> Path:
    """Write the checkpoint of `step`; all processes call it. Raises `CheckpointError` on each of them alike."""
    final = folder_of(output, step)
    aside = final.with_name(f".{final.name}.tmp")
    with _agreed(f"the checkpoint of step {step} could not be written", processes, aside):
        if processes.is_first:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
    weights: dict[str, Any] = get_model_state_dict(
        parallel.model, options=StateDictOptions(ignore_frozen_params=True, full_state_dict=True, cpu_offload=True)
    )
    with _agreed(f"the checkpoint of step {step} could not be written", processes, aside):
        with _alone_is_meant():
            save_distributed(_state(parallel, optimiser), checkpoint_id=aside, no_dist=processes.world == 1)
        own = {"loader": loader_state, "random": _random_state()}
        (aside / f"process-{processes.rank:05d}.json").write_text(json.dumps(own))
        if processes.is_first:
            # torch takes the second name of a tied frozen matrix for something trained.
            trained = parallel.model.trainable_parameters()
            save_file({name: weights[name].contiguous() for name in trained}, aside / WEIGHTS)
    with _agreed(f"the checkpoint of step {step} could not be written", processes, aside):
        if processes.is_first:
            mark = Mark(step, processes.world, dict(counters))
            (aside / SETTINGS).write_text(dump_settings(settings), "utf-8")
            (aside / MARK).write_bytes(msgspec.json.encode(mark))
            _sync_tree(aside)
            shutil.rmtree(final, ignore_errors=True)
            aside.rename(final)
            _sync(final.parent)
    return final


def restore(
    output: str, step: int, parallel: ParallelModel, optimiser: torch.optim.Optimizer, processes: Processes
) -> tuple[Mark, list[dict[str, Any]]]:
    """Load weights and optimiser, and the random generators where the number of processes is the same.

    Returns the mark and the loader states of all processes that wrote it. Raises `CheckpointError`.
    """
    folder = folder_of(output, step)
    try:
        mark = msgspec.json.decode((folder / MARK).read_bytes(), type=Mark)
        own = [json.loads((folder / f"process-{rank:05d}.json").read_text()) for rank in range(mark.processes)]
        state = _state(parallel, optimiser)
        with _alone_is_meant():
            load_distributed(state, storage_reader=Reader(folder), planner=Planner(), no_dist=processes.world == 1)
    except (OSError, ValueError, RuntimeError, UnpicklingError, CheckpointException) as error:
        raise CheckpointError(f"{folder} cannot be read: {_short(error)}") from error
    parallel.model.load_state_dict(state["model"], strict=False)
    set_optimizer_state_dict(parallel.model, optimiser, state["optimiser"], options=_TRAINED)
    if mark.processes == processes.world:
        _set_random_state(own[processes.rank]["random"])
    return mark, [one["loader"] for one in own]


def find_checkpoint(folder: str | Path) -> Path:
    """The checkpoint that `folder` is, or the last one of the run that lies there. Raises `SettingsError`."""
    place = Path(folder)
    if (place / MARK).exists():
        return place
    if saved := steps_saved(str(place)):
        return folder_of(str(place), saved[-1])
    raise SettingsError(f"no checkpoint in {folder}: name the output of a run, or one of its checkpoints")


def read_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The new weights. Raises `CheckpointError`."""
    try:
        return load_file(checkpoint / WEIGHTS)
    except Exception as error:  # the library raises errors of its own kind
        raise CheckpointError(f"{checkpoint / WEIGHTS} cannot be read: {error}") from None


def remove_old(output: str, settings: CheckpointSettings) -> None:
    """Remove checkpoints over `keep_latest`, but not those that stay for ever, and what a kill left of a save."""
    every = settings.keep_every_steps
    for step in steps_saved(output)[: -settings.keep_latest]:
        if not (every and step % every == 0):
            folder = folder_of(output, step)
            # Renamed first: half of a checkpoint must not look like one.
            gone = folder.with_name(f".{folder.name}.gone")
            folder.rename(gone)
            shutil.rmtree(gone)


def sweep(output: str) -> None:
    """Remove what killed saves left; only while no other process writes."""
    for left in (Path(output) / FOLDER).glob(".step-*"):
        shutil.rmtree(left, ignore_errors=True)


def _state(parallel: ParallelModel, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    return {
        "model": parallel.model.trainable_state_dict(),
        "optimiser": get_optimizer_state_dict(parallel.model, optimiser, options=_TRAINED),
    }


@contextmanager
def _agreed(what: str, processes: Processes, aside: Path) -> Iterator[None]:
    """Errors of storage on any process end the attempt on all of them."""
    failure = ""
    try:
        yield
    except (OSError, RuntimeError, CheckpointException) as error:
        failure = _short(error)
    failures = [text for text in processes.gather(failure) if text]
    if failures:
        if processes.is_first:
            shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(f"{what}: {failures[0]}")


@contextmanager
def _alone_is_meant() -> Iterator[None]:
    """torch warns of a single process, though it is asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield


def _short(error: BaseException) -> str:
    """One line; the writer of torch wraps the errors of each process."""
    if isinstance(error, CheckpointException) and error.failures:
        error = next(iter(error.failures.values()))[0]
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def _random_state() -> dict[str, Any]:
    state: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state().tolist()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state().tolist()
    return state


def _set_random_state(state: Mapping[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.tensor(state["cuda"], dtype=torch.uint8))


def _sync_tree(folder: Path) -> None:
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
