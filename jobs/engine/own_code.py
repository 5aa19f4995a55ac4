"""Code of the user's own: found by name, its settings checked, its files known, that other machines may have them."""

import contextlib
import hashlib
import importlib
import inspect
import os
import sys
import typing
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec

from schemas.settings import SettingsError

#: Modules that every worker has: those of Python and weft; and what is pickled by value.
_EVERYWHERE = {*sys.stdlib_module_names, "schemas", "crawlers", "pipeline", "model", "jobs", "weft", "__main__"}


def find(use: str, given: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The function or class that `module:name` names. Raises `SettingsError`."""
    if use in given:
        return given[use]
    module, colon, name = use.partition(":")
    if not (module and colon and name):
        raise SettingsError(f"step {use}: a step is named module:function")
    try:
        _make_importable(os.getcwd())
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # the import runs the user's code
        raise SettingsError(f"step {use}: cannot import {module}: {_first_line(error)}") from None
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise SettingsError(f"step {use}: {module} has no function {name}")
    return typing.cast(Callable[..., Any], found)


def check_settings(use: str, function: Callable[..., Any], settings: Mapping[str, Any], skip: int) -> dict[str, Any]:
    """The settings by the types of the function's parameters after the first `skip`. Raises `SettingsError`."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
        msgspec.json.encode(settings)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"step {use}: {_first_line(error)}") from None
    names = [one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    hints = hints_of(function)
    for name in settings:
        if name not in names and not takes_any:
            raise SettingsError(f"step {use}: no setting {name}; it has {', '.join(names) or 'none'}")
    missing = [one.name for one in parameters if one.default is one.empty and one.name in names]
    if left := [name for name in missing if name not in settings]:
        raise SettingsError(f"step {use}: the setting {left[0]} is missing")
    typed = {}
    for name, value in settings.items():
        try:
            typed[name] = msgspec.convert(value, hints[name]) if name in hints else value
        except msgspec.ValidationError as error:
            raise SettingsError(f"step {use}, setting {name}: {error}") from None
        except TypeError:  # a type that msgspec does not know
            typed[name] = value
    _check_call(use, function, skip, typed)
    return typed


def _check_call(use: str, function: Callable[..., Any], items: int, settings: Mapping[str, Any]) -> None:
    """Whether it can be called with so many items and these settings, and answers then. Raises `SettingsError`."""
    called = (function, getattr(function, "__call__", None))  # noqa: B004 - an instance's, or that of a class's instances
    if any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in called):
        raise SettingsError(f"step {use}: an async function cannot be one: it must give its answer when it is called")
    try:
        inspect.signature(function).bind(*[None] * items, **settings)
        if isinstance(function, type) and inspect.isfunction(called[1]):  # made of settings, then called with a batch
            inspect.signature(called[1]).bind(None, None, None)
    except TypeError as error:
        raise SettingsError(f"step {use}: it cannot be called as it would be: {error}") from None


def gives_by_yield(function: Callable[..., Any]) -> bool:
    """Whether a call of it gives a generator, and not what it must return."""
    called = (function, getattr(function, "__call__", None))  # noqa: B004 - as above
    return any(inspect.isgeneratorfunction(one) for one in called)


def makes_callables(made: type) -> bool:
    """Whether instances of a class can be called."""
    return any("__call__" in vars(base) for base in made.__mro__)


def source_hash(function: Callable[..., Any]) -> str:
    """Of the whole file, since a step calls others beside it; of its own text where it was typed into a session."""
    module = sys.modules.get(function.__module__)
    path = getattr(module, "__file__", None)
    if path and Path(path).is_file():
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    try:
        return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return hashlib.sha256(code.co_code + repr(code.co_consts).encode() if code else b"").hexdigest()


def files_of(functions: list[Callable[..., Any]]) -> list[str]:
    """The files and packages that hold the functions, for machines that do not have them; none of installed ones."""
    found: dict[str, None] = {}
    for function in functions:
        top = function.__module__.partition(".")[0]
        path = getattr(sys.modules.get(top), "__file__", None)
        if path and top not in _EVERYWHERE and "site-packages" not in Path(path).parts:
            found[str(Path(path).parent if Path(path).name == "__init__.py" else path)] = None
    return list(found)


def import_file(path: Path) -> Any:
    """A Python file as the module of its name, importable by child processes too. Raises `SettingsError`."""
    path = path.resolve()
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        del sys.modules[name]  # it may have been changed since
    elif known is not None or (not name.isidentifier()) or _is_taken(name, path):
        raise SettingsError(f"{path}: {name} is no name for it: another module has it, or it is not an identifier")
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    _make_importable(str(path.parent))
    # Python takes compiled code for current if its source has the same size and second: not after a quick edit.
    with contextlib.suppress(OSError):
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code
        del sys.modules[name]
        raise SettingsError(f"{path}: {_first_line(error)}") from None
    return module


def _is_taken(name: str, path: Path) -> bool:
    found: ModuleSpec | None = importlib.util.find_spec(name)
    return found is not None and found.origin != str(path)


def _make_importable(folder: str) -> None:
    """Modules of `folder`, here and in child processes, which take the path from this one; others come first."""
    if folder not in sys.path:
        sys.path.append(folder)
    importlib.invalidate_caches()


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, or of what makes instances of a class; none where they cannot be resolved."""
    try:
        return typing.get_type_hints(getattr(function, "__init__") if isinstance(function, type) else function)  # noqa: B009
    except Exception:  # names that only a type checker imports
        return {}


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
