"""Phases are run one after the other; of each only what is missing."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import msgspec

from jobs.engine.build_progress import BuildProgress
from jobs.engine.engine import Engine, Failure
from jobs.phases.behind import Behind
from jobs.phases.merge import merged_names, merging, plan_merge
from jobs.phases.plan import CONFIG, PLAN, Plan
from jobs.phases.recipe import Recipe
from jobs.phases.scoring import EMBEDDINGS, Hosts, compares_embeddings, model_pool
from jobs.phases.slices import make_slices
from jobs.phases.task import ROWS, SIZES, Memory, Merged, Phase, Run, file_of, files_of_phase, run_task
from schemas.builds import CAPTURED
from schemas.commits import Commit, Done, read_done, sweep, write_summary
from schemas.storage import Store

#: Rows that no task reads any more: their names, by the phase that wrote them.
Spent = Mapping[Phase, Sequence[str]]
_NOTHING: Spent = {}
_OF_PLAN = {posixpath.basename(PLAN), posixpath.basename(CONFIG)}
_FOLDERS_OF_KIND = ("", "/shards", "/commit", "/keys", "/superseded", "/.nv-meta")
#: What never asks a server of the web for anything, and so may be done twice at the same time.
_OF_STORE_ALONE = ("inputs", "robots_tasks", "buckets", "merged")


class BuildError(Exception):
    """Partitions failed in every attempt; what they had to do is left for a rerun."""


class Phases:
    """The phases of a build. Each is begun when those before it are complete; `commits` has the outcome of each.

    A context manager: at the end of the block all is written, and nothing is left of attempts that never committed.
    """

    def __init__(
        self, engine: Engine, store: Store, plan: Plan, recipe: Recipe, shown: BuildProgress | None = None
    ) -> None:
        """`shown`: where it is told how far they are; without one, in lines of its own."""
        self.engine, self.store, self.plan, self.recipe = engine, store, plan, recipe
        self.shown = shown or BuildProgress()
        self.fetchers = 0  # workers that fetch media, each with a bucket of what it is asked for
        self._run = Run.new(store.url)
        self._memory = Memory(self._run)
        self._memory.plan = plan
        self._begun = set(store.list("work")) - _OF_PLAN  # phases by an earlier run, and what it may have left
        self._is_resumed = bool(self._begun)
        self._worked_on: list[str] = []  # phases that were not closed
        self._left: list[str] = []  # files of attempts at those that were
        self._behind = Behind(store)
        self._merged: dict[str, Merged] = {}
        self._has_slices = False
        self.commits: dict[str, list[Commit]] = {}

    def run(self, phase: Phase, *arguments: Any, spent: Spent = _NOTHING) -> list[Commit]:
        """Run what is missing of a phase; returns the commits of all its tasks, in order. Raises `BuildError`.

        When it is complete, nobody reads what is `spent`: it is removed, unless the settings keep it.
        """
        if phase.name in self.commits:
            return self.commits[phase.name]
        commits, is_closed = self._complete(phase, phase.size(self._memory), arguments)
        if not is_closed:
            self._close(phase, commits, self._names_of(spent))
        self._merge(phase, commits)
        return self._keep(phase, commits)

    def _complete(self, phase: Phase, size: int, arguments: Sequence[Any]) -> tuple[list[Commit], bool]:
        """The commits of all tasks, and whether an earlier run has closed the phase. Raises `BuildError`."""
        found = read_done(self.store, phase.name) if phase.name in self._begun else Done({})
        done = found.commits
        if found.is_closed:
            self._left += found.left
        else:
            self._worked_on.append(phase.name)
        missing = [index for index in range(size) if index not in done]
        work = partial(run_task, phase, self._run, arguments, merged=dict(self._merged))
        may_repeat = phase.over in _OF_STORE_ALONE or self.plan.config.lists.downloader == "weft"
        failures: list[Failure] = []
        with self.shown.phase(phase.name, size, done, self._weights(phase)) as shown:
            for outcome in self.engine.run(phase.name, work, missing, may_repeat, shown.reach):
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                    self.engine.metrics.failed(phase.name)
                else:
                    done[outcome.partition] = outcome
                    shown.advance(outcome.partition, outcome.counts)
                    self.engine.metrics.done(phase.name, outcome.counts)
        if failures:
            first = failures[0]
            raise BuildError(
                f"{len(failures)} of {size} partitions of phase {phase.name} failed, first {first.partition}: "
                f"{first.error}. All else is committed: the same command tries them again."
            )
        return [done[index] for index in range(size)], found.is_closed

    def _weights(self, phase: Phase) -> list[int]:
        """Bytes by task, where that is known."""
        if phase.over != "inputs" or self.plan.source == "lists":
            return []
        inputs = self.plan.inputs
        return [sum(inputs[n].size for n in self.plan.inputs_of(task)) for task in range(self.plan.input_tasks)]

    def _merge(self, phase: Phase, commits: Sequence[Commit]) -> None:
        """Merge the files of a phase that has many tasks; what was merged is removed, and nobody reads it again."""
        slices = len(self._memory.slices) if self._has_slices else 0
        merged = plan_merge(phase.name, commits, max(self.plan.most_buckets, slices, self.fetchers))
        if merged is None:
            return
        merger = merging(merged)
        arguments = (merged, len(commits), merged_names(commits))
        done, is_closed = self._complete(merger, merged.groups * merged.ranges, arguments)
        if not is_closed:
            files = (file.name for commit in commits for file in commit.files)
            self._close(merger, done, [name for name in files if name.endswith((ROWS, f".{SIZES}"))])
        self._merged[phase.name] = merged
        self._keep(merger, done)

    def _close(self, phase: Phase, commits: Sequence[Commit], spent: Sequence[str]) -> None:
        """Nobody waits for it. Killed in the middle, a rerun does it again: the summary comes last."""

        def close() -> None:
            if not self.plan.config.keep_work:
                self.store.remove_all(spent)
            write_summary(self.store, phase.name, commits)

        self._behind.do(close)

    def _names_of(self, spent: Spent) -> list[str]:
        """The files in which these rows lie. A build that adds to a dataset reads all of them to its end, and one that
        fetches once more when what failed is asked for again."""
        media, found = self.plan.config.media, list[str]()
        if self.plan.onto is not None or media.from_web or media.from_build:
            return found
        for phase, names in spent.items():
            merged = self._merged.get(phase.name)
            folder = merged.name if merged else phase.name
            tasks = range(len(self.commits.get(folder, ())))
            found += [file_of(folder, index, f"{name}{ROWS}") for index in tasks for name in names]
        return found

    def _keep(self, phase: Phase, commits: Sequence[Commit]) -> list[Commit]:
        """What is asked for later: not the names of files, of which there may be millions."""
        self.commits[phase.name] = [msgspec.structs.replace(commit, files=[]) for commit in commits]
        return self.commits[phase.name]

    def files(self, phase: Phase, name: str, bucket: int) -> list[str]:
        """Where the rows of a bucket lie that the tasks of a phase have written under `name`."""
        return files_of_phase(phase, name, bucket, self._memory, self._merged)

    def cut_slices(self) -> None:
        """Decide on the slices, when the first phase is complete; cut again in the same places they are the same."""
        if not self._has_slices:
            self._memory.slices = make_slices(self.store, self.plan, self._merged.get(self.plan.first_phase))
            self._has_slices = True

    @contextmanager
    def models(self) -> Iterator[Hosts]:
        """What a phase that scores is run with; evaluation images are embedded first."""
        with model_pool(self.engine, self.recipe) as hosts:
            if self.plan.references and compares_embeddings(self.plan.config.scorers):
                self.run(EMBEDDINGS, hosts)
            yield hosts

    def _sweep(self) -> None:
        """Remove what attempts have left that were killed; where none can have been, nothing is looked for."""
        if self._is_resumed or self.engine.has_lost_attempts:
            kinds = self.plan.config.kinds
            folders = [f"{kind}{folder}" for kind in kinds for folder in _FOLDERS_OF_KIND]
            of_work = ["work", *(f"work/{name}" for name in self._worked_on)]
            sweep(self.store, ["", "drops", "inputs", CAPTURED, *of_work, *folders])
            self.store.remove_all(self._left)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with self._behind:
            if failure is None:
                self._behind.wait()
                self._sweep()
