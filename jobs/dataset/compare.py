"""Two datasets compared by address: what one has gained, lost and changed against the other, and why.

Both are read once, by a join of a few columns of their indexes that DuckDB spills to disk where it must; the questions
that follow are answered by the table that it leaves.
"""

from collections.abc import Sequence

import msgspec

from jobs.dataset.index import OTHER, Index

GAINED, LOST, CHANGED, SAME = "gained", "lost", "changed", "same"
STATES = (GAINED, LOST, CHANGED, SAME)
#: Of what the build that lacks it has not dropped: it was not in its inputs.
UNSEEN = "not seen"
#: By kind the columns that say what a sample is of.
_ADDRESS = {"interleaved": ("url",), "pairs": ("url", "page_url"), "clips": ("url", "start_s")}
#: By kind what drops tell of a sample that was not made, the nearest first: their kind, and their columns with those of
#: the sample that they are found by.
_LOST_AS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    "interleaved": (("page", {"url": "url"}), ("record", {"url": "url"})),
    "pairs": (("pair", {"url": "url", "page_url": "page_url"}), ("page", {"url": "page_url"})),
    "clips": (("clip", {"url": "url"}), ("video", {"url": "url"}), ("page", {"url": "page_url"})),
}
#: Columns by which a sample counts as changed; images by their look, as they may be encoded anew.
_LOOKED_AT = (
    "title", "caption", "caption_source", "num_images", "num_chars", "num_words", "width", "height", "duration_s",
    "language", "licence", "image_phashes", "phash", "frame_hashes",
)  # fmt: skip
#: Of these the ones that are shown and spread over bars.
SHOWN = (
    "title", "caption", "domain", "caption_source", "num_images", "num_words", "width", "height", "duration_s",
    "confidence", "language", "licence",
)  # fmt: skip


class Compared(msgspec.Struct, frozen=True):
    """A kind of sample, compared. `columns` has those of `SHOWN` that both have, which are called `new_` and `old_`."""

    kind: str
    table: str
    columns: tuple[str, ...]
    counts: dict[str, int]  # by state


def compare(index: Index) -> list[Compared]:
    """The kinds of an index that was opened with another dataset, against that. Raises `QueryError`."""
    assert index.other is not None
    return [_compare(index, kind) for kind in _ADDRESS if kind in (*index.kinds, *index.other.kinds)]


def _compare(index: Index, kind: str) -> Compared:
    """A side that has none of the kind is compared as one that has no rows."""
    assert index.other is not None
    here = kind if kind in index.kinds else f"(SELECT * FROM {OTHER}{kind} WHERE false)"
    there = f"{OTHER}{kind}" if kind in index.other.kinds else f"(SELECT * FROM {kind} WHERE false)"
    one, other = (set(index.columns(f"(SELECT * FROM {table})")) for table in (here, there))
    both = [name for name in dict.fromkeys((*_LOOKED_AT, *SHOWN)) if name in one & other]
    table, shown = f"compared_{kind}", tuple(name for name in SHOWN if name in both)
    index.make(table, _joined(index, kind, here, there, both, shown))
    rows = index.ask(f"SELECT state, count(*) FROM {table} GROUP BY 1").rows
    counts = {str(state): int(count) for state, count in rows}
    return Compared(kind, table, shown, {state: counts.get(state, 0) for state in STATES})


def _joined(index: Index, kind: str, here: str, there: str, both: Sequence[str], shown: Sequence[str]) -> str:
    keys = _ADDRESS[kind]
    address = list(dict.fromkeys((*keys, *(name for _, by in _LOST_AS[kind] for name in by.values()))))

    def side(table: str) -> str:
        """Several samples of one address are told apart by their order."""
        columns = ", ".join(dict.fromkeys(("key", *address, *both)))
        return (
            f"SELECT {columns}, row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY key) AS place FROM {table}"
        )

    looked_at = (name for name in _LOOKED_AT if name in both)
    changes = ", ".join(f"CASE WHEN new.{name} IS DISTINCT FROM old.{name} THEN '{name}' END" for name in looked_at)
    values = "".join(f", new.{name} AS new_{name}, old.{name} AS old_{name}" for name in shown)
    told = ", ".join(f"coalesce(new.{name}, old.{name}) AS {name}" for name in address)
    on = " AND ".join(f"new.{name} IS NOT DISTINCT FROM old.{name}" for name in (*keys, "place"))
    joined = (
        f"SELECT new.key AS key, old.key AS old_key, {told}{values}, "
        f"list_filter([{changes}], lambda change: change IS NOT NULL) AS changes "
        f"FROM ({side(here)}) AS new FULL JOIN ({side(there)}) AS old ON {on}"
    )
    state = (
        f"CASE WHEN old_key IS NULL THEN '{GAINED}' WHEN key IS NULL THEN '{LOST}' "
        f"WHEN len(changes) > 0 THEN '{CHANGED}' ELSE '{SAME}' END"
    )
    found = [(f"lost_{number}", *one) for number, one in enumerate(_LOST_AS[kind])]
    reason, detail = (
        f"coalesce({', '.join(f'{name}.{what}' for name, _, _ in found)}" for what in ("reason", "detail")
    )
    joins = " ".join(
        f"LEFT JOIN ({_dropped(of, tuple(by))}) AS {name} ON {name}.why = state AND "
        + " AND ".join(f"{name}.{theirs} = joined.{own}" for theirs, own in by.items())
        for name, of, by in found
    )
    return (
        f"SELECT joined.*, CASE WHEN state IN ('{GAINED}', '{LOST}') THEN {reason}, '{UNSEEN}') ELSE '' END AS reason, "
        f"{detail}, '') AS detail FROM (SELECT *, {state} AS state FROM ({joined})) AS joined {joins}"
    )


def _dropped(kind: str, by: Sequence[str]) -> str:
    """Why each build has no sample of an address: this one of what is lost, the other of what is gained."""
    columns = ", ".join(by)
    return " UNION ALL ".join(
        f"SELECT '{why}' AS why, {columns}, min(reason) AS reason, min_by(detail, reason) AS detail "
        f"FROM {table} WHERE kind = '{kind}' GROUP BY {columns}"
        for why, table in ((LOST, "drops"), (GAINED, f"{OTHER}drops"))
    )
