"""One at a time: who builds or trains into a folder holds it meanwhile."""

import fcntl
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

from schemas.settings import SettingsError
from schemas.storage import Store

P = ParamSpec("P")
R = TypeVar("R")


def one_at_a_time(function: Callable[Concatenate[str, P], R]) -> Callable[Concatenate[str, P], R]:
    """Of a function that writes to the folder whose path or URL is its first argument: it holds it meanwhile."""

    @functools.wraps(function)
    def wrapped(output: str, *args: P.args, **kwargs: P.kwargs) -> R:
        with held(Store(output)):
            return function(output, *args, **kwargs)

    return cast("Callable[Concatenate[str, P], R]", wrapped)


@contextmanager
def held(store: Store, work: str = "build") -> Iterator[None]:
    """Hold the folder of an output against other work of this machine, to the end of this process at the latest.

    That of two machines on one folder, or on an object store, is not seen. Raises `SettingsError`, which calls the
    other what this is, `work`.
    """
    if not store.is_local:
        yield
        return
    folder = Path(store.root)
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    with suppress(FileExistsError, NotADirectoryError):  # a file is in the way: who writes there first tells so
        folder.mkdir(parents=True, exist_ok=True)
    descriptor = _locked(folder, work) if folder.is_dir() else -1
    try:
        yield
    finally:
        with suppress(OSError):  # something was made: they are not empty
            for path in new:
                path.rmdir()
        if descriptor >= 0:
            os.close(descriptor)


def _locked(folder: Path, work: str) -> int:
    """A descriptor of the folder that holds its lock until it is closed; of forks, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SettingsError(
            f"another {work} is at work in {folder}: wait for its end, or choose another folder"
        ) from None
    except OSError:  # some network file systems have no locks for folders
        pass
    return descriptor
