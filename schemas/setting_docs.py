"""Settings as people write them: YAML with what each is for, and the JSON schema that editors complete and check by."""

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

import msgspec

from schemas.settings import Settings, dump_line

_WIDTH = 110


def commented(settings: Settings) -> str:
    """All settings, every default written out, with their meanings; YAML that `load_settings` reads back."""
    return "\n".join(_lines(settings, msgspec.to_builtins(settings, str_keys=True), "")) + "\n"


def json_schema(kind: type[Settings]) -> dict[str, Any]:
    """The JSON schema of a file of such settings. Every setting may be left out, and a file may extend another."""
    schema = msgspec.json.schema(kind)
    definitions = schema.get("$defs", {})
    for part in _kinds(kind):
        if known := definitions.get(part.__name__, {}).get("properties"):
            for name, text in meanings(part).items():
                known[name] = {"description": text, **known[name]}
    extends = {"type": "string", "description": "The preset or the file whose settings these change."}
    top = definitions[kind.__name__]
    top["properties"] = {"extends": extends, **top["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind.__name__, **schema}


@cache
def meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The text under each field of a record, in one line."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, msgspec.Struct) and base.__module__.partition(".")[0] != "msgspec":
            found |= _meanings(base)
    return found


def _meanings(kind: type) -> dict[str, str]:
    """Of the fields that a class itself declares; nothing where its source is not at hand."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except OSError:
        return {}
    assert isinstance(body, ast.ClassDef)
    found = {}
    for pair in zip(body.body, body.body[1:], strict=False):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _lines(settings: msgspec.Struct, tree: dict[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    texts = meanings(type(settings))
    for name, value in tree.items():
        lines += [f"{indent}# {line}" for line in textwrap.wrap(texts.get(name, ""), _WIDTH - len(indent) - 2)]
        group = getattr(settings, name)
        if isinstance(group, msgspec.Struct) and value:
            lines += [f"{indent}{name}:", *_lines(group, value, f"{indent}  ")]
        else:
            lines.append(f"{indent}{name}: {dump_line(value)}")
    return lines


def _kinds(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """A record and all records in it."""
    found, waiting = {kind}, [kind]
    while waiting:
        for field in msgspec.structs.fields(waiting.pop()):
            new = {part for part in _parts(field.type) if part not in found}
            found |= new
            waiting += new
    return found


def _parts(annotation: Any) -> set[type[msgspec.Struct]]:
    """The records in a type."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return {annotation}
    return {part for inner in getattr(annotation, "__args__", ()) for part in _parts(inner)}
