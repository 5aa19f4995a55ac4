"""Errors that any command can end with, in the words of who called it: what is wrong, and what to do."""

import errno
import re

#: Packages whose distribution is called otherwise.
_DISTRIBUTIONS = {"open_clip": "open_clip_torch"}
_NAME = re.compile(r"[A-Za-z0-9._-]+")
#: Of several extras that bring a package, the one that a command is for.
_OF_COMMANDS = {"features": "train", "train": "train", "generate": "train", "evaluate": "train"}
_NO_STORAGE = re.compile(r"Protocol not known: (.+)")
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
_STORAGES = re.compile(r"(?:[Pp]lease i|[Ii])nstall (\w+) to")


def told(error: Exception, command: str) -> tuple[str, int] | None:
    """The line and the exit code of an error that nobody nearer could name better; None for what is our own fault."""
    if isinstance(error, ImportError):
        return _missing(error, command)
    if isinstance(error, ValueError) and (unknown := _NO_STORAGE.fullmatch(str(error))):  # fsspec's words
        return f"no storage is known whose addresses begin with {unknown[1]}://", 2
    from schemas.shards import DamagedShard  # not before it is needed: it brings pyarrow
    from schemas.storage import BadAddress

    if isinstance(error, DamagedShard):
        return str(error), 1
    if isinstance(error, BadAddress):
        return str(error), 2
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return str(error), 1
    return None


def _missing(error: ImportError, command: str) -> tuple[str, int] | None:
    """A package that is no part of the bare installation."""
    if storage := _STORAGES.search(str(error)):  # fsspec's words
        return f"this storage needs the package {storage[1]}: {_install(storage[1], command)}", 2
    package = (error.name or "").partition(".")[0]
    advice = _install(package, command)
    return (f"weft {command} needs the package {package}: {advice}", 2) if "[" in advice else None


def _install(package: str, command: str) -> str:
    """The command that installs a package, as the extra of weft that brings it if there is one."""
    from importlib.metadata import PackageNotFoundError, requires  # a quarter of what `weft --help` would take

    wanted = _DISTRIBUTIONS.get(package, package).lower().replace("_", "-")
    try:
        lines = requires("weft") or []
    except PackageNotFoundError:
        lines = []
    extras = [extra for line in lines for name, extra in [_parts(line)] if name == wanted and extra not in ("", "dev")]
    if not extras:
        return f"pip install {package}"
    best = _OF_COMMANDS.get(command, extras[0])
    return f"pip install -c constraints.txt -e '.[{best if best in extras else extras[0]}]'"


def _parts(requirement: str) -> tuple[str, str]:
    """Package and extra of a line such as `torch>=2.4; extra == 'train'`."""
    name = _NAME.match(requirement)
    extra = requirement.partition("extra == ")[2].strip("'\" )")
    return (name.group().lower().replace("_", "-") if name else ""), extra
