"""Every regular expression of weft, and strings that each of them finds hard."""

import ast
import importlib
import itertools
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import crawlers
import jobs
import model
import pipeline
import schemas
import weft

PACKAGES = (schemas, crawlers, pipeline, model, jobs, weft)
#: Methods that look for a match from every place of a string on; the others from its start alone.
SCANNING = frozenset(("search", "finditer", "findall", "sub", "subn", "split"))
_METHODS = SCANNING | {"match", "fullmatch"}
_FLAGS_AT = {"compile": 1, "split": 3, "sub": 4, "subn": 4}  # of the arguments of a call of `re`; else the third


class Used(NamedTuple):
    """A pattern, where it stands, and the methods that it is used by."""

    name: str  # pipeline.captions._SLUG, or pipeline.captions:74 for one that is written in a call
    pattern: re.Pattern[Any]
    methods: frozenset[str]


_NAMES_RE = re.compile(r"^\s*(?:import|from)\b.*\bre\b", re.MULTILINE)


class Unknown(NamedTuple):
    """A call of `re` whose pattern is known only as it runs."""

    module: str
    call: str


def sources() -> Iterator[tuple[str, str]]:
    """Names and sources of all modules of weft."""
    for package in PACKAGES:
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            name = ".".join([package.__name__, *path.relative_to(package.__path__[0]).with_suffix("").parts])
            yield name.removesuffix(".__init__"), path.read_text("utf-8")


@cache
def patterns_of_weft() -> tuple[list[Used], list[Unknown]]:
    """Patterns that modules hold, at any depth of their containers, and those that are written in calls of `re`."""
    found: dict[tuple[Any, int], tuple[str, re.Pattern[Any], set[str]]] = {}
    unknown: list[Unknown] = []
    trees = {name: list(ast.walk(ast.parse(source))) for name, source in sources() if _NAMES_RE.search(source)}
    trees = {name: nodes for name, nodes in trees.items() if _import_re(nodes)}
    for name, nodes in trees.items():
        module, uses = importlib.import_module(name), _uses(nodes)
        for held, value in vars(module).items():
            for pattern in _patterns_in(value):
                key = (pattern.pattern, pattern.flags)
                found.setdefault(key, (f"{name}.{held}", pattern, set()))[2].update(uses.get(held, ()))
        for call in _calls_of_re(nodes):
            try:
                pattern, methods = _called(module, call)
                key = (pattern.pattern, pattern.flags)
                found.setdefault(key, (f"{name}:{call.lineno}", pattern, set()))[2].update(methods)
            except NameError:
                unknown.append(Unknown(name, ast.unparse(call)))
    return [Used(name, pattern, frozenset(used or _METHODS)) for name, pattern, used in found.values()], unknown


def _import_re(nodes: Iterable[ast.AST]) -> bool:
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in imports), "say re.compile"
    return any(alias.name == "re" for node in imports for alias in node.names)


def _patterns_in(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from _patterns_in(list(value) + list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _patterns_in(part)


def _uses(nodes: Iterable[ast.AST]) -> dict[str, set[str]]:
    """The methods of a pattern that are called on each name; what is handed on may be used by any of them."""
    owners: set[int] = set()
    uses: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _METHODS:
            owners.add(id(node.value))
            uses.setdefault(node.value.id, set()).add(node.attr)
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in owners:
            uses.setdefault(node.id, set()).update(_METHODS)
    return uses


def _calls_of_re(nodes: Iterable[ast.AST]) -> Iterator[ast.Call]:
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            is_of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            if is_of_re and node.func.attr in (*_METHODS, "compile"):
                yield node


def _called(module: ModuleType, call: ast.Call) -> tuple[re.Pattern[Any], frozenset[str]]:
    """The pattern that is written in a call of `re`; raises `NameError` if it is made as the call runs."""
    assert isinstance(call.func, ast.Attribute)
    method = call.func.attr
    at = _FLAGS_AT.get(method, 2)
    flags = next((keyword.value for keyword in call.keywords if keyword.arg == "flags"), None)
    flags = flags or (call.args[at] if len(call.args) > at else ast.Constant(0))
    given, number = (eval(ast.unparse(part), dict(vars(module))) for part in (call.args[0], flags))
    return re.compile(given, number), frozenset() if method == "compile" else frozenset((method,))


# What a pattern finds hard

_Tree = Iterable[tuple[Any, Any]]
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_ATOMS = ("LITERAL", "NOT_LITERAL", "IN", "ANY")
_COMMON = " \t\n\r\x0b\u00a0aAzZfF059_-.,:;/@%<>\"'()[]{}&=+*#?!|\\~$^é٣字"
_CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
_MOST = 24  # samples of one part of a pattern


class Hard:
    """Strings of about a given length, made of what a pattern repeats, with ends at which it fails."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        self._is_bytes, self._flags = isinstance(pattern.pattern, bytes), pattern.flags
        self._tree: Any = re._parser.parse(pattern.pattern, pattern.flags)  # type: ignore[attr-defined]
        self._atoms = list(dict.fromkeys(map(repr, _atoms_of(self._tree))))
        nodes = {repr(node): node for node in _atoms_of(self._tree)}
        literals = {chr(code) for node in nodes.values() for code in _codes(node)}
        self._letters: dict[tuple[bool, ...], str] = {}  # one of each kind that the pattern tells apart
        for letter in [*_COMMON, *sorted(literals)]:
            if not (self._is_bytes and ord(letter) > 255):
                signature = tuple(self._accepts(nodes[atom], letter) for atom in self._atoms)
                self._letters.setdefault(signature, letter)

    def parts(self) -> set[tuple[str, str, str]]:
        """(before, repeated, after): a string is the first, the second as often as wanted, the third."""
        kinds = sorted(self._letters, key=sum, reverse=True)
        letters = [self._letters[kind] for kind in kinds]
        ends = dict.fromkeys(("", letters[-1], "\n", "!", letters[0], f" {letters[0]}", " !"))
        found = {("", letter, end) for letter in letters for end in ends}
        found |= {
            ("", "".join(pair), end) for pair in itertools.permutations(letters[:8], 2) for end in ("", letters[-1])
        }
        for before, repeated in self._repeats(self._tree, [""]):
            found |= {(before, repeated, end) for end in ends} | {("", before + repeated, end) for end in ends}
            found |= {(before + first * 500, repeated, letters[-1]) for first in letters[:4]}
            found |= {("", before, end) for end in ends}
        return {parts for parts in found if parts[1]}

    def text(self, parts: tuple[str, str, str], length: int) -> Any:
        before, repeated, after = parts
        text = before + repeated * max(1, (length - len(before)) // len(repeated)) + after
        return text.encode("latin-1", "replace") if self._is_bytes else text

    def _repeats(self, tree: _Tree, before: list[str]) -> Iterator[tuple[str, str]]:
        """What is repeated anywhere in the pattern, each with some texts that lead to it."""
        for node in tree:
            name = str(node[0])
            for inner in _inside(node):
                if name in _REPEATS and node[1][1] > 1:
                    for repeated in self._samples(inner):
                        for leading in before[:3]:
                            yield leading, repeated
                yield from self._repeats(inner, before)
            if name not in ("ASSERT", "ASSERT_NOT", "AT"):
                before = _joined(before, self._of(node))[:_MOST]

    def _samples(self, tree: _Tree) -> list[str]:
        samples = [""]
        for node in tree:
            samples = _joined(samples, self._of(node))
        return list(dict.fromkeys(samples))

    def _of(self, node: tuple[Any, Any]) -> list[str]:
        name = str(node[0])
        if name in _ATOMS:
            matching = [letter for letter in self._letters.values() if self._accepts(node, letter)]
            return matching[:6] or [chr(code) for code in _codes(node)][:1] or [""]
        inner = [sample for tree in _inside(node) for sample in self._samples(tree)]
        if name in _REPEATS:
            least, most = node[1][0], node[1][1]
            repeated = [sample * max(1, least) for sample in inner] if most else []
            return (repeated if least else [*repeated, ""])[:_MOST]
        return [""] if name in ("ASSERT", "ASSERT_NOT", "AT") else inner[:_MOST] or [""]

    def _accepts(self, node: tuple[Any, Any], letter: str) -> bool:
        name, value = str(node[0]), node[1]
        fold = {letter, letter.lower(), letter.upper()} if self._flags & re.IGNORECASE else {letter}
        if name == "ANY":
            return letter != "\n" or bool(self._flags & re.DOTALL)
        if name in ("LITERAL", "NOT_LITERAL"):
            return (chr(value) in fold) == (name == "LITERAL")
        is_negated = str(value[0][0]) == "NEGATE"
        return is_negated != any(self._is_in(part, fold) for part in value if str(part[0]) != "NEGATE")

    def _is_in(self, part: tuple[Any, Any], fold: set[str]) -> bool:
        name, value = str(part[0]), part[1]
        if name == "LITERAL":
            return chr(value) in fold
        if name == "RANGE":
            return any(len(one) == 1 and value[0] <= ord(one) <= value[1] for one in fold)
        kind, is_not = str(value).removeprefix("CATEGORY_").replace("NOT_", ""), "NOT_" in str(value)
        flags = re.ASCII if self._is_bytes or self._flags & re.ASCII else 0
        return is_not != any(bool(re.match(_CATEGORIES[kind], one, flags)) for one in fold)


def _inside(node: tuple[Any, Any]) -> list[_Tree]:
    """The parts of a pattern that a node of its tree holds."""
    name, value = str(node[0]), node[1]
    if name in _REPEATS:
        return [value[2]]
    if name == "SUBPATTERN":
        return [value[3]]
    if name == "BRANCH":
        return list(value[1])
    if name in ("ASSERT", "ASSERT_NOT"):
        return [value[1]]
    return [value] if name == "ATOMIC_GROUP" else []


def _atoms_of(tree: _Tree) -> Iterator[tuple[Any, Any]]:
    for node in tree:
        if str(node[0]) in _ATOMS:
            yield node
        for inner in _inside(node):
            yield from _atoms_of(inner)


def _codes(node: tuple[Any, Any]) -> Iterator[int]:
    name, value = str(node[0]), node[1]
    if name in ("LITERAL", "NOT_LITERAL"):
        yield value
    elif name == "IN":
        for part, inside in value:
            yield from {"LITERAL": [inside], "RANGE": inside}.get(str(part), []) if str(part) != "NEGATE" else []


def _joined(first: list[str], second: list[str]) -> list[str]:
    """Some of all pairs, so that each of both lists is in one."""
    pairs = list(itertools.product(first, second))
    step = max(1, len(pairs) // _MOST)
    return list(dict.fromkeys("".join(pair) for pair in pairs[::step] + list(zip(first, itertools.cycle(second)))))
