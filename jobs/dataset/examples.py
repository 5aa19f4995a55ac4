"""Samples of each class of a ledger, drawn at random: of every signal and verdict, of silence, of every refusal."""

from collections.abc import Iterator

import msgspec

from jobs.dataset.index import Index
from jobs.dataset.ledger import DROPS, REFUSALS, refused_by
from schemas.drops import on_page
from schemas.kinds import KINDS

_EACH = 5
_MOST_CLASSES = 500
_VALUE = "'key': key, 'url': {url}, 'origin': s.origin, 'value': s.value, 'time': s.time, 'subject': s.subject"


class Example(msgspec.Struct, frozen=True):
    """Of a sample that was kept, its key and what was said; of what was refused, its address and what refused it."""

    url: str
    key: str = ""
    subject: str = ""  # page, or the number of the image or video
    said: str = ""
    time: str = ""  # when it was read


class Class(msgspec.Struct, frozen=True):
    """Kept things of one kind of sample, or refused things of one kind of item."""

    kind: str
    signal: str  # "": nothing was said
    outcome: str  # yes, conditional, no, unknown: so it was said, and kept; refused
    statements: int  # of all its things, or rows of drops
    examples: list[Example]


def examples(index: Index, seed: int = 0) -> list[Class]:
    """The same ones for the same seed and the same version of DuckDB."""
    return [one for kind in index.kinds for one in _kept(index, kind, seed)] + list(_refused(index, seed))


def _kept(index: Index, kind: str, seed: int) -> Iterator[Class]:
    if "signals" not in index.columns(kind):
        return
    url, draw = KINDS[kind].page_column, f"hash(key, s.subject, {int(seed)})"
    sql = (
        f"SELECT s.signal AS signal, s.verdict AS verdict, count(*) AS n, "
        f"min_by({{{_VALUE.format(url=url)}}}, {draw}, {_EACH}) AS some "
        f"FROM (SELECT key, {url}, unnest(signals) AS s FROM {kind}) GROUP BY ALL ORDER BY 1, 2 LIMIT {_MOST_CLASSES}"
    )
    for row in index.table(sql).to_pylist():
        some = [
            Example(one["url"], one["key"], one["subject"], f"{one['value']} ({one['origin']})", one["time"])
            for one in row["some"]
        ]
        yield Class(kind, row["signal"], row["verdict"], int(row["n"]), some)
    silent = (
        f"SELECT count(*) AS n, min_by({{'key': key, 'url': {url}}}, hash(key, {int(seed)}), {_EACH}) AS some "
        f"FROM {kind} WHERE len(signals) = 0"
    )
    (row,) = index.table(silent).to_pylist()
    if row["n"]:
        yield Class(kind, "", "unknown", int(row["n"]), [Example(one["url"], one["key"]) for one in row["some"]])


def _refused(index: Index, seed: int) -> Iterator[Class]:
    reasons = ", ".join(f"'{reason}'" for reason in REFUSALS)
    sql = (
        f"SELECT kind, reason, {refused_by()} AS by, count(*) AS n, "
        f"min_by({{'url': url, 'detail': detail, 'page': page_url}}, hash(url, detail, {int(seed)}), {_EACH}) AS some "
        f"FROM {DROPS} WHERE reason IN ({reasons}) GROUP BY ALL ORDER BY 1, 2, 3 LIMIT {_MOST_CLASSES}"
    )
    for row in index.table(sql).to_pylist():
        some = [Example(one["url"], said=_told(row["kind"], one)) for one in row["some"]]
        yield Class(row["kind"], row["by"] or REFUSALS[row["reason"]] or row["reason"], "refused", int(row["n"]), some)


def _told(kind: str, one: dict[str, str]) -> str:
    """The detail, with the page once."""
    page = "" if kind == "page" else one["page"] or ""
    return one["detail"] if not page or page in one["detail"] else on_page(one["detail"], page)
