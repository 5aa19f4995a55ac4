"""What a caller names as settings, made into the records that jobs take."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jobs.config import BuildConfig, load_config
from jobs.engine.engine import EngineSettings
from schemas.settings import Settings, SettingsError, dump_settings, load_settings

S = TypeVar("S", bound=Settings)
Overrides = Mapping[str, Any]


def build_config(config: Any, overrides: Overrides) -> BuildConfig:
    """The settings of a build: of a preset's name, a path to YAML, a `BuildConfig`, or a recipe that bears one.

    Raises `SettingsError`.
    """
    if isinstance(found := getattr(config, "config", config), BuildConfig):
        return changed(found, overrides)
    if isinstance(found, str | os.PathLike):
        return load_config(os.fspath(found), as_lines(overrides))
    raise SettingsError(f"a preset, a path to YAML, a BuildConfig or a Recipe is wanted, not {type(config).__name__}")


def settings_of(kind: type[S], given: S | Mapping[str, Any] | str | os.PathLike[str] | None, overrides: Overrides) -> S:
    """Settings of a record, a mapping, a path to YAML or None for the defaults. Raises `SettingsError`."""
    if isinstance(given, kind):
        return changed(given, overrides)
    if isinstance(given, str | os.PathLike):
        try:
            return load_settings(kind, Path(given).read_text("utf-8"), as_lines(overrides))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read {os.fspath(given)}: {error}") from None
    if given is None or isinstance(given, Mapping):
        return load_settings(kind, msgspec.json.encode(given or {}).decode(), as_lines(overrides))
    raise SettingsError(f"a {kind.__name__}, a mapping or a path to YAML is wanted, not {type(given).__name__}")


def changed(settings: S, overrides: Overrides) -> S:
    """The same with some settings changed. Raises `SettingsError`."""
    return load_settings(type(settings), dump_settings(settings), as_lines(overrides)) if overrides else settings


def as_lines(overrides: Overrides) -> list[str]:
    """`{"text.gopher.min_words": 30}` as `--set` has it: JSON is YAML too."""
    return [f"{path}={msgspec.json.encode(value).decode()}" for path, value in overrides.items()]


def engine_settings(engine: str, workers: int, address: str) -> EngineSettings:
    """Raises `SettingsError` for an engine that there is not."""
    try:
        return msgspec.convert({"engine": engine, "workers": workers, "address": address}, EngineSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{error}: engines are ray and inline") from None


def listed(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """One name, or several, as a list."""
    names = [given] if isinstance(given, str | os.PathLike) else list(given)
    return [os.fspath(name) for name in names]
