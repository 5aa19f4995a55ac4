"""The text of a page whose markup holds next to none: what its JSON-LD says, or the state that scripts draw it from.

Both are data, and of no fixed form. What is found is written as markup, which is then read as any other.
"""

import contextlib
import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pipeline.page.metadata import json_ld

#: Texts of things in JSON-LD; a description is the text itself only of things that are no texts.
_TEXTS = ("articleBody", "text", "reviewBody")
_DESCRIBED = frozenset(
    "Product ProductGroup IndividualProduct ProductModel Vehicle Accommodation Recipe Event Course JobPosting Book "
    "Movie Place LocalBusiness Hotel Restaurant Service SoftwareApplication VideoObject".split()
)
_PARTS = (
    "mainEntity recipeIngredient recipeInstructions itemListElement step acceptedAnswer suggestedAnswer comment review"
).split()
_DEEPEST = 30  # levels of data
_SENTENCE = 40  # characters of a string that may be prose
_SHARES = {list: 0.7, dict: 0.4}  # of the prose: data narrow to the part that holds so much
_PARAGRAPH = 120  # characters of each text in a list of them; messages and labels are shorter
_HOLDING, _SAYING = (
    frozenset(("children", "content")),
    ("text", "value"),
)  # of rich text: a part of other parts, of words
_MAX_STATE = 5_000_000  # bytes of a script
_STATE = re.compile(rb"(?:window|self)\.__[A-Z_]{4,40}__ ?= ?(?=[{\[])")
_TAGGED = re.compile(r"<(?:p|br|div|h[1-6]|ul|ol|li)\b[^<>]*>", re.IGNORECASE)
_ESCAPED = re.compile(r"&lt;(?:p|br|div|h[1-6]|ul|ol|li)\b", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", "…", ":", "”", '"')


def stated_text(page: bytes, scripts: list[str], images: list[str], least: int) -> tuple[str, str]:
    """Markup of the longest text that a page states, and `json_ld` or `state` for where; "" for fewer characters.

    `scripts` are those of JSON-LD; the first of `images`, which the page states, stands above the text.
    """
    said = max((_of_thing(thing) for thing in json_ld(scripts) if _is_free(thing)), key=_chars, default=[])
    source = "json_ld"
    if _chars(said) < least:
        said, source = max((_of_state(state) for state in _states(page)), key=_chars, default=[]), "state"
    if _chars(said) < least:
        return "", ""
    shown = f'<figure><img src="{html.escape(images[0])}"></figure>' if images else ""
    return f"<body><article>{shown}{''.join(map(_marked_up, said))}</article></body>", source


def _chars(texts: Iterable[str]) -> int:
    return sum(len(_TAG.sub("", text)) for text in texts)


def _marked_up(text: str) -> str:
    """A text as markup: as it is, where it is markup; else a paragraph for each line."""
    if _ESCAPED.search(text):
        text = html.unescape(text)
    if _TAGGED.search(text):
        return f"<div>{text}</div>"
    return "".join(
        f"<p>{html.escape(html.unescape(line), quote=False)}</p>" for line in map(str.strip, text.split("\n")) if line
    )


def _is_free(thing: dict[str, Any]) -> bool:
    """Whether whoever asks may read it: search engines are told texts that readers pay for."""
    return thing.get("isAccessibleForFree") not in (False, "False", "false")


def _of_thing(thing: Any, depth: int = 0) -> list[str]:
    """The texts of a thing, then those of its parts: answers, comments, steps."""
    if isinstance(thing, str):
        return [thing] if depth else []
    if depth > _DEEPEST:
        return []
    if isinstance(thing, list):
        return [text for part in thing for text in _of_thing(part, depth + 1)]
    if not isinstance(thing, dict):
        return []
    kinds = thing.get("@type")
    kinds = set(filter(lambda kind: isinstance(kind, str), kinds if isinstance(kinds, list) else [kinds]))
    names = (*_TEXTS, "description") if not kinds.isdisjoint(_DESCRIBED) else _TEXTS
    texts = [next((text for name in names if isinstance(text := thing.get(name), str) and text), "")]
    if "Question" in kinds and isinstance(name := thing.get("name"), str):
        texts.insert(0, f"<h2>{html.escape(html.unescape(name))}</h2>")
    for name in _PARTS:
        texts += _of_thing(thing.get(name), depth + 1) if name in thing else []
    return list(filter(None, texts))


def _states(page: bytes) -> Iterator[Any]:
    """The data in scripts that a page is drawn from."""
    for piece in page.split(b"</script"):
        tag, _, script = piece[max(0, piece.rfind(b"<script")) :].partition(b">")
        if b"application/json" not in tag:
            found = _STATE.search(script)
            script = script[found.end() :] if found else b""
        if 0 < len(script) <= _MAX_STATE:
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                yield msgspec.json.decode(script.strip().rstrip(b";"))


def _of_state(state: Any) -> list[str]:
    """The texts of the part of some data that holds most of their prose.

    Words of buttons and menus, and the messages of a whole site, stand under as many names; an article is one text, or
    a list of its paragraphs.
    """
    weights: dict[int, int] = {}
    _weigh(state, weights, 0)
    while isinstance(state, dict | list):
        parts = list(state.values()) if isinstance(state, dict) else state
        best = max(parts, key=lambda part: _weight(part, weights), default=None)
        if not 0 < _SHARES[type(state)] * _weight(state, weights) <= _weight(best, weights):
            break
        state = best
    if isinstance(state, dict):
        return []
    texts = list(dict.fromkeys(_texts(state)))
    return texts if sum(map(_prose, texts)) >= _PARAGRAPH * len(texts) else []


def _weigh(data: Any, weights: dict[int, int], depth: int) -> None:
    """Notes the characters of prose in some data, for all that holds other data."""
    if isinstance(data, dict | list) and depth <= _DEEPEST:
        parts = data.values() if isinstance(data, dict) else data
        for part in parts:
            _weigh(part, weights, depth + 1)
        line = _line(data)
        weights[id(data)] = _prose(line) if line else sum(_weight(part, weights) for part in parts)


def _weight(data: Any, weights: dict[int, int]) -> int:
    return weights.get(id(data), 0) if isinstance(data, dict | list) else _prose(data)


def _prose(data: Any) -> int:
    """The characters of a string that is prose or markup of it, 0 for an address, a name or a piece of code."""
    if not isinstance(data, str) or len(data) < _SENTENCE or " " not in data[:_SENTENCE] or data[0] in "{[":
        return 0
    text = _TAG.sub("", data) if "<" in data else data
    return len(text) if _TAGGED.search(data) or text.rstrip().endswith(_ENDS) else 0


def _texts(data: Any, depth: int = 0) -> Iterator[str]:
    if line := _line(data):
        data = line
    if isinstance(data, dict | list) and depth <= _DEEPEST:
        for part in data.values() if isinstance(data, dict) else data:
            yield from _texts(part, depth + 1)
    elif _prose(data):
        yield data


def _line(data: Any, depth: int = 0) -> str:
    """The words of a paragraph whose bold words and links stand in parts of their own; "" for anything else."""
    if not isinstance(data, dict):
        return ""
    parts = next((data[name] for name in _HOLDING if isinstance(data.get(name), list)), None)
    if parts is None:
        return next((data[name] for name in _SAYING if isinstance(data.get(name), str)), "") if depth else ""
    spans = [_line(part, depth + 1) for part in parts] if depth < 2 else []
    is_line = any(isinstance(part, dict) and _HOLDING.isdisjoint(part) for part in parts) and all(spans)
    return "".join(spans) if is_line else ""
