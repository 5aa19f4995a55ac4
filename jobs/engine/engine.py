"""Opens the engine that runs a job: in this process, or on Ray. Who uses it does not ask which it is.

An engine runs a function over partitions. The function commits its own outcome (see `schemas.commits`), so the engine
only has to call it until it succeeds or has failed too often; nothing is lost or doubled when it is called twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobs.engine.modules import importable
from jobs.engine.protocol import Engine, EngineSettings, Failure, WorkerDied

__all__ = ["Engine", "EngineSettings", "Failure", "WorkerDied", "open_engine"]


@contextmanager
def open_engine(settings: EngineSettings, modules: Sequence[str] = ()) -> Iterator[Engine]:
    """The engine that the settings name, ready; ended with the block if it was started here.

    `modules` are paths of Python files and packages of the user's. `import` finds them by their names wherever work
    runs: in this process, in tasks and actors on any node, and in the children of `jobs.engine.isolation`. Raises
    `SettingsError` for a path that is none, a name that is taken, and a module that a node cannot import.
    """
    with importable(modules) as paths:
        match settings.engine:
            case "inline":
                from jobs.engine.inline import InlineEngine

                yield InlineEngine(settings)
            case "ray":
                from jobs.engine.on_ray import open_ray

                with open_ray(settings, paths) as engine:
                    yield engine
