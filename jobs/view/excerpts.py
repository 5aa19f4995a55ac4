"""A few lines of a long text: where it holds what is searched for, and what of them that is."""

import re
from collections.abc import Sequence

_LENGTH, _BEFORE = 400, 80  # characters


def excerpt_of(texts: Sequence[str], words: Sequence[str]) -> list[tuple[str, bool]]:
    """The part of the texts with most of the words, in pieces with whether each is one; else how prose begins."""
    pattern = _pattern(words)
    if pattern:
        best = max(texts, key=lambda text: len({hit.group().casefold() for hit in pattern.finditer(text)}), default="")
        if hit := pattern.search(best):
            return _pieces(_cut(best, hit.start()), pattern)
    prose = [text for text in texts if text.strip() and not text.startswith("#")]
    return [(_cut(prose[0], 0), False)] if prose else []


def _pattern(words: Sequence[str]) -> re.Pattern[str] | None:
    """Each word literally, its spaces any; only at the beginning of a word where it begins with a letter of one."""
    parts = [r"\s+".join(map(re.escape, word.split())) for word in words if word.split()]
    return (
        re.compile(r"(?<!\w)(?:" + "|".join(parts) + r")|(?:" + "|".join(_unspaced(parts)) + ")", re.I)
        if parts
        else None
    )


def _unspaced(parts: Sequence[str]) -> list[str]:
    """Words of scripts without spaces stand anywhere; a pattern that never matches where there are none."""
    return [part for part in parts if any(ord(character) > 0x0E00 for character in part)] or ["(?!)"]


def _cut(text: str, at: int) -> str:
    start = max(0, at - _BEFORE)
    if start:
        start = text.rfind(" ", max(0, start - 30), start) + 1 or start
    cut = text[start : start + _LENGTH]
    return f"{'… ' if start else ''}{cut}{' …' if start + _LENGTH < len(text) else ''}"


def _pieces(text: str, pattern: re.Pattern[str]) -> list[tuple[str, bool]]:
    pieces, at = [], 0
    for hit in pattern.finditer(text):
        pieces += [(text[at : hit.start()], False), (hit.group(), True)]
        at = hit.end()
    return [(piece, is_hit) for piece, is_hit in [*pieces, (text[at:], False)] if piece]
