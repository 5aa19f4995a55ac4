"""Phases are run one after the other; of each only what is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from jobs.engine.engine import Engine, Failure
from jobs.engine.progress import progress
from jobs.phases.plan import Plan
from jobs.phases.recipe import Recipe
from jobs.phases.scoring import EMBEDDINGS, Hosts, compares_embeddings, model_pool
from jobs.phases.slices import make_slices
from jobs.phases.task import Memory, Phase, Run, run_task
from schemas.commits import Commit, committed, read_commit, roll_forward
from schemas.storage import Store


class BuildError(Exception):
    """Partitions failed in every attempt; what they had to do is left for a rerun."""


class Phases:
    """The phases of a build. Each is begun when those before it are complete; `commits` has the outcome of each."""

    def __init__(self, engine: Engine, store: Store, plan: Plan, recipe: Recipe) -> None:
        self._engine, self.store, self.plan, self.recipe = engine, store, plan, recipe
        self._run = Run.new(store.url)
        self._memory = Memory(self._run)
        self.commits: dict[str, list[Commit]] = {}

    def run(self, phase: Phase, *arguments: Any) -> list[Commit]:
        """Run what is missing of a phase; returns the commits of all its tasks, in order. Raises `BuildError`."""
        work = partial(run_task, phase, self._run, arguments)
        size = phase.size(self._memory)
        done = committed(self.store, phase.name)
        roll_forward(self.store, (read_commit(self.store, phase.name, index) for index in done))
        missing = sorted(set(range(size)) - set(done))
        failures: list[Failure] = []
        with progress(phase.name, size, len(done)) as bar:
            for outcome in self._engine.run(phase.name, work, missing):
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                    self._engine.metrics.failed(phase.name)
                else:
                    bar.advance(outcome.counts)
                    self._engine.metrics.done(phase.name, outcome.counts)
        if failures:
            first = failures[0]
            raise BuildError(
                f"{len(failures)} of {size} partitions of phase {phase.name} failed, first {first.partition}: "
                f"{first.error}. All else is committed: the same command tries them again."
            )
        self.commits[phase.name] = [read_commit(self.store, phase.name, index) for index in range(size)]
        return self.commits[phase.name]

    def cut_slices(self) -> None:
        """Decide on the slices, when the first phase is complete; cut again in the same places they are the same."""
        make_slices(self.store, self.plan)

    @contextmanager
    def models(self) -> Iterator[Hosts]:
        """What a phase that scores is run with; evaluation images are embedded first."""
        with model_pool(self._engine, self.recipe) as hosts:
            if self.plan.references and compares_embeddings(self.plan.config.scorers):
                self.run(EMBEDDINGS, hosts)
            yield hosts
