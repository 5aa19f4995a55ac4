"""Fields that a step of the user's own has changed: of their types, and as a writer takes them, who knows no others."""

import math
import types
import typing
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Literal, Union

import msgspec
import numpy as np

#: Beside a type itself what does as well: of numpy, or as YAML and JSON give it.
_AS_WELL: dict[Any, tuple[Any, ...]] = {
    float: (Real,),
    int: (Integral,),
    bool: (bool, np.bool_),
    bytes: (bytes, bytearray, memoryview),
    tuple: (tuple, list),
    list: (tuple, list),
    dict: (Mapping,),
}


def wrong_field(before: Any, after: Any) -> str:
    """`title must be str, not int`; empty where all is right. Fields that are those of `before` are not looked at."""
    for name, hint in _hints(type(after)).items():
        value = getattr(after, name)
        if value is not getattr(before, name, before) and not _fits(value, hint):
            wanted = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else hint
            return f"{name} must be {wanted}, not {type(value).__name__}"
    return ""


def plain_fields(before: Any, after: Any) -> Any:
    """The record with what does as well made what it stands for: numbers and texts of numpy plain ones.

    Fields that are those of `before` are not looked at. Raises `ValueError` for a text that is no Unicode, and for a
    number that is not finite or has more than 64 bits: no file can hold them.
    """
    changes = {}
    for name in _hints(type(after)):
        value = getattr(after, name)
        if value is getattr(before, name, before):
            continue
        try:
            made = _plain(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if made is not value:
            changes[name] = made
    return msgspec.structs.replace(after, **changes) if changes else after


def _plain(value: Any) -> Any:
    """The very value where it is plain already."""
    match value:
        case None | bool() | np.ndarray():
            return value
        case np.bool_():
            return bool(value)
        case str():
            value.encode()
            return value if type(value) is str else str.__str__(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case Integral():
            if not -(1 << 63) <= int(value) < 1 << 63:
                raise ValueError("a number of more than 64 bits")
            return int(value)
        case Real():
            if not math.isfinite(value):
                raise ValueError(f"{value} is no number that JSON has")
            return float(value)
        case tuple() | list():
            made = [_plain(one) for one in value]
            if _are_same(made, value):
                return value
            return tuple(made) if isinstance(value, tuple) else made
        case Mapping():
            keys, values = [_plain(key) for key in value], [_plain(one) for one in value.values()]
            is_plain = type(value) is dict and _are_same(keys, value) and _are_same(values, value.values())
            return value if is_plain else dict(zip(keys, values, strict=True))
        case msgspec.Struct():
            return plain_fields(None, value)
    return value


def _are_same(made: Iterable[Any], given: Iterable[Any]) -> bool:
    return all(one is other for one, other in zip(made, given, strict=True))


_known: dict[type, dict[str, Any]] = {}


def _hints(record: type) -> dict[str, Any]:
    if record not in _known:
        fields = record.__struct_fields__ if issubclass(record, msgspec.Struct) else ()
        hints = typing.get_type_hints(record) if fields else {}
        _known[record] = {name: hints[name] for name in fields}
    return _known[record]


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin in (tuple, list):
        if not isinstance(value, (tuple, list)):
            return False
        kinds = inner if origin is tuple and inner[-1] is not ... else [inner[0]] * len(value)
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if origin is dict:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0]) and _fits(one, inner[1]) for key, one in value.items()
        )
    if not isinstance(hint, type) or origin is not None:
        return True  # arrays, and what else has no plain type
    if not isinstance(value, _AS_WELL.get(hint, hint)):
        return False
    return all(_fits(getattr(value, name), of) for name, of in _hints(type(value)).items())
