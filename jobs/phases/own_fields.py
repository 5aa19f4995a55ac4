"""Whether fields that a step of the user's own has changed are of their types: nobody else looks before a writer."""

import types
import typing
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Literal, Union

import msgspec

#: Beside a type itself what does as well: of numpy, or as YAML and JSON give it.
_AS_WELL: dict[Any, tuple[Any, ...]] = {
    float: (Real,),
    int: (Integral,),
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
        return isinstance(value, Mapping) and all(_fits(one, inner[1]) for one in value.values())
    if not isinstance(hint, type) or origin is not None:
        return True  # arrays, and what else has no plain type
    if not isinstance(value, _AS_WELL.get(hint, hint)):
        return False
    return all(_fits(getattr(value, name), of) for name, of in _hints(type(value)).items())
