"""What both cards are made of: `dataset.json`, a few counts over the index, and what only a publisher can say.

Nothing of it depends on where the dataset lies or when it is described, so that equal datasets have equal cards.
"""

import itertools
from collections import Counter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.dataset.index import Index
from schemas.dataset import Dataset, KindTotals
from schemas.drops import Counts
from schemas.shards import ShardInfo

_COUNTED = ("language", "licence", "consent_verdict")
_LICENCES, _VALUES = 20, 1000
#: One of them, and what follows it.
_NAMES = {
    "interleaved": ("page", " with images in reading order"),
    "pairs": ("image-text pair", ""),
    "clips": ("video clip", ""),
}


class Publisher(msgspec.Struct, frozen=True, omit_defaults=True):
    """What no dataset knows of itself."""

    name: str = ""
    description: str = ""
    licence: str = ""  # of the dataset: an address, or an identifier such as cc-by-4.0
    url: str = ""  # of the page where it is published
    creators: tuple[str, ...] = ()
    published: str = ""  # a date
    citation: str = ""  # BibTeX


class KindFacts(msgspec.Struct, frozen=True):
    """One kind of sample. `columns` are those of the newest shard's index."""

    totals: KindTotals
    columns: dict[str, pa.DataType]
    shards: list[ShardInfo]


class CardFacts(msgspec.Struct, frozen=True):
    dataset: Dataset
    publisher: Publisher
    kinds: dict[str, KindFacts]
    samples: int
    languages: dict[str, int]  # samples by language, the most frequent first; "" for those of none
    licences: dict[str, int]  # as stated, the most frequent
    verdicts: dict[str, int]  # samples by `consent_verdict`; "" where none was recorded
    domains: int
    first: str  # capture
    last: str

    @property
    def name(self) -> str:
        return self.publisher.name or f"weft-{'-'.join(self.kinds) or 'empty'}-{self.dataset.config_hash[:8]}"

    @property
    def description(self) -> str:
        parts = [f"{counted(of.totals.samples, _NAMES[kind][0])}{_NAMES[kind][1]}" for kind, of in self.kinds.items()]
        made_of = counted(self.dataset.inputs, "input")
        when = f", captured from {self.first[:10]} to {self.last[:10]}" if self.first else ""
        return self.publisher.description or f"{', '.join(parts) or 'No samples'}, made by weft of {made_of}{when}."

    @property
    def version(self) -> str:
        """MAJOR.MINOR.PATCH: major are builds that replaced something and removals, minor those that only added."""
        major, minor = 1 + len(self.dataset.removals), 0
        for build in self.dataset.builds[1:]:
            replaces = any(amount.samples for amount in build.superseded.values())
            major, minor = (major + 1, 0) if replaces else (major, minor + 1)
        return f"{major}.{minor}.0"

    @property
    def redacted(self) -> dict[str, int]:
        """Placeholders that stand for personal data, by kind: those in shards; where older ones do not tell how many
        these are, what builds put in, also into texts that were dropped or removed later."""
        counts: Counter[str] = Counter()
        for shard in itertools.chain.from_iterable(of.shards for of in self.kinds.values()):
            if shard.redacted is None:
                return sum(self.dataset.phases.values(), Counts()).redacted
            counts.update(shard.redacted)
        return dict(sorted(counts.items()))

    @property
    def refused(self) -> dict[str, int]:
        """What was refused by a signal, by kind of item."""
        return {kind: reasons["opt_out"] for kind, reasons in self.dataset.drops.items() if "opt_out" in reasons}


def card_facts(index: Index, dataset: Dataset, publisher: Publisher) -> CardFacts:
    """Raises `OSError` and `QueryError`."""
    kinds = {kind: _kind(index, kind) for kind in index.kinds}
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    times = list[str]()
    for kind, of in kinds.items():
        for name, counter in counts.items():
            counter.update(_values(index, kind, name) if name in of.columns else {"": of.totals.samples})
        if "fetch_time" in of.columns:
            sql = f"SELECT min(fetch_time), max(fetch_time) FROM {kind} WHERE fetch_time <> ''"
            times += [time for time in index.ask(sql, timeout_s=None).rows[0] if time]
    return CardFacts(
        dataset=dataset,
        publisher=publisher,
        kinds=kinds,
        samples=sum(of.totals.samples for of in kinds.values()),
        languages=_ordered(counts["language"]),
        licences=_ordered(counts["licence"], _LICENCES),
        verdicts=_ordered(counts["consent_verdict"]),
        domains=_domains(index),
        first=min(times, default=""),
        last=max(times, default=""),
    )


def _kind(index: Index, kind: str) -> KindFacts:
    shards = [mark.shard for mark in index.marks[kind]]
    with index.store.open(f"{kind}/shards/{shards[-1].name}.parquet") as file:
        schema = pq.read_schema(file)
    totals = KindTotals(
        shards=len(shards),
        samples=sum(shard.samples for shard in shards),
        images=sum(shard.images for shard in shards),
        bytes=sum(shard.tar_bytes for shard in shards),
    )
    return KindFacts(totals, dict(zip(schema.names, schema.types, strict=True)), shards)


def _values(index: Index, kind: str, column: str) -> dict[str, int]:
    """Only the most frequent: texts that pages state may all differ."""
    sql = f"SELECT coalesce({column}, '') AS value, count(*) AS n FROM {kind} GROUP BY 1 ORDER BY n DESC, value"
    return {row["value"]: int(row["n"]) for row in index.table(f"{sql} LIMIT {_VALUES}").to_pylist()}


def _domains(index: Index) -> int:
    if not index.kinds:
        return 0
    sql = "SELECT count(*) FROM (SELECT domain FROM samples WHERE domain <> '' GROUP BY 1)"
    return int(index.ask(sql, timeout_s=None).rows[0][0])


def _ordered(counts: Counter[str], most: int | None = None) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most])


def counted(number: int, what: str) -> str:
    """`1 page`, `1,000 pages`."""
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def printable(text: Any, longest: int = 200) -> str:
    """What pages state, fit for one line of a card."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return words if len(words) <= longest else f"{words[:longest]}…"
