"""Typed settings: YAML in, frozen records out; unknown keys and wrong types are refused with their path."""

import copy
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec
import yaml

from schemas.setting_checks import out_of_range, refused

#: The least and the most that numbers may be, by their names.
Bounds = Mapping[str, tuple[float, float]]


class SettingsError(Exception):
    """A setting is unknown, of the wrong type or out of range. The message names its path."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all settings records."""

    hashed_if_set: ClassVar[tuple[str, ...]] = ()
    bounds: ClassVar[Bounds] = {}


S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], text: str = "", overrides: Iterable[str] = ()) -> S:
    """Settings of type `kind` from a YAML text and `a.b=value` overrides, values being YAML too.

    Raises `SettingsError`, for instance `text.gopher.min_words: a whole number is wanted, not a text`.
    """
    return settings_of(kind, read_tree(text), overrides)


def read_tree(text: str) -> dict[str, Any]:
    """The tree of a YAML text. Raises `SettingsError`."""
    try:
        tree = _load_yaml(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"not valid YAML: {_yaml_problem(error)}") from None
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise SettingsError(f"settings must be a mapping, not {type(tree).__name__}")
    return tree


def settings_of(kind: type[S], tree: Mapping[str, Any], overrides: Iterable[str] = ()) -> S:
    """Settings of type `kind` from their tree, with `a.b=value` overrides. Raises `SettingsError`."""
    changed_tree = copy.deepcopy(dict(tree))
    for override in overrides:
        _override(changed_tree, override)
    try:
        settings = msgspec.convert(changed_tree, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise SettingsError(refused(str(error), kind)) from None
    if said := out_of_range(settings):
        raise SettingsError(said)
    return settings


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A tree changed by another, group by group; lists and values are taken as they stand in the other."""
    tree = dict(base)
    for name, value in changes.items():
        old = tree.get(name)
        tree[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return tree


def changed(settings: S, changes: Mapping[str, Any]) -> S:
    """The same with other values by path, such as `{"text.gopher.min_words": 30}`. Raises `SettingsError`."""
    if not changes:
        return settings
    lines = [f"{path}={msgspec.json.encode(value).decode()}" for path, value in changes.items()]  # JSON is YAML too
    return load_settings(type(settings), dump_settings(settings), lines)


def dump_settings(settings: Settings) -> str:
    """The settings resolved, every default written out, as YAML that `load_settings` reads back."""
    return dump_yaml(_tree(settings))


def dump_yaml(tree: Any) -> str:
    """A tree as YAML that `read_tree` reads back."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def dump_line(value: Any) -> str:
    """A value, a list or a mapping in one line of YAML."""
    text = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=math.inf
    )
    return text.removesuffix("...\n").rstrip("\n")


def settings_hash(settings: Settings) -> str:
    """16 hex digits that are equal exactly when the resolved settings are.

    What a record names in `hashed_if_set` counts only where it is not empty.
    """
    tree = _tree(settings)
    for name in settings.hashed_if_set:
        if not tree[name]:
            del tree[name]
    return hashlib.sha256(msgspec.json.encode(tree, order="sorted")).hexdigest()[:16]


def check_local(name: str, folder: str | None) -> None:
    """Raises `ValueError` for a URL where only a folder can be: as a path it would be made beside the program."""
    if folder is not None and "://" in folder:
        raise ValueError(f"{name} {folder} is no local folder: name one, or where such a storage is mounted")


def differences(old: Settings, new: Settings) -> list[str]:
    """The settings in which two records of one type differ, as `path: old -> new`."""
    left, right = _flatten(_tree(old)), _flatten(_tree(new))
    return [
        f"{path}: {left.get(path)!r} -> {right.get(path)!r}"
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    ]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes `1e-3` for a string, `3:1` for 181 and `010` for 8; nobody who writes them does. Nor is a name
    that stands twice in a group taken, by which the first of them would be lost."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        is_odd = kind is yaml.ScalarNode and any(implicit) and tag in _NUMBERS and _is_odd(value)
        return self.DEFAULT_SCALAR_TAG if is_odd or tag == _DATE else tag

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for name in (name for name, _ in node.value if isinstance(name, yaml.ScalarNode)):
            if first := lines.get((name.tag, name.value)):
                twice = f"{name.value} stands twice in the same group, first in line {first}"
                raise yaml.MarkedYAMLError(problem=twice, problem_mark=name.start_mark)
            lines[name.tag, name.value] = name.start_mark.line + 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes what a reader of YAML could take for a number or a date."""


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DATE = "tag:yaml.org,2002:timestamp"


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def _is_odd(number: str) -> bool:
    """Whether it has a base that it does not show: 60 or 8."""
    digits = number.lstrip("+-").replace("_", "")
    return ":" in number or (digits.isdecimal() and digits.startswith("0") and digits != "0")


def _load_yaml(text: str) -> Any:
    return yaml.load(text, _Loader)


def _yaml_problem(error: yaml.YAMLError) -> str:
    """In one line; PyYAML takes five."""
    place = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"line {place.line + 1}, column {place.column + 1}: {problem}" if place else problem


def _override(tree: dict[str, Any], override: str) -> None:
    path, equals, value = override.partition("=")
    if not equals or not path:
        raise SettingsError(f"--set takes PATH=VALUE, for example text.gopher.min_words=20, not {override!r}")
    *parents, leaf = path.strip().split(".")
    for name in parents:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"--set {override}: {name} is a value, not a group of settings")
    try:
        tree[leaf] = _load_yaml(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {override}: not a valid value: {_yaml_problem(error)}") from None


def _tree(settings: Settings) -> Any:
    return msgspec.to_builtins(settings, str_keys=True)


def _flatten(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves.update(_flatten(value, f"{path}.{name}" if path else name))
    return leaves
