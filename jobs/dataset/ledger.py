"""What was said about use, over a whole dataset: how many things had each signal, were refused, and passed as what.

A thing is a page, an image of a page, the image of a pair, or a video; the signals of those that were kept stand in the
index, the one that refused stands in the rows of drops. Counted by DuckDB where the dataset lies; memory grows with the
number of signals, not of things.
"""

from collections.abc import Iterator
from typing import get_args

import msgspec

from jobs.dataset.index import Index
from schemas.dataset import Dataset
from schemas.kinds import CLIPS, INTERLEAVED, KINDS, PAIRS
from schemas.signals import SIGNALS, Verdict

#: Reasons of drops that are a refusal, and what refused where that is no signal of `SIGNALS`.
REFUSALS = {
    "opt_out": "",
    "robots": "",
    "robots_unavailable": "robots.txt that could not be had",
    "no_opt_in": "nothing that says yes",
    "denied": "deny list",
    "hash_listed": "hash list",
    "presigned": "a key in the address",
}
#: What was dropped by the build, and by the crawl before it where that is known.
DROPS = "(SELECT * FROM drops UNION ALL BY NAME SELECT * FROM crawl_drops)"
#: Files of a site that refuse visits.
_FILES = ("robots.txt", "ai.txt")
_SAID = "STRUCT(subject VARCHAR, signal VARCHAR, origin VARCHAR, value VARCHAR, verdict VARCHAR, time VARCHAR)[]"
_ORDER = ("no", "conditional", "yes", "unknown")  # the most restrictive first
_SILENT, _UNRECORDED = len(_ORDER) + 1, len(_ORDER) + 2
_RANK = f"coalesce(list_position({list(_ORDER)}, s.verdict), {len(_ORDER)})"

assert set(_ORDER) == set(get_args(Verdict))


class SignalCounts(msgspec.Struct, frozen=True):
    """Things with a signal. One that has it several times counts once, by the most restrictive."""

    signal: str
    refused: int = 0
    passed: dict[str, int] = {}  # by what it said: yes, conditional, no (that the settings do not honour), unknown

    @property
    def seen(self) -> int:
        return self.refused + sum(self.passed.values())


class ThingCounts(msgspec.Struct, frozen=True):
    """One sort of thing. `kept` is `silent` plus `unrecorded` plus all of `passed`."""

    thing: str  # as in drops: page, image, pair, video, ...
    kept: int
    passed: dict[str, int]  # by all its signals together
    silent: int  # nothing was said of it
    unrecorded: int  # of samples without a record of signals, from before there was one
    refused: int
    signals: list[SignalCounts]
    otherwise: dict[str, int]  # refused by what is no signal: lists, or because nothing said yes


def ledger(index: Index) -> list[ThingCounts]:
    """Of each sort of thing that the dataset holds or refused."""
    refused = _refused(index)
    kept = dict(_kept(index))
    order = ("page", "image", "pair", "video", "clip", "record", "visit")
    found = [thing for thing in order if thing in kept or thing in refused]
    found += sorted(set(refused) - set(order))
    return [_counts(thing, kept.get(thing), refused.get(thing, {})) for thing in found]


def disagreements(index: Index, dataset: Dataset | None) -> list[str]:
    """Refusals of which `dataset.json` counts another number than there are rows of drops; none is what should be."""
    if dataset is None:
        return []
    rows = index.table("SELECT kind, reason, count(*) AS n FROM drops GROUP BY ALL").to_pylist()
    found = {(row["kind"], row["reason"]): int(row["n"]) for row in rows if row["reason"] in REFUSALS}
    stated = {(kind, one): n for kind, of in dataset.drops.items() for one, n in of.items() if one in REFUSALS}
    return [
        f"{kind} {reason}: {stated.get(which, 0):,} in dataset.json, {found.get(which, 0):,} in drops/"
        for which in sorted(found.keys() | stated.keys())
        for kind, reason in [which]
        if found.get(which, 0) != stated.get(which, 0)
    ]


def refused_by() -> str:
    """SQL: by what a row of `drops` was refused, a name of `SIGNALS` or a file; "" where the detail does not say."""
    names = ", ".join(f"'{name}'" for name in SIGNALS)
    files = " ".join(f"WHEN reason = 'robots' AND starts_with(detail, '{name}') THEN '{name}'" for name in _FILES)
    return (
        f"CASE WHEN reason = 'opt_out' AND split_part(detail, ': ', 1) IN ({names}) THEN split_part(detail, ': ', 1) "
        f"WHEN reason = 'opt_out' AND starts_with(detail, 'tdmrep.json') THEN 'tdm-reservation' "
        f"WHEN reason = 'opt_out' AND contains(detail, 'X-Robots-Tag') THEN 'robots' {files} ELSE '' END"
    )


def signals_of(index: Index, kind: str, subject: str) -> str:
    """SQL: the signals of one subject of a row; NULL where the dataset has no record of them."""
    if "signals" not in index.columns(kind):
        return f"CAST(NULL AS {_SAID})"
    return f"[s FOR s IN signals IF s.subject = {subject}]"


def _kept(index: Index) -> Iterator[tuple[str, tuple[dict[str, dict[str, int]], dict[int, int]]]]:
    """Per thing its counts by signal and verdict, and by the rank of all signals together."""
    if pages := " UNION ALL ".join(_pages(index, kind) for kind in index.kinds):
        yield "page", _tally(index, pages)
    if INTERLEAVED.name in index.kinds:
        said = signals_of(index, INTERLEAVED.name, "CAST(number AS VARCHAR)")
        images = f"SELECT 0 AS id, {said} AS said FROM (SELECT *, unnest(range(num_images)) AS number FROM interleaved)"
        yield "image", _tally(index, images, distinct=False)
    if PAIRS.name in index.kinds:
        said = signals_of(index, PAIRS.name, "'0'")
        yield "pair", _tally(index, f"SELECT 0 AS id, {said} AS said FROM pairs", distinct=False)
    if CLIPS.name in index.kinds:
        said = signals_of(index, CLIPS.name, "'0'")
        yield "video", _tally(index, f"SELECT md5_number(url) AS id, {said} AS said FROM clips")


def _pages(index: Index, kind: str) -> str:
    """A page may have given samples of several kinds, and several of one: it is one page by its address."""
    address = KINDS[kind].page_column
    said = signals_of(index, kind, "'page'")
    return f"SELECT md5_number({address}) AS id, {said} AS said FROM {kind} WHERE {address} <> ''"


def _tally(index: Index, things: str, distinct: bool = True) -> tuple[dict[str, dict[str, int]], dict[int, int]]:
    """Of rows of `id` and `said`; `distinct`: rows of the same id are one thing."""
    worst = f"list_min([{_RANK} FOR s IN said])"
    overall = f"SELECT id, CASE WHEN said IS NULL THEN {_UNRECORDED} ELSE coalesce({worst}, {_SILENT}) END AS rank"
    each = (
        f"SELECT id, name, list_min([{_RANK} FOR s IN said IF s.signal = name]) AS rank FROM "
        f"(SELECT id, said, unnest(list_distinct([s.signal FOR s IN said])) AS name FROM ({things}))"
    )
    overall = f"{overall} FROM ({things})"
    if distinct:  # numbers alone are grouped: what does not fit goes to disk
        overall = f"SELECT id, min(rank) AS rank FROM ({overall}) GROUP BY id"
        each = f"SELECT id, name, min(rank) AS rank FROM ({each}) GROUP BY id, name"
    signals: dict[str, dict[str, int]] = {}
    for row in index.table(f"SELECT name, rank, count(*) AS n FROM ({each}) GROUP BY ALL").to_pylist():
        signals.setdefault(row["name"], {})[_ORDER[row["rank"] - 1]] = int(row["n"])
    ranks = index.table(f"SELECT rank, count(*) AS n FROM ({overall}) GROUP BY ALL").to_pylist()
    return signals, {int(row["rank"]): int(row["n"]) for row in ranks}


def _refused(index: Index) -> dict[str, dict[tuple[str, str], int]]:
    """Per kind of what was dropped, by reason and what refused."""
    reasons = ", ".join(f"'{reason}'" for reason in REFUSALS)
    chosen = f"SELECT kind, reason, {refused_by()} AS signal FROM {DROPS} WHERE reason IN ({reasons})"
    sql = f"SELECT kind, reason, signal, count(*) AS n FROM ({chosen}) GROUP BY ALL"
    found: dict[str, dict[tuple[str, str], int]] = {}
    for row in index.table(sql).to_pylist():
        found.setdefault(row["kind"], {})[row["reason"], row["signal"]] = int(row["n"])
    return found


def _counts(
    thing: str,
    kept: tuple[dict[str, dict[str, int]], dict[int, int]] | None,
    refused: dict[tuple[str, str], int],
) -> ThingCounts:
    signals, ranks = kept or ({}, {})
    by_signal = {by: n for (_, by), n in sorted(refused.items()) if by}
    names = [*SIGNALS, *_FILES]
    names += sorted((signals.keys() | by_signal.keys()) - set(names))
    otherwise: dict[str, int] = {}
    for (reason, by), n in refused.items():
        if not by:
            name = REFUSALS[reason] or "a signal that the drop does not name"
            otherwise[name] = otherwise.get(name, 0) + n
    return ThingCounts(
        thing=thing,
        kept=sum(ranks.values()),
        passed={verdict: ranks[rank] for rank, verdict in enumerate(_ORDER, 1) if rank in ranks},
        silent=ranks.get(_SILENT, 0),
        unrecorded=ranks.get(_UNRECORDED, 0),
        refused=sum(refused.values()),
        signals=[
            SignalCounts(name, by_signal.get(name, 0), signals.get(name, {}))
            for name in names
            if name in signals or name in by_signal
        ],
        otherwise=dict(sorted(otherwise.items())),
    )
