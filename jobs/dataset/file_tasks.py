"""A task a file, as exports and imports have it: what is there is left, what fails costs itself and is told."""

from collections.abc import Callable, Sequence

from jobs.engine.engine import Engine, EngineSettings, Failure, open_engine
from jobs.engine.progress import Progress


def carry_out(
    name: str, files: Sequence[str], todo: Sequence[int], work: Callable[[int], int], settings: EngineSettings
) -> str:
    """Do what is `todo` of `files`, by their numbers; the others are there. Returns what to say of those that could not
    be done; "" if all could. Raises `StepError`."""
    if not todo:
        return show_done(name, files)
    with open_engine(settings) as engine:
        return carry_out_on(engine, name, files, todo, work)


def carry_out_on(
    engine: Engine, name: str, files: Sequence[str], todo: Sequence[int], work: Callable[[int], int]
) -> str:
    """The same on an engine that is open."""
    failures: list[Failure] = []
    done = len(files) - len(todo)
    with Progress(name, len(files), "files", done) as bar:
        for outcome in engine.run(name, work, todo):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                bar.say(f"{files[outcome.partition]}: {outcome.error}")
                continue
            done += 1
            bar.show(done, str)
    if not failures:
        return ""
    first = failures[0]
    return (
        f"{len(failures)} of {len(files)} files could not be done, first {files[first.partition]}: {first.error}. "
        "The same command tries them again"
    )


def show_done(name: str, files: Sequence[str]) -> str:
    """All of them were there before: nothing is to be said."""
    with Progress(name, len(files), "files", len(files)):
        return ""
