"""Writing checkpoints: a thread copies the state while the next gradients are computed, and writes the copy while
training goes on. Only an update of the weights waits, until the copy is there.

On a file system a checkpoint is written aside and renamed when it is whole and on the disk. On an object store it is
written where it belongs, and counts when `checkpoint.json` is there, which is written last.
"""

import json
import os
import random
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

from model.training import checkpoints
from model.training.checkpoint_files import Writer, folder_store, write_tensors
from model.training.checkpoints import MARK, SETTINGS, WEIGHTS, CheckpointError, Mark, short
from model.training.config import TrainConfig
from model.training.parallel import ParallelModel, Processes
from model.training.placing import rows_of_share
from model.training.staging import Staging
from schemas.drops import CODE_ERRORS
from schemas.settings import dump_settings
from schemas.storage import Store

THREAD = "checkpoint"
_OF_ADAMW = 3  # the weight, and two moments of its gradient


class Saver:
    """Saves one checkpoint at a time; all processes call the same methods at the same steps.

    `before_mark` is called in the first process before a checkpoint begins to count.
    """

    def __init__(
        self,
        config: TrainConfig,
        parallel: ParallelModel,
        optimiser: torch.optim.Optimizer,
        processes: Processes,
        before_mark: Callable[[], None] = lambda: None,
    ) -> None:
        self._config, self._parallel, self._optimiser = config, parallel, optimiser
        # What the thread agrees on must not mix with what the steps agree on.
        self._processes = processes.apart()
        self._before_mark = before_mark
        self._mine = parallel.is_sharded or processes.is_first
        self._staging = Staging(processes.device) if config.checkpoint.asynchronous else None
        if self._staging is not None and self._mine:
            self._staging.prepare(parallel.model.trainable_parameters().values(), _OF_ADAMW)
        self._thread: threading.Thread | None = None
        self._is_copied = threading.Event()
        self._is_copied.set()
        optimiser.register_step_pre_hook(lambda *_: self.wait_for_copy())
        self._step, self._failure = 0, ""
        self.notes: list[str] = []  # what could not be done, and costs nothing

    @property
    def is_done(self) -> bool:
        """Whether there is an outcome to be asked for by `wait`."""
        return self._thread is not None and not self._thread.is_alive()

    def begin(
        self,
        step: int,
        loader_state: Mapping[str, Any],
        counters: Mapping[str, float],
        norms: tuple[float, ...] = (),
    ) -> None:
        """Copy the state, and write the copy from now on. Call `wait` first. An update by the optimiser waits for the
        copy; whatever else changes weights has to call `wait_for_copy`."""
        assert self._thread is None
        # With several processes and all of the model in each, the first writes it for all.
        state = state_of(self._parallel, self._optimiser) if self._mine else {}
        copied = self._staging.copying(state) if self._staging is not None else lambda: state
        own = json.dumps({"loader": loader_state, "random": random_state()})
        mark = Mark(step, self._processes.world, dict(counters), self._processes.tensor, norms)
        # torch warns of a single process, though it is asked for.
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        self._step, self._failure = step, ""
        self._is_copied.clear()
        self._thread = threading.Thread(target=self._run, args=(copied, own, mark), name=THREAD, daemon=True)
        self._thread.start()

    def wait_for_copy(self) -> None:
        """Weights and optimiser may be changed when this returns."""
        self._is_copied.wait()

    def wait(self) -> int | None:
        """The step whose checkpoint has been written since; None if none was begun.

        Raises `CheckpointError` on each process alike.
        """
        if self._thread is None:
            return None
        self._thread.join()
        self._thread = None
        if self._failure:
            raise CheckpointError(self._failure)
        return self._step

    def finish(self) -> None:
        """Wait for what is being written, whatever becomes of it."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """No checkpoint is begun any more."""
        if self._staging is not None:
            self._staging.close()

    def _run(self, copied: Callable[[], dict[str, Any]], own: str, mark: Mark) -> None:
        try:
            with self._agreed():
                try:
                    state = copied()
                finally:
                    self._is_copied.set()
            self._write(state, own, mark)
        except CheckpointError as error:
            self._failure = str(error)
        except BaseException as error:  # nobody else would see it
            self._failure = f"the checkpoint of step {mark.step} could not be written: {short(error)}"

    def _write(self, state: dict[str, Any], own: str, mark: Mark) -> None:
        output, processes = self._config.output, self._processes
        with self._agreed():
            place = _Place(output, mark.step)
            if processes.is_first:
                place.clear()
        with self._agreed():
            alone = processes.world == 1
            save_distributed(state, storage_writer=Writer(place.store), process_group=processes.group, no_dist=alone)
            place.store.put(f"process-{processes.rank:05d}.json", own.encode())
        with self._agreed():
            trained = state.get("model", {})
            if processes.is_first:
                write_tensors(place.store, WEIGHTS, gathered(trained, processes), trained)
            else:
                for _ in gathered(trained, processes):
                    pass
        with self._agreed():
            if processes.is_first:
                place.store.put(SETTINGS, dump_settings(self._config).encode())
                self._before_mark()
                place.commit(msgspec.json.encode(mark))
        if processes.is_first:
            try:
                checkpoints.remove_old(output, self._config.checkpoint)
            except OSError as error:
                self.notes.append(f"older checkpoints could not be removed: {error}")

    @contextmanager
    def _agreed(self) -> Iterator[None]:
        """Errors of storage or memory on any process end the attempt on all of them."""
        failure = ""
        try:
            yield
        except CODE_ERRORS:
            raise
        except Exception as error:  # clients of object stores have errors of their own
            failure = short(error)
        failures = [text for text in self._processes.gather(failure) if text]
        if failures:
            if self._processes.is_first:
                _Place(self._config.output, self._step).clear(quiet=True)
            raise CheckpointError(f"the checkpoint of step {self._step} could not be written: {failures[0]}")


class _Place:
    """Where a checkpoint is written, until it counts."""

    def __init__(self, output: str, step: int) -> None:
        self._final = folder_store(checkpoints.folder_of(output, step))
        self.store = self._final
        if self._final.is_local:
            parent, name = os.path.split(self._final.root)
            self.store = Store(os.path.join(parent, f".{name}.tmp"))

    def clear(self, quiet: bool = False) -> None:
        """Remove what is there. `quiet`: as far as it can be."""
        if self._final.is_local:
            shutil.rmtree(self.store.root, ignore_errors=True)
            if not quiet:
                os.makedirs(self.store.root)
            return
        try:
            checkpoints.remove(self._final)
        except OSError:
            if not quiet:
                raise

    def commit(self, mark: bytes) -> None:
        self.store.put(MARK, mark)
        if not self._final.is_local:
            return
        for name in self.store.list(""):
            _sync(self.store.path(name))
        _sync(self.store.root)
        shutil.rmtree(self._final.root, ignore_errors=True)
        os.rename(self.store.root, self._final.root)
        _sync(os.path.dirname(self._final.root))


def state_of(parallel: ParallelModel, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """New weights and optimiser, as they lie on this process."""
    options = StateDictOptions(ignore_frozen_params=True)
    return {
        "model": parallel.model.trainable_state_dict(),
        "optimiser": get_optimizer_state_dict(parallel.model, optimiser, options=options),
    }


def gathered(tensors: Mapping[str, Any], processes: Processes) -> Iterator[torch.Tensor]:
    """Each tensor whole, one after the other, on the first process; the others send their rows of it."""
    for tensor in tensors.values():
        if not hasattr(tensor, "to_local"):
            yield tensor
            continue
        local = tensor.to_local().cpu()
        if processes.world == 1:
            yield local
        elif not processes.is_first:
            if len(local):
                dist.send(local.contiguous(), 0, group=processes.group)
        else:
            whole = torch.empty(tensor.shape, dtype=tensor.dtype)
            whole[: len(local)] = local
            for rank in range(1, processes.world):
                part = whole[rows_of_share(len(whole), rank, processes.world)]
                if len(part):
                    dist.recv(part, rank, group=processes.group)
            yield whole


def random_state() -> dict[str, Any]:
    state: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state().tolist()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state().tolist()
    return state


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
