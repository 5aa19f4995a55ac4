"""Two builds compared by address, as pages: what was gained, lost and changed, and how samples of both are spread."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from jobs.dataset.compare import SAME, STATES, Compared
from jobs.dataset.index import Index
from jobs.view.browse import counted_page
from jobs.view.context import CONTEXT
from jobs.view.distributions import MEASURED, STEPS
from jobs.view.filters import page_number
from schemas.drops import meaning_of

_PAGE = 100
_BARS = 14
#: Columns of a list of changes that are told from old to new.
_WORDS = {
    "num_images": "Images", "num_words": "Words", "width": "Width, pixels", "height": "Height, pixels",
    "duration_s": "Seconds", "confidence": "Confidence of the extraction", "language": "Language", "domain": "Domain",
    "licence": "Licence", "caption_source": "Source of the caption",
}  # fmt: skip
_BOUNDS: dict[str, Sequence[float]] = {
    **dict.fromkeys(("num_images", "num_words", "width", "height"), STEPS),
    **{column: bounds for column, (_, bounds) in MEASURED.items()},
}


class Bar(msgspec.Struct, frozen=True):
    """So many samples here, and there."""

    label: str
    new: int
    old: int

    @property
    def difference(self) -> int:
        return self.new - self.old


class Spread(msgspec.Struct, frozen=True):
    """Of one fact, both datasets on one axis."""

    name: str
    bars: list[Bar]

    @property
    def largest(self) -> int:
        return max((max(bar.new, bar.old) for bar in self.bars), default=1)


async def first(request: web.Request) -> web.Response:
    """To the first kind."""
    raise web.HTTPFound(f"/compare/{_found(request, '').kind}")


async def compared(request: web.Request) -> web.Response:
    """The counts of a kind and how both are spread; with `state` a page of those gained, lost or changed."""
    context, query = request.app[CONTEXT], request.query
    found = _found(request, request.match_info["kind"])
    chosen = {name: query.get(name, "").strip() for name in ("state", "reason", "change", "q")}
    chosen["state"] = chosen["state"] if chosen["state"] in STATES else ""
    number = page_number(query)
    index = context.library.index
    rows: list[dict[str, Any]] = []
    count, spreads, groups = 0, list[Spread](), list[tuple[str, int]]()
    if chosen["state"]:
        sql, values = _listed(found, chosen)
        page, count = await asyncio.to_thread(counted_page, context, sql, values, number, _PAGE)
        rows = page.dicts()
        groups = await asyncio.to_thread(_groups, index, found, chosen["state"])
    else:
        spreads = await asyncio.to_thread(spread, index, found)

    def link(**changed: Any) -> str:
        asked = urlencode({name: value for name, value in {**chosen, **changed}.items() if value not in ("", 1)})
        return f"/compare/{found.kind}{'?' if asked else ''}{asked}"

    return context.render(
        request,
        "compare.html",
        found=found,
        others=[one.kind for one in context.compared],
        other_url=context.compared_with,
        states=STATES,
        chosen=chosen,
        rows=rows,
        count=count,
        groups=groups,
        group_name="change" if chosen["state"] == "changed" else "reason",
        spreads=spreads,
        words=_WORDS,
        number=number,
        pages=max(1, -(-count // _PAGE)),
        link=link,
        meaning_of=meaning_of,
        told=told,
    )


def _found(request: web.Request, kind: str) -> Compared:
    context = request.app[CONTEXT]
    if not context.compared:
        raise web.HTTPNotFound(reason=f"weft view {context.store.url} --compare OTHER compares two builds")
    for one in context.compared:
        if kind in ("", one.kind):
            return one
    raise web.HTTPNotFound(reason=f"neither dataset has {kind}")


def _listed(found: Compared, chosen: dict[str, str]) -> tuple[str, list[Any]]:
    parts, values = ["state = ?"], [chosen["state"]]
    if chosen["reason"]:
        parts, values = [*parts, "reason = ?"], [*values, chosen["reason"]]
    if chosen["change"]:
        parts, values = [*parts, "list_contains(changes, ?)"], [*values, chosen["change"]]
    if chosen["q"]:
        parts, values = [*parts, "contains(lower(url), ?)"], [*values, chosen["q"].lower()]
    return f"SELECT * FROM {found.table} WHERE {' AND '.join(parts)} ORDER BY url, key, old_key", values


def _groups(index: Index, found: Compared, state: str) -> list[tuple[str, int]]:
    """Of a state its reasons, or what has changed, with their counts; the most frequent first."""
    if state == SAME:
        return []
    what = "unnest(changes)" if state == "changed" else "reason"
    rows = f"SELECT {what} AS what FROM {found.table} WHERE state = ?"
    sql = f"SELECT what, count(*) AS n FROM ({rows}) GROUP BY 1 ORDER BY n DESC, 1"
    return [(str(name), int(count)) for name, count in index.ask(sql, [state]).rows]


def told(row: dict[str, Any], name: str) -> str:
    """`old → new` of a column that has changed; "" of one that is not shown."""
    if f"new_{name}" not in row:
        return ""
    old, new = (
        f"{value:,}" if isinstance(value, int) else str(value) for value in (row[f"old_{name}"], row[f"new_{name}"])
    )
    return f"{old} → {new}"


def spread(index: Index, found: Compared) -> list[Spread]:
    """Of each fact that both have. Raises `QueryError`."""
    spreads = []
    for column, words in _WORDS.items():
        if column in found.columns and not (column == "num_images" and found.kind == "pairs"):
            bars = _in_steps(index, found, column) if column in _BOUNDS else _named(index, found, column)
            spreads.append(Spread(words, bars))
    return [one for one in spreads if len(one.bars) > 1]


def _in_steps(index: Index, found: Compared, column: str) -> list[Bar]:
    bounds = [float(bound) for bound in _BOUNDS[column]]

    def counts(side: str) -> dict[int, int]:
        at = f"len(list_filter(?, lambda bound: bound <= {side}_{column}))"
        sql = f"SELECT {at} AS n, count(*) FROM {found.table} WHERE {side}_{column} IS NOT NULL GROUP BY 1"
        return {int(step): int(count) for step, count in index.ask(sql, [bounds]).rows}

    new, old = counts("new"), counts("old")
    return [
        Bar(_label(bounds, step - 1, column in MEASURED), new.get(step, 0), old.get(step, 0))
        for step in range(1, len(bounds) + 1)
        if new.get(step) or old.get(step)
    ]


def _label(bounds: Sequence[float], step: int, is_measured: bool) -> str:
    low = bounds[step]
    if step + 1 == len(bounds):
        return f"{low:,g} and more"
    high = bounds[step + 1] - (0 if is_measured else 1)
    return f"{low:,.0f}" if high == low else f"{low:,g} – {high:,g}" if is_measured else f"{low:,.0f} – {high:,.0f}"


def _named(index: Index, found: Compared, column: str) -> list[Bar]:
    """The values that are most frequent in both together."""
    sides = [
        f"SELECT {side}_{column} AS name, count(*) AS {side}, 0 AS {other} FROM {found.table} "
        f"WHERE {key} IS NOT NULL GROUP BY 1"
        for side, other, key in (("new", "old", "key"), ("old", "new", "old_key"))
    ]
    sql = (
        f"SELECT name, sum(new) AS new, sum(old) AS old FROM ({' UNION ALL BY NAME '.join(sides)}) "
        "GROUP BY 1 ORDER BY sum(new) + sum(old) DESC, 1"
    )
    rows = index.ask(sql, limit=_BARS).rows
    return [Bar(str(name or "(none)"), int(new), int(old)) for name, new, old in rows]
