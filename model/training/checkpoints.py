"""Checkpoints: all that a run needs to go on as if nothing had happened, and the new weights for others to use.

    OUTPUT/checkpoints/step-00001000/
      .metadata  *.distcp        new weights and optimiser, by torch.distributed.checkpoint: for any number of processes
      process-00000.json         where each process's loader and random generators stand
      weights.safetensors        the new weights alone
      settings.yaml              the resolved settings of the run
      checkpoint.json            step, counters, number of processes; written last, without it nothing counts

The output is a folder or a URL. The frozen parts are not in it. Writing them: `saving.py`.
"""

import random
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any

import msgspec
import torch
from safetensors.torch import load, load_file
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed

from model.training.checkpoint_files import folder_store
from model.training.checkpoint_reading import Planner, Reader
from model.training.config import CheckpointSettings, TrainConfig
from model.training.parallel import ParallelModel, Processes
from schemas.settings import SettingsError, load_settings
from schemas.storage import Store

FOLDER = "checkpoints"
WEIGHTS = "weights.safetensors"
SETTINGS = "settings.yaml"
MARK = "checkpoint.json"
_NAME = "step-{:08d}"
_TRAINED = StateDictOptions(ignore_frozen_params=True)


class CheckpointError(Exception):
    """A checkpoint could not be written or read; the message says which and why."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """`checkpoint.json`."""

    step: int
    processes: Annotated[int, msgspec.Meta(ge=1)]
    counters: dict[str, float]  # tokens, images, seconds: what the run has added up
    tensor: Annotated[int, msgspec.Meta(ge=1)] = 1  # so many of them read the same rows
    norms: tuple[float, ...] = ()  # of the gradients of the last steps, by which the guard judges the next


class _OwnState(msgspec.Struct, frozen=True):
    """`process-00000.json`."""

    loader: dict[str, Any]
    random: dict[str, Any]


def steps_saved(output: str | Path) -> list[int]:
    """The steps of whole checkpoints, ascending."""
    store = folder_store(output)
    names = [name for name in store.list(FOLDER) if re.fullmatch(r"step-\d+", name)]
    return sorted(int(name.removeprefix("step-")) for name in names if store.exists(f"{FOLDER}/{name}/{MARK}"))


def folder_of(output: str | Path, step: int) -> str:
    return f"{str(output).rstrip('/')}/{FOLDER}/{_NAME.format(step)}"


def restore(
    output: str, step: int, parallel: ParallelModel, optimiser: torch.optim.Optimizer, processes: Processes
) -> tuple[Mark, list[dict[str, Any]]]:
    """Load weights and optimiser, and the random generators where the number of processes is the same.

    Returns the mark and the loader states of all that read rows of their own. Raises `CheckpointError`.
    """
    folder = folder_of(output, step)
    try:
        store = folder_store(folder)
        mark = msgspec.json.decode(store.read(MARK), type=Mark)
        own = [_own_state(store, rank) for rank in range(mark.processes)]
        state: dict[str, Any] = {
            "model": parallel.model.trainable_state_dict(),
            "optimiser": get_optimizer_state_dict(parallel.model, optimiser, options=_TRAINED),
        }
        reader = Reader(folder)
        reader.read_metadata()  # torch would tell with traces that it cannot
        with _alone_is_meant():
            load_distributed(state, storage_reader=reader, planner=Planner(), no_dist=processes.world == 1)
    except (OSError, EOFError, ValueError, RuntimeError, UnpicklingError, CheckpointException) as error:
        raise CheckpointError(f"{folder} cannot be read: {short(error)}{_instead(output, step)}") from error
    parallel.model.load_state_dict(state["model"], strict=False)
    set_optimizer_state_dict(parallel.model, optimiser, state["optimiser"], options=_TRAINED)
    if (mark.processes, mark.tensor) == (processes.world, processes.tensor):
        try:
            _set_random_state(own[processes.rank].random)
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{folder} cannot be read: its random generators: {short(error)}") from error
    return mark, [one.loader for one in own[:: mark.tensor]]


def _instead(output: str, step: int) -> str:
    """What can be done about a checkpoint that cannot be read."""
    with suppress(OSError):
        if earlier := [saved for saved in steps_saved(output) if saved < step]:
            return f". Where that folder is removed, the run goes on after step {earlier[-1]}"
    return ""


def _own_state(store: Store, rank: int) -> _OwnState:
    name = f"process-{rank:05d}.json"
    try:
        return msgspec.json.decode(store.read(name), type=_OwnState)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{name}: {error}") from None


def read_settings(checkpoint: str | Path) -> TrainConfig:
    """The settings of a run or of one of its checkpoints. Raises `SettingsError` naming the file, and `OSError`."""
    try:
        return load_settings(TrainConfig, folder_store(checkpoint).read(SETTINGS).decode())
    except (SettingsError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{str(checkpoint).rstrip('/')}/{SETTINGS} is none of this weft, or damaged: {error}"
        ) from None


def find_checkpoint(folder: str | Path) -> str:
    """The checkpoint that `folder` is, or the last one of the run that lies there: a path or a URL.

    Raises `SettingsError`.
    """
    try:
        if folder_store(folder).exists(MARK):
            return str(folder)
        if saved := steps_saved(folder):
            return folder_of(folder, saved[-1])
    except OSError as error:
        raise SettingsError(f"no checkpoint in {folder}: {error}") from None
    raise SettingsError(f"no checkpoint in {folder}: name the output of a run, or one of its checkpoints")


def read_weights(checkpoint: str) -> dict[str, torch.Tensor]:
    """The new weights. Raises `CheckpointError`."""
    try:
        store = folder_store(checkpoint)
        return load_file(store.path(WEIGHTS)) if store.is_local else load(store.read(WEIGHTS))
    except Exception as error:  # the library raises errors of its own kind
        raise CheckpointError(f"{checkpoint}/{WEIGHTS} cannot be read: {error}") from None


def remove_old(output: str, settings: CheckpointSettings) -> None:
    """Remove checkpoints over `keep_latest`, but not those that stay for ever."""
    every = settings.keep_every_steps
    for step in steps_saved(output)[: -settings.keep_latest]:
        if not (every and step % every == 0):
            remove(folder_store(folder_of(output, step)))


def remove(folder: Store) -> None:
    """A checkpoint, or what was written of one: first what makes it count, for half of one must not look whole."""
    if folder.is_local:
        gone = Path(folder.root).with_name(f".{Path(folder.root).name}.gone")
        Path(folder.root).rename(gone)
        shutil.rmtree(gone)
    else:
        folder.remove(MARK)
        folder.remove_all(folder.list(""))
        folder.remove_folder("")


def sweep(output: str) -> None:
    """Remove what killed saves left; only while no other process writes."""
    store = folder_store(output)
    for name in store.list(FOLDER):
        if store.is_local and name.startswith(".step-"):
            shutil.rmtree(store.path(f"{FOLDER}/{name}"), ignore_errors=True)
        elif not store.is_local and not store.exists(f"{FOLDER}/{name}/{MARK}"):
            remove(folder_store(f"{output.rstrip('/')}/{FOLDER}/{name}"))


@contextmanager
def _alone_is_meant() -> Iterator[None]:
    """torch warns of a single process, though it is asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield


def short(error: BaseException) -> str:
    """One line; the writer of torch wraps the errors of each process."""
    if isinstance(error, CheckpointException) and error.failures:
        error = next(iter(error.failures.values()))[0]
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def _set_random_state(state: Mapping[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.tensor(state["cuda"], dtype=torch.uint8))
