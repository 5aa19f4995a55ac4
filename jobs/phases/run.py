"""Phases are run one after the other; of each only what is missing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from jobs.engine.engine import Engine, Failure
from jobs.engine.progress import progress
from jobs.phases.merge import merged_names, merging, plan_merge
from jobs.phases.plan import Plan
from jobs.phases.recipe import Recipe
from jobs.phases.scoring import EMBEDDINGS, Hosts, compares_embeddings, model_pool
from jobs.phases.slices import make_slices
from jobs.phases.task import ROWS, Memory, Merged, Phase, Run, files_of_phase, run_task
from schemas.commits import Commit, read_done, write_summary
from schemas.storage import Store


class BuildError(Exception):
    """Partitions failed in every attempt; what they had to do is left for a rerun."""


class Phases:
    """The phases of a build. Each is begun when those before it are complete; `commits` has the outcome of each."""

    def __init__(self, engine: Engine, store: Store, plan: Plan, recipe: Recipe) -> None:
        self.engine, self.store, self.plan, self.recipe = engine, store, plan, recipe
        self.fetchers = 0  # workers that fetch media, each with a bucket of what it is asked for
        self._run = Run.new(store.url)
        self._memory = Memory(self._run)
        self._merged: dict[str, Merged] = {}
        self._has_slices = False
        self.commits: dict[str, list[Commit]] = {}

    def run(self, phase: Phase, *arguments: Any) -> list[Commit]:
        """Run what is missing of a phase; returns the commits of all its tasks, in order. Raises `BuildError`."""
        commits, is_new = self._complete(phase, phase.size(self._memory), arguments)
        if is_new:
            write_summary(self.store, phase.name, commits)
        self._merge(phase, commits)
        return self._keep(phase, commits)

    def _complete(self, phase: Phase, size: int, arguments: Sequence[Any]) -> tuple[list[Commit], bool]:
        """The commits of all tasks, and whether any was done just now. Raises `BuildError`."""
        done = read_done(self.store, phase.name)
        missing = [index for index in range(size) if index not in done]
        work = partial(run_task, phase, self._run, arguments, merged=dict(self._merged))
        failures: list[Failure] = []
        with progress(phase.name, size, len(done)) as bar:
            for outcome in self.engine.run(phase.name, work, missing):
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                    self.engine.metrics.failed(phase.name)
                else:
                    done[outcome.partition] = outcome
                    bar.advance(outcome.counts)
                    self.engine.metrics.done(phase.name, outcome.counts)
        if failures:
            first = failures[0]
            raise BuildError(
                f"{len(failures)} of {size} partitions of phase {phase.name} failed, first {first.partition}: "
                f"{first.error}. All else is committed: the same command tries them again."
            )
        return [done[index] for index in range(size)], bool(missing)

    def _merge(self, phase: Phase, commits: Sequence[Commit]) -> None:
        """Merge the files of a phase that has many tasks; what was merged is removed, and nobody reads it again."""
        slices = len(self._memory.slices) if self._has_slices else 0
        partitions = self.plan.partitions * (2 if "clips" in self.plan.config.kinds else 1)  # `located_as`
        buckets = max(partitions, self.plan.buckets, slices, self.fetchers)
        merged = plan_merge(phase.name, commits, buckets)
        if merged is None:
            return
        names = merged_names(commits)
        merger = merging(merged)
        done, is_new = self._complete(merger, merged.groups * merged.ranges, (merged, len(commits), names))
        if is_new:
            if not self.plan.config.keep_work:
                files = (file.name for commit in commits for file in commit.files)
                self.store.remove_all([name for name in files if name.endswith(ROWS)])
            write_summary(self.store, merger.name, done)
        self._merged[phase.name] = merged
        self._keep(merger, done)

    def _keep(self, phase: Phase, commits: Sequence[Commit]) -> list[Commit]:
        """What is asked for later: not the names of files, of which there may be millions."""
        self.commits[phase.name] = [msgspec.structs.replace(commit, files=[]) for commit in commits]
        return self.commits[phase.name]

    def files(self, phase: Phase, name: str, bucket: int) -> list[str]:
        """Where the rows of a bucket lie that the tasks of a phase have written under `name`."""
        return files_of_phase(phase, name, bucket, self._memory, self._merged)

    def cut_slices(self) -> None:
        """Decide on the slices, when the first phase is complete; cut again in the same places they are the same."""
        make_slices(self.store, self.plan)
        self._has_slices = True

    @contextmanager
    def models(self) -> Iterator[Hosts]:
        """What a phase that scores is run with; evaluation images are embedded first."""
        with model_pool(self.engine, self.recipe) as hosts:
            if self.plan.references and compares_embeddings(self.plan.config.scorers):
                self.run(EMBEDDINGS, hosts)
            yield hosts
