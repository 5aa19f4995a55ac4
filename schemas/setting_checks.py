"""What is wrong with a setting, and what was meant: the nearest name, the values allowed, numbers out of range."""

import difflib
import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?")
_NO_VALUE = re.compile(r"Invalid enum value .* - at `\$\.?([^`]*)`")
#: Numbers that may be below zero although their defaults are not.
_SIGNED = frozenset(("seed", "length_penalty"))


def hint(message: str, kind: type[msgspec.Struct]) -> str:
    """What to write instead of what msgspec refused in settings of a kind; "" where nothing is near."""
    if unknown := _UNKNOWN.fullmatch(message):
        name, known = f"{unknown[2] or ''}.{unknown[1]}".lstrip("."), dict(_fields(kind))
        near = difflib.get_close_matches(name, known, 1, 0.75) or [
            path for path in known if path.rpartition(".")[2] == unknown[1]
        ]
        return f"; the nearest setting is {near[0]}" if near else ""
    if (refused := _NO_VALUE.fullmatch(message)) and (field := dict(_fields(kind)).get(refused[1])):
        return f"; it is one of {', '.join(map(str, _values(field)))}"
    return ""


def out_of_range(settings: msgspec.Struct, path: str = "") -> str:
    """The first number that cannot be meant, and why; "" if there is none.

    What counts, lasts or measures is not below zero, and a share or probability not above one. Numbers without a
    default, such as limits of scores, are anybody's choice.
    """
    for field in msgspec.structs.fields(settings):
        value, name = getattr(settings, field.name), f"{path}{field.name}"
        if isinstance(value, msgspec.Struct):
            if said := out_of_range(value, f"{name}."):
                return said
        elif isinstance(value, int | float) and _is_number(field.default) and field.name not in _SIGNED:
            if value < 0 <= field.default:
                return f"{name} is {value}, and cannot be below 0"
            if value > 1 and _is_share(field.name):
                return f"{name} is {value}, and cannot be above 1"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_share(name: str) -> bool:
    return name.endswith("_share") or name.startswith("p_")


def _fields(kind: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and type of each setting."""
    for field in msgspec.structs.fields(kind):
        name = f"{path}{field.name}"
        yield name, field.type
        for part in (field.type, *get_args(field.type)):  # a group, or a group or none
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _fields(part, f"{name}.")


def _values(kind: Any) -> Iterator[Any]:
    """Those of a Literal, or of the Literals in a union."""
    for part in get_args(kind):
        if isinstance(part, str | int):
            yield part
        else:
            yield from _values(part)
