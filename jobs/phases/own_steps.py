"""Steps of the user's own: found by name, checked before any work begins, and run so that an error costs one item."""

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
from typing import Any, Literal

import msgspec

from jobs.config import BuildConfig, OwnModel, OwnStep
from jobs.phases.own_trial import wrong_result
from pipeline.image.codec import DecodedImage
from pipeline.video.clips import Clip
from schemas.documents import Draft, Page
from schemas.drops import MAX_FAILURES_IN_A_ROW, Drop, StepError
from schemas.pairs import PairRef
from schemas.settings import SettingsError
from schemas.videos import VideoDraft

#: Modules that every worker has: those of Python and weft; and what is pickled by value.
_EVERYWHERE = {*sys.stdlib_module_names, "schemas", "crawlers", "pipeline", "model", "jobs", "weft", "__main__"}

How = Literal["before", "after", "instead"]


class Place(msgspec.Struct, frozen=True):
    """A step of weft's that own steps can stand beside: what goes into it, and what comes out."""

    takes: type
    gives: type
    allows: tuple[How, ...] = ("before", "after", "instead")

    def types(self, how: How) -> tuple[type, type]:
        """What a step that stands so is given, and what it must return."""
        return {"before": (self.takes, self.takes), "after": (self.gives, self.gives)}.get(
            how, (self.takes, self.gives)
        )


#: In their order. Consent comes before all of them and has no place: nothing sees an item that asks not to be used.
PLACES: dict[str, Place] = {
    "url": Place(Page, Page),
    "extract": Place(Page, Draft),
    "language": Place(Draft, Draft),
    "text_rules": Place(Draft, Draft),
    "pii": Place(Draft, Draft),
    "pairs": Place(PairRef, PairRef, ("after",)),
    "videos": Place(VideoDraft, VideoDraft, ("after",)),
    "images": Place(DecodedImage, DecodedImage, ("after",)),
    "clips": Place(Clip, Clip, ("after",)),
}


class OwnCode(msgspec.Struct, frozen=True):
    """A step, scorer or captioner as the plan of a build remembers it: another source is another build."""

    use: str
    sha256: str  # of the file that it stands in, or of its own source where it stands in none


class OwnFunction:
    """A step of the user's own, as it is run: a function of one item.

    An error in it costs the item, `Drop("step_failed")`; many in a row stop the run and name the item, and so does a
    result of another type than the place asks for.
    """

    def __init__(self, use: str, function: Callable[..., Any], settings: Mapping[str, Any], gives: type) -> None:
        self.use, self._function, self._settings, self._gives = use, function, dict(settings), gives
        self._failures = 0

    def __call__(self, item: Any) -> Any:
        try:
            result = self._function(item, **self._settings)
        except Drop:
            self._failures = 0
            raise
        except (MemoryError, StepError):
            raise
        except Exception as error:  # whatever a user's code may raise on odd data
            detail = f"{self.use}: {type(error).__name__}: {error}"
            self._failures += 1
            if self._failures >= MAX_FAILURES_IN_A_ROW:
                raise StepError(f"{self._failures} failures in a row, last {item.kind} {item.url}: {detail}") from error
            raise Drop("step_failed", detail) from error
        if not isinstance(result, self._gives):
            raise StepError(f"{item.kind} {item.url}: {_wrong_result(self.use, type(result), self._gives)}")
        self._failures = 0
        return result


def find_step(step: OwnStep, given: Mapping[str, Callable[..., Any]]) -> tuple[str, How, OwnFunction]:
    """Place, side and function of a step. Raises `SettingsError` in one line for whatever is wrong with it."""
    named: list[How] = [how for how in ("before", "after", "instead") if getattr(step, how)]
    if len(named) != 1:
        raise SettingsError(f"step {step.use}: one of before, after and instead says where it stands")
    how, place = named[0], getattr(step, named[0])
    if place == "consent":
        raise SettingsError(f"step {step.use}: consent comes before everything; its settings are `consent`")
    if place not in PLACES:
        raise SettingsError(f"step {step.use}: there is no step {place}; there are {', '.join(PLACES)}")
    if how not in PLACES[place].allows:
        raise SettingsError(f"step {step.use}: it can stand {' or '.join(PLACES[place].allows)} {place}, not {how} it")
    takes, gives = PLACES[place].types(how)
    function = find(step.use, given)
    if isinstance(function, type):
        raise SettingsError(f"step {step.use}: a step is a plain function, not a class")
    settings = check_settings(step.use, function, step.settings, skip=1)
    hints = _hints(function)
    returned = hints.get("return", gives)
    if isinstance(returned, type) and not issubclass(returned, gives):
        raise SettingsError(_wrong_result(step.use, returned, gives))
    first = next(iter(inspect.signature(function).parameters), "")
    taken = hints.get(first, takes)
    if isinstance(taken, type) and not issubclass(takes, taken):
        raise SettingsError(f"step {step.use}: {how} {place} it is given a {takes.__name__}, not a {taken.__name__}")
    if "return" not in hints and (wrong := wrong_result(function, settings, takes, gives)) is not None:
        raise SettingsError(_wrong_result(step.use, wrong, gives))
    return place, how, OwnFunction(step.use, function, settings, gives)


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
    except Exception as error:  # the import runs the user's code
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
    hints = _hints(function)
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
    return typed


def own_code(config: BuildConfig, given: Mapping[str, Callable[..., Any]]) -> list[OwnCode]:
    """What the plan remembers of the user's own code, in the order of the settings. Raises `SettingsError`."""
    own: list[OwnStep | OwnModel] = [*config.steps, *config.score_with, *config.caption_with]
    return [OwnCode(one.use, source_hash(find(one.use, given))) for one in own]


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
    except Exception as error:  # the user's code
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


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, or of what makes instances of a class; none where they cannot be resolved."""
    try:
        return typing.get_type_hints(getattr(function, "__init__") if isinstance(function, type) else function)  # noqa: B009
    except Exception:  # names that only a type checker imports
        return {}


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _wrong_result(use: str, got: type, wanted: type) -> str:
    return f"step {use}: it must return a {wanted.__name__} or raise weft.Drop, not return {got.__name__}"
