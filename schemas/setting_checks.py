"""What is wrong with a setting, and what was meant: the nearest name, the values allowed, numbers out of range."""

import difflib
import math
import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_OTHER_TYPE = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_NO_VALUE = re.compile(r"Invalid enum value (.*)")
#: Types in the words of who writes settings.
_TYPES = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "null": "null",
    "object": "a group of settings", "array": "a list",
}  # fmt: skip
#: How what YAML takes for something else is a text.
_QUOTED = {
    "bool": "; YAML takes no, yes, on and off for these, in quotes they are texts",
    "int": "; in quotes it is a text",
    "float": "; in quotes it is a text",
}
#: Into how many parts work may be cut: their numbers are in names of files and keys, and each is a task.
_MOST_PARTS = 100_000
_NO_BOUNDS = -math.inf, math.inf
_BELOW = "cannot be below 0"
_ITEM = re.compile(r"\[\d+\]")
#: Numbers that may be below zero although their defaults are not; of layers these count from the last.
_SIGNED = frozenset(("seed", "length_penalty", "layer"))
#: Shares and probabilities whose names do not say so.
_SHARES = frozenset(("min_score", "min_confidence", "min_alphabetic_words", "max_nsfw", "max_evaluation_similarity"))


def refused(message: str, kind: type[msgspec.Struct]) -> str:
    """What msgspec refused in settings of a kind, by its path, and what to write instead where something is near."""
    what, mark, behind = message.rpartition(" - at ")
    found = _PLACE.fullmatch(mark + behind)
    what, place = (what, found[1]) if found else (message, "")
    if unknown := _UNKNOWN.fullmatch(what):
        name, known = f"{place}.{unknown[1]}".lstrip("."), dict(_fields(kind))
        if name in known:
            return f"{name} is a setting within a group: {_nested(name)}"
        near = difflib.get_close_matches(name, known, 1, 0.75) or [
            path for path in known if path.rpartition(".")[2] == unknown[1]
        ]
        return f"there is no setting {name}" + (f"; the nearest is {near[0]}" if near else "")
    name = place or "the settings"
    if other := _OTHER_TYPE.fullmatch(what):
        said = f"{name}: {_in_words(other[1])} is wanted, not {_in_words(other[2])}"
        return said + (_QUOTED.get(other[2], "") if "str" in other[1].split(" | ") else "")
    if what == "Expected `str`":  # of a key, whose type msgspec does not tell
        return f"{name}: its names are texts; others are in quotes"
    whole = _ITEM.sub("", place)  # of an item of a list its setting has the type
    if (no_value := _NO_VALUE.fullmatch(what)) and (field := dict(_fields(kind)).get(whole)):
        return f"{name} cannot be {no_value[1]}; it is one of {', '.join(map(str, _values(field)))}"
    return f"{name}: {what}"


def _nested(name: str) -> str:
    """A path as a file has it: `text.max_images` as `text: {max_images: ...}`."""
    *groups, leaf = name.split(".")
    return "".join(f"{group}: {{" for group in groups) + f"{leaf}: ..." + "}" * len(groups)


def _in_words(types: str) -> str:
    return " or ".join(_TYPES.get(one, one) for one in types.split(" | "))


def out_of_range(settings: msgspec.Struct, path: str = "") -> str:
    """The first number that cannot be meant, and why; "" if there is none.

    `bounds` of a group come first. What counts, lasts or measures is not below zero, a share or probability not
    above one, and the least of something not above its most, unless that is 0, which sets no limit. Numbers without
    a default are anybody's choice where they may have a fraction, as limits of scores; whole ones count.
    """
    for field in msgspec.structs.fields(settings):
        value, name = getattr(settings, field.name), f"{path}{field.name}"
        for place, part in _parts(value):
            if isinstance(part, msgspec.Struct):
                if said := out_of_range(part, f"{name}{place}."):
                    return said
            elif isinstance(part, float) and math.isnan(part):
                return f"{name}{place} is {part}, which is no number"
        least, most = getattr(settings, "bounds", {}).get(field.name, _NO_BOUNDS)
        if _is_number(value) and not least <= value <= most:
            beyond = f"below {least:,}" if value < least else f"above {most:,}"
            return f"{name} is {value}, and cannot be {beyond}"
        if field.type == (int | None) and field.name not in _SIGNED and value is not None and value < 0:
            return f"{name} is {value}, and {_BELOW}"
        if isinstance(value, int | float) and _is_number(field.default) and field.name not in _SIGNED:
            if value < 0 <= field.default:
                return f"{name} is {value}, and {_BELOW}"
            if value > _MOST_PARTS and field.name in ("partitions", "buckets"):
                return f"{name} is {value}, and cannot be above {_MOST_PARTS:,}"
            if value > 1 and _is_share(field.name):
                return f"{name} is {value}, and cannot be above 1"
    return _crossed(settings, path)


def _crossed(settings: msgspec.Struct, path: str) -> str:
    """Of `min_x` and `max_x` beside each other the first that no number fits between."""
    for name in settings.__struct_fields__:
        least: Any = getattr(settings, name)
        most: Any = getattr(settings, f"max_{name.removeprefix('min_')}", None)
        if name.startswith("min_") and _is_number(least) and _is_number(most) and least > most > 0:
            return f"{path}{name} is {least}, above {path}max_{name.removeprefix('min_')}, {most}: nothing would pass"
    return ""


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """A value by itself, or those of a list with their places in it."""
    if isinstance(value, tuple | list):
        yield from ((f"[{number}]", part) for number, part in enumerate(value))
    else:
        yield "", value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_share(name: str) -> bool:
    return name.endswith("_share") or name.startswith("p_") or name in _SHARES


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
