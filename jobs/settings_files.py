"""Settings from files and presets by name; a file may say which of them it extends."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from jobs.command_parser import nearest
from schemas.settings import Settings, SettingsError, merged, read_tree, settings_of

S = TypeVar("S", bound=Settings)

#: Of `configs/`, those that are no builds.
TRAINING_PRESETS = ("tiny",)
_EXTENDS = "extends"


def load_file(kind: type[S], name: str | None, overrides: Iterable[str], known: Mapping[str, Path]) -> S:
    """Settings from a YAML file or a preset among `known`, with `a.b=value` overrides; without a name the defaults.

    A file may begin with `extends: NAME`, a preset or another file, named from the folder that it lies in: what it
    says itself changes those settings, group by group. Raises `SettingsError`.
    """
    tree = _tree(name, known, ()) if name else {}
    try:
        return settings_of(kind, tree, overrides)
    except SettingsError as error:
        is_of_file = str(error) == _problem(kind, tree)
        raise SettingsError(f"{name}: {error}" if name and is_of_file else str(error)) from None


def presets() -> dict[str, Path]:
    """Presets of builds by name."""
    return {name: path for name, path in _shipped().items() if name not in TRAINING_PRESETS}


def training_presets() -> dict[str, Path]:
    """Presets of `weft train` by name."""
    return {name: path for name, path in _shipped().items() if name in TRAINING_PRESETS}


def read_lines(path: str | None) -> list[str]:
    """The lines of a file named on the command line; none without one. Raises `SettingsError`."""
    return _read(Path(path)).splitlines() if path else []


def _tree(name: str, known: Mapping[str, Path], through: tuple[str, ...]) -> dict[str, Any]:
    """What a file says, over what it extends. `through` are the files that led here."""
    path = Path(name) if Path(name).is_file() else known.get(name)
    if path is None:
        if Path(name).is_dir():
            raise SettingsError(f"{name} is a folder; a YAML file{' or a preset' if known else ''} is wanted")
        extended = f"{Path(through[-1]).name}: " if through else ""
        presets_known = f" (presets: {', '.join(sorted(known))})" if known else ""
        raise SettingsError(
            f"{extended}no such config file{' or preset' if known else ''}: {name}{nearest(name, known)}{presets_known}"
        )
    place = str(path.resolve())
    if place in through:
        raise SettingsError(f"{name}: extends itself, by way of {', '.join(Path(one).name for one in through)}")
    try:
        tree = read_tree(_read(path))
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from None
    if (base := tree.pop(_EXTENDS, None)) is None:
        return tree
    if not isinstance(base, str):
        raise SettingsError(f"{name}: extends takes one name, not {base!r}")
    beside = path.parent / base
    return merged(_tree(str(beside) if beside.is_file() else base, known, (*through, place)), tree)


def _problem(kind: type[Settings], tree: Mapping[str, Any]) -> str:
    """What is wrong with a file as it stands, whatever the call changes."""
    try:
        settings_of(kind, tree)
    except SettingsError as error:
        return str(error)
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from None


def _shipped() -> dict[str, Path]:
    """`configs/` of a source tree, or the copy of it inside an installed package."""
    here = Path(str(files("jobs")))
    for folder in (here.parent / "configs", here / "configs"):
        if folder.is_dir():
            return {path.stem: path for path in folder.glob("*.yaml")}
    return {}
