"""Lines of the source that a page shows as lines, by `white-space` in a style or by Tailwind's class for it.

Poems, addresses, messages and code outside `<pre>` are written so. Style sheets are not read.
"""

import re
from collections.abc import Mapping, Sequence

#: In the attributes of elements that may say so.
SETTING = "white"
_SET = re.compile(
    r'white(?:-space\s*:\s*|(?<=[" ]white)space-)(pre|pre-line|pre-wrap|break-spaces|normal|nowrap)(?=[\s;"!])'
)
_COLLAPSING = ("normal", "nowrap")
_LINE = re.compile(r"\n([ \t]*+)")
_AS_IT_IS = frozenset(("pre", "textarea"))  # their lines are kept whatever their style says
_BREAK, _INDENT, _TAB = "\u2028", "\xa0", 4


def sets_lines(written: str) -> bool:
    """Whether attributes say that lines of the source are kept."""
    return any(map(_keeps, _SET.finditer(written)))


def keep_lines(texts: list[str], tags: Sequence[str | None], written: Sequence[str], ends: Mapping[int, int]) -> None:
    """Ends of lines that are shown become what a `<br>` is to a walk; `ends` has the end of each element.

    Spaces behind them become no-break spaces, which only code keeps.
    """
    around: list[tuple[int, bool]] = []  # of the open elements that say so: their end, and whether lines are kept
    raw = -1  # where the last `<pre>` ends
    for at, (tag, said) in enumerate(zip(tags, written, strict=False)):
        while around and at > around[-1][0]:
            around.pop()
        if around and around[-1][1] and at > raw and "\n" in texts[at]:
            texts[at] = _LINE.sub(_as_break, texts[at].replace("\r", ""))
        if tag in _AS_IT_IS:
            raw = max(raw, ends.get(at, raw))
        elif said and "white" in said and at in ends and (found := _SET.search(said)):
            around.append((ends[at], _keeps(found)))


def _keeps(found: re.Match[str]) -> bool:
    return found[1] not in _COLLAPSING


def _as_break(found: re.Match[str]) -> str:
    return _BREAK + _INDENT * len(found[1].expandtabs(_TAB))
