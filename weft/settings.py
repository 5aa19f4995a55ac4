"""What a caller names as settings, made into the records that jobs take."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings
from jobs.phases.recipe import Recipe
from schemas.settings import Settings, SettingsError, changed, load_settings

S = TypeVar("S", bound=Settings)
Overrides = Mapping[str, Any]


def recipe_of(config: Any, overrides: Overrides) -> Recipe:
    """The recipe of a build: of a preset's name, a path to YAML or Python, a `BuildConfig`, or itself.

    Raises `SettingsError`.
    """
    if isinstance(config, Recipe):
        return config.changed(overrides)
    if isinstance(config, BuildConfig):
        return Recipe(config, overrides)
    if isinstance(config, str | os.PathLike):
        return Recipe.named(os.fspath(config), []).changed(overrides)
    raise SettingsError(f"a preset, a path, a BuildConfig or a Recipe is wanted, not {type(config).__name__}")


def settings_of(kind: type[S], given: S | Mapping[str, Any] | str | os.PathLike[str] | None, overrides: Overrides) -> S:
    """Settings of a record, a mapping, a path to YAML or None for the defaults. Raises `SettingsError`."""
    if isinstance(given, kind):
        return changed(given, overrides)
    if isinstance(given, str | os.PathLike):
        try:
            return changed(load_settings(kind, Path(given).read_text("utf-8")), overrides)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read {os.fspath(given)}: {error}") from None
    if given is None or isinstance(given, Mapping):
        return changed(load_settings(kind, msgspec.json.encode(given or {}).decode()), overrides)
    raise SettingsError(f"a {kind.__name__}, a mapping or a path to YAML is wanted, not {type(given).__name__}")


def engine_settings(engine: str, workers: int, address: str) -> EngineSettings:
    """Raises `SettingsError` for an engine that there is not, and for fewer workers than none."""
    if not isinstance(workers, int) or workers < 0:
        raise SettingsError(f"workers: a number of 0 or more is wanted, not {workers!r}")
    try:
        return msgspec.convert({"engine": engine, "workers": workers, "address": address}, EngineSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{error}: engines are ray and inline") from None


def listed(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """One name, or several, as a list."""
    names = [given] if isinstance(given, str | os.PathLike) else list(given)
    return [os.fspath(name) for name in names]
