"""A task a file, as exports and imports have it: what is there is left, what fails costs itself and is told."""

from collections.abc import Callable, Sequence

from jobs.engine.engine import EngineSettings, Failure, open_engine
from jobs.engine.progress import Progress


def carry_out(
    name: str, files: Sequence[str], todo: Sequence[int], work: Callable[[int], int], settings: EngineSettings
) -> str:
    """Do what is `todo` of `files`, by their numbers; the others are there. Returns what to say of those that could not
    be done; "" if all could. Raises `StepError`."""
    failures: list[Failure] = []
    done = len(files) - len(todo)
    with Progress(name, len(files), "files", done) as bar:
        if not todo:
            return ""
        with open_engine(settings) as engine:
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
