"""How the samples of a filter are spread, as bars that lead to the samples behind them."""

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web

from jobs.view.browse import list_link
from jobs.view.context import CONTEXT
from jobs.view.filters import Filter, read_filter
from jobs.view.library import Library

#: Name in the address -> column and words of what is counted in steps of 1, 2, 5, 10, 20, 50, ...
_COUNTED = {
    "images": ("num_images", "Images"),
    "words": ("num_words", "Words"),
    "width": ("width", "Width, pixels"),
    "height": ("height", "Height, pixels"),
}
#: Columns of numbers with fractions, their words, and the bounds of their bars.
MEASURED = {
    "duration_s": ("Seconds", (0, 1, 2, 5, 10, 15, 20, 30, 60)),
    "confidence": ("Confidence of the extraction", tuple(number / 10 for number in range(11))),
}
_NAMED = {"language": "Language", "domain": "Domain", "licence": "Licence", "caption_source": "Source of the caption"}
STEPS = (0, *(step * 10**power for power in range(8) for step in (1, 2, 5)))
_BARS = 12
_MONTHS = 36


class Bar(msgspec.Struct, frozen=True):
    """So many samples, and the list of them."""

    label: str
    count: int
    link: str


class Distribution(msgspec.Struct, frozen=True):
    """Of one fact. `others` are samples in no bar."""

    name: str
    bars: list[Bar]
    others: int

    @property
    def largest(self) -> int:
        return max((bar.count for bar in self.bars), default=0)


async def distributions(request: web.Request) -> web.Response:
    """All that the kind has columns for; with `part` only the bars, for the overview to take in."""
    context, kind = request.app[CONTEXT], request.match_info["kind"]
    if kind not in context.library.kinds:
        raise web.HTTPNotFound(reason=f"this dataset has no {kind}")
    chosen = read_filter(request.query)
    found = await asyncio.to_thread(spread, context.library, kind, chosen)
    template = "bars.html" if "part" in request.query else "distributions.html"
    return context.render(
        request, template, kind=kind, chosen=chosen, found=found, up=list_link(kind, chosen, 1), query=chosen.query()
    )


def spread(library: Library, kind: str, chosen: Filter) -> list[Distribution]:
    """Raises `QueryError` for a condition that is none."""
    columns = library.columns[kind]
    found = [
        _counted(library, kind, chosen, name, column, words)
        for name, (column, words) in _COUNTED.items()
        if column in columns
    ]
    found += [
        _measured(library, kind, chosen, column, words, bounds)
        for column, (words, bounds) in MEASURED.items()
        if column in columns
    ]
    found += [_named(library, kind, chosen, column, words) for column, words in _NAMED.items() if column in columns]
    if "fetch_time" in columns:
        found.append(_months(library, kind, chosen))
    return [one for one in found if len(one.bars) > 1 or (one.bars and one.others)]


def _counted(library: Library, kind: str, chosen: Filter, name: str, column: str, words: str) -> Distribution:
    counts = _in_steps(library, kind, chosen, column, STEPS)
    bars = []
    for step, low in enumerate(STEPS):
        if count := counts.get(step + 1, 0):
            high = STEPS[step + 1] - 1 if step + 1 < len(STEPS) else None
            changed = _narrowed(chosen, name, low, high)
            label = f"{low:,}" if high == low else f"{low:,} – {high:,}" if high is not None else f"{low:,} and more"
            bars.append(Bar(label, count, list_link(kind, changed, 1)))
    return Distribution(words, bars, sum(counts.values()) - sum(bar.count for bar in bars))


def _narrowed(chosen: Filter, name: str, low: float, high: float | None) -> Filter:
    lows, highs = {**chosen.low, name: float(low)}, dict(chosen.high)
    if high is not None:
        highs[name] = float(high)
    return msgspec.structs.replace(chosen, low=lows, high=highs)


def _measured(
    library: Library, kind: str, chosen: Filter, column: str, words: str, bounds: Sequence[float]
) -> Distribution:
    counts = _in_steps(library, kind, chosen, column, bounds)
    bars = []
    for step, low in enumerate(bounds):
        if count := counts.get(step + 1, 0):
            high = bounds[step + 1] if step + 1 < len(bounds) else None
            condition = f"{column} >= {low:g}" + (f" AND {column} < {high:g}" if high is not None else "")
            label = f"{low:g} – {high:g}" if high is not None else f"{low:g} and more"
            bars.append(Bar(label, count, list_link(kind, _with_condition(chosen, condition), 1)))
    return Distribution(words, bars, sum(counts.values()) - sum(bar.count for bar in bars))


def _with_condition(chosen: Filter, condition: str) -> Filter:
    both = f"(\n{chosen.condition}\n) AND {condition}" if chosen.condition else condition
    return msgspec.structs.replace(chosen, condition=both)


def _in_steps(library: Library, kind: str, chosen: Filter, column: str, bounds: Sequence[float]) -> dict[int, int]:
    """How many lie from bound n - 1 on, and below the next, by n; 0: below all, or unknown."""
    where, values = library.where(kind, chosen)
    sql = f"SELECT len(list_filter(?, lambda bound: bound <= {column})) AS n, count(*) FROM {kind} {where} GROUP BY 1"
    rows = library.index.ask(sql, [[float(bound) for bound in bounds], *values]).rows
    counts: dict[int, int] = {}
    for step, count in rows:
        counts[int(step or 0)] = counts.get(int(step or 0), 0) + int(count)
    return counts


def _named(library: Library, kind: str, chosen: Filter, column: str, words: str) -> Distribution:
    where, values = library.where(kind, chosen)
    sql = f"SELECT {column}, count(*) n FROM {kind} {where} GROUP BY 1 ORDER BY n DESC, 1"
    rows = library.index.ask(sql, values, limit=_BARS).rows
    bars = []
    for value, count in rows:
        if value:
            changed = msgspec.structs.replace(chosen, equal={**chosen.equal, column: str(value)})
            bars.append(Bar(str(value), int(count), list_link(kind, changed, 1)))
    return Distribution(words, bars, library.count(kind, chosen) - sum(bar.count for bar in bars))


def _months(library: Library, kind: str, chosen: Filter) -> Distribution:
    where, values = library.where(kind, chosen)
    sql = f"SELECT substr(fetch_time, 1, 7) AS month, count(*) FROM {kind} {where} GROUP BY 1 ORDER BY 1 DESC"
    bars = []
    for month, count in reversed(library.index.ask(sql, values, limit=_MONTHS).rows):
        if month:
            changed = msgspec.structs.replace(chosen, since=str(month), until=str(month))
            bars.append(Bar(str(month), int(count), list_link(kind, changed, 1)))
    return Distribution("Month of capture", bars, library.count(kind, chosen) - sum(bar.count for bar in bars))
