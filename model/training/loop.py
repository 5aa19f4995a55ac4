"""The training loop: read it top to bottom.

    for batches in loader:
        train_step(...)                  # the gradients of every dataset, one update
        measure, report, save            # as often as the settings say

`train(config)` is all there is to call: in one process, in each process that `torchrun` starts, or in each worker of
Ray Train.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from typing import Any

import msgspec
import torch

from model.data.batch import Batch
from model.data.workers import MakeWorkers
from model.training import checkpoints
from model.training.assembly import Run, assemble
from model.training.checkpoints import CheckpointError, Mark, read_settings
from model.training.config import TrainConfig, held_out_loader, prefix_of
from model.training.dropped import dropped_of
from model.training.guard import Guard, TrainingError
from model.training.held_out import accuracy, caption_documents, captions_of, held_out_batches, losses
from model.training.meter import Meter
from model.training.optimiser import schedule, set_rates
from model.training.parallel import join
from model.training.records import Records, log_folder
from model.training.saving import Saver
from model.training.signals import Stop, stop_by_signal
from model.training.step import counts, train_step
from schemas.settings import dump_settings

OnMetrics = Callable[[int, Mapping[str, float]], None]
OnMessage = Callable[[str], None]


class Ended(msgspec.Struct, frozen=True):
    """How a run ended: at which step, whether that was the last one, what was measured last, and how many samples were
    dropped since the first step, by reason."""

    step: int
    finished: bool
    stopped_by: str
    measured: dict[str, float]
    dropped: dict[str, int] = {}


def train(
    config: TrainConfig,
    on_metrics: OnMetrics = lambda step, values: None,
    on_message: OnMessage = print,
    make_workers: MakeWorkers | None = None,
    stop: Stop | None = None,
) -> Ended:
    """Train, or go on after the last checkpoint of `config.output`.

    `on_metrics` gets the step and what was measured, in the first process only; `on_message` gets sentences;
    `make_workers` as for `Loader`; `stop`, asked by others than signals, ends the run as these do. Raises
    `SettingsError`, `LoaderError`, `TrainingError`, `CheckpointError` and `OSError`.
    """
    with join(config.parallel) as processes, stop_by_signal(stop) as stop:
        if not processes.is_first:
            on_metrics, on_message = (lambda step, values: None), (lambda text: None)
        run = assemble(config, processes, make_workers, on_message)
        mark = _resume(run, on_message)
        records, known = _open_records(run, mark.step)
        for note in records.notes if records else ():
            on_message(note)
        publish = records.publish if records else lambda: None
        saver = Saver(config, run.parallel, run.optimiser, processes, publish)
        try:
            ended = _Loop(run, records, saver, stop, on_metrics, on_message, mark, known).go()
            publish()
            return ended
        except KeyboardInterrupt:  # by whoever does not want to wait
            raise
        except BaseException:
            saver.finish()
            with suppress(OSError):
                publish()
            raise
        finally:
            run.loader.close()
            saver.close()
            if records is not None:
                records.close()


class _Loop:
    """One run of the loop in one process."""

    def __init__(
        self,
        run: Run,
        records: Records | None,
        saver: Saver,
        stop: Stop,
        on_metrics: OnMetrics,
        on_message: OnMessage,
        mark: Mark,
        known: dict[str, float],
    ) -> None:
        """`known`: what was measured at the step where the run goes on."""
        self._run, self._records, self._saver, self._stop = run, records, saver, stop
        self._on_metrics, self._on_message = on_metrics, on_message
        self._config, self._processes = run.config, run.processes
        self._step = mark.step
        self._saved_step, self._saved_at = mark.step, time.monotonic()
        self._guard = Guard(run.config.guard, mark.norms)
        self._meter = Meter(run)
        self._held_out = _HeldOut(run)
        self._measured, self._measured_at = known, mark.step if known else -1

    def go(self) -> Ended:
        config, run = self._config, self._run
        if self._step == 0:
            self._measure()
        run.model.train()
        batches_of_steps = iter(run.loader)
        self._meter.start()
        with _profile(config) as profile:
            while self._step < config.steps:
                batches = next(batches_of_steps)
                self._meter.waited()
                wanted, stops, saves = self._agree(batches)
                set_rates(run.optimiser, schedule(self._step, config.steps, config.optimiser))
                outcome = train_step(
                    run.parallel,
                    run.optimiser,
                    batches,
                    wanted,
                    self._processes,
                    config.optimiser.clip_norm,
                    config.parallel.micro_rows,
                    self._guard.judge,
                )
                self._step += 1
                self._meter.add(batches, outcome)
                self._look_after(batches)
                if self._step % config.log.every_steps == 0 or self._step == config.steps:
                    self._tell()
                if self._is_due(config.held_out.every_steps) and self._step < config.steps:
                    self._measure()
                if self._saver.is_done:
                    self._see_saved(must=False)
                if saves or stops:
                    self._save(must=bool(stops))
                if stops:
                    return self._ended(self._stop.by or "another process")
                if profile is not None:
                    profile.step()
        self._measure()
        self._see_saved(must=False)
        if self._saved_step < self._step or not checkpoints.steps_saved(config.output):
            self._save(must=True)
        return self._ended()

    def _ended(self, stopped_by: str = "") -> Ended:
        return Ended(self._step, not stopped_by, stopped_by, self._measured, dropped_of(self._run.counted))

    def _agree(self, batches: Mapping[str, Batch]) -> tuple[torch.Tensor, bool, bool]:
        """Over all processes: N of each dataset, whether to stop after this step, whether to save after it."""
        mine = counts(batches, self._config.loss)
        every = self._config.checkpoint
        minutes = (time.monotonic() - self._saved_at) / 60
        is_time = self._processes.is_first and 0 < every.every_minutes <= minutes
        flags = torch.tensor([float(bool(self._stop.by)), float(is_time)], dtype=torch.float64)
        *wanted, stops, saves = self._processes.sum(torch.cat([mine, flags])).cpu().tolist()
        by_step = bool(every.every_steps) and (self._step + 1) % every.every_steps == 0
        return torch.tensor(wanted, dtype=torch.float64), stops > 0, saves > 0 or by_step

    def _look_after(self, batches: Mapping[str, Batch]) -> None:
        """Name the samples of a step that went wrong; raises `TrainingError` after too many."""
        if not self._guard.reason:
            return
        mine = {name: list(batch.keys) for name, batch in batches.items()}
        everywhere: dict[str, list[str]] = {}
        for of_process in self._processes.gather(mine)[:: self._processes.tensor]:
            for name, keys in of_process.items():
                everywhere.setdefault(name, []).extend(keys)
        self._log(lambda records: records.guard(self._step, self._guard.reason, everywhere))
        self._on_message(f"step {self._step}: {self._guard.reason}; its samples are in guard.jsonl")
        if self._guard.is_lost:
            some = ", ".join(f"{name} {keys[0]}" for name, keys in everywhere.items() if keys)
            raise TrainingError(
                f"{self._config.guard.max_skipped_in_a_row} steps in a row were left out, the last at step "
                f"{self._step} ({self._guard.reason}; its samples begin with {some}): lower optimiser.learning_rate, "
                "or look at these samples"
            )

    def _tell(self) -> None:
        values = self._meter.read(self._step)
        self._write(values)

    def _measure(self) -> None:
        """Held-out losses, gaps and captions, into the metrics: once a step, however often the run is started."""
        if self._measured_at == self._step:
            return
        with self._meter.paused():
            self._measured = self._held_out.measure()
        self._measured_at = self._step
        self._write(self._measured)

    def _write(self, values: dict[str, float]) -> None:
        self._log(lambda records: records.write(self._step, values))
        self._on_metrics(self._step, values)

    def _log(self, write: Callable[[Records], None]) -> None:
        """A log that cannot be written must not end a run of days."""
        try:
            if self._records is not None:
                write(self._records)
        except OSError as error:
            self._on_message(f"the metrics could not be written: {error}")

    def _save(self, must: bool) -> None:
        """A save that fails costs nothing but itself, unless it is the last chance."""
        self._saved_at = time.monotonic()
        with self._meter.paused():
            self._see_saved(must=False)
            self._saver.begin(self._step, self._run.loader.state_dict(), self._meter.counters(), self._guard.norms)
            if must or not self._config.checkpoint.asynchronous:
                self._see_saved(must)

    def _see_saved(self, must: bool) -> None:
        """Wait for the checkpoint that is being written, if there is one, and say what went wrong."""
        try:
            saved = self._saver.wait()
        except CheckpointError as error:
            if must:
                raise
            self._on_message(f"{error}; training goes on, the next save is tried when it is due")
            return
        self._saved_step = self._saved_step if saved is None else saved
        while self._saver.notes:
            self._on_message(self._saver.notes.pop())

    def _is_due(self, every: int) -> bool:
        return bool(every) and self._step % every == 0


class _HeldOut:
    """What is measured in between; its batches and documents are read once, at the first time."""

    def __init__(self, run: Run) -> None:
        self._run, self._settings = run, run.config.held_out
        self._loader = held_out_loader(run.config)
        self._batches: list[dict[str, Batch]] | None = None
        self._documents: dict[str, list[Any]] = {}

    def measure(self) -> dict[str, float]:
        """`held_out/NAME/loss`, `.../shuffled`, `.../gap`, and for captions `.../accuracy`, `.../accuracy_shuffled`;
        `trained_on/...` where nothing is held out."""
        run, prefix = self._run, prefix_of(self._run.config)
        if self._batches is None:
            steps, files = self._settings.batches, run.held_out_files
            self._batches = held_out_batches(self._loader, run.tokens, steps, run.processes, files)
        found = losses(run.parallel, self._batches, run.processes)
        values = {f"{prefix}{name}/{what}": value for name, of in found.items() for what, value in of.items()}
        # Where layers are shared out all processes generate together, else the first alone.
        if self._settings.captions and (run.parallel.is_sharded or run.processes.is_first):
            values |= self._captions()
        run.processes.wait()
        return values

    def _captions(self) -> dict[str, float]:
        run, prefix, values = self._run, prefix_of(self._run.config), {}
        for dataset, files in zip(self._loader.datasets, run.held_out_files, strict=True):
            if dataset.kind == "interleaved":
                continue
            if dataset.name not in self._documents:
                self._documents[dataset.name] = caption_documents(dataset, self._settings.captions, files)
            documents = self._documents[dataset.name]
            for shuffled in (False, True):
                said = captions_of(run.model, run.tokens, self._loader, documents, shuffled)
                name = f"{prefix}{dataset.name}/accuracy{'_shuffled' if shuffled else ''}"
                values[name] = accuracy(said)
        return values


def _resume(run: Run, on_message: OnMessage) -> Mark:
    """Load the last checkpoint, if there is one; its mark, or that of a run that begins."""
    saved = checkpoints.steps_saved(run.config.output)
    if not saved:
        return Mark(0, run.processes.world, {}, run.processes.tensor)
    mark, loader_states = checkpoints.restore(run.config.output, saved[-1], run.parallel, run.optimiser, run.processes)
    run.loader.load_state_dict(loader_states)
    run.counted.update(mark.counters)
    now = run.processes.world
    others = f", written by {mark.processes} processes and read by {now}" if mark.processes != now else ""
    if mark.step < run.config.steps:
        on_message(f"goes on after step {mark.step} of {run.config.steps}{others}")
    else:
        on_message(f"nothing is left to train: step {mark.step} is done, and steps={run.config.steps} was asked for")
    return mark


def _open_records(run: Run, step: int) -> tuple[Records | None, dict[str, float]]:
    """Of the first process, and what they say was measured at `step`, for all. The resolved settings are put beside the
    metrics."""
    records, known = None, dict[str, float]()
    if run.processes.is_first:
        output, resolved = run.config.output, msgspec.to_builtins(run.config, str_keys=True)
        went_before = bool(checkpoints.steps_saved(output))
        records = Records(output, run.config.log, step if went_before else -1, resolved)
        checkpoints.sweep(output)
        if went_before and run.had_settings() and read_settings(output).held_out == run.config.held_out:
            known = records.measured_at(step)
        run.write_settings(dump_settings(run.config))
    return records, run.processes.gather(known)[0]


def _profile(config: TrainConfig) -> Any:
    steps = config.log.profile_steps
    if not steps:
        return nullcontext(None)
    return torch.profiler.profile(
        schedule=torch.profiler.schedule(wait=9, warmup=1, active=steps, repeat=1),
        on_trace_ready=torch.profiler.tensorboard_trace_handler(str(log_folder(config.output, config.log) / "profile")),
    )
