"""Where the samples of a dataset come from: domains by the size of their content, countries, licences, dates.

Asked of the index by DuckDB. Sizes are those of the members as they lie in the shards: JSON and captions as text,
images and clips after they were resized or cut. A domain is the registered one of the page, or of the file where no
page is known.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from jobs.dataset.countries import COUNTRIES
from jobs.dataset.index import Index

#: Of all domain names, those largest by content that the template for article 53(1)(d) of the EU AI Act asks for.
TOP_SHARE = 0.1
_BYTES = {
    "text_bytes": "member.name LIKE '%.json' OR member.name LIKE '%.txt'",
    "video_bytes": "member.name LIKE '%.mp4'",
    "image_bytes": "NOT (member.name LIKE '%.json' OR member.name LIKE '%.txt' OR member.name LIKE '%.mp4')",
}
_SIZES = ("bytes", *_BYTES)
_TABLE = "audited_domains"
_LICENCES = 1000
_NAME = re.compile(r"[a-z][a-z0-9-]*")  # of a top-level domain; an IP address has none


class Domain(msgspec.Struct, frozen=True):
    """A domain name, and of which sizes it is among the largest tenth of those that have any."""

    domain: str
    samples: int
    bytes: int
    text_bytes: int
    image_bytes: int
    video_bytes: int
    share: float  # of the bytes of all domains
    top_of: list[str]  # bytes, text_bytes, image_bytes, video_bytes


class Origins:
    """Opened once: the sums by domain are kept for all that is asked of them."""

    def __init__(self, index: Index) -> None:
        self._index = index
        if index.kinds:
            index.make(_TABLE, _domains(index))
        sums = ", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in ("samples", *_SIZES))
        empty = dict.fromkeys(("names", "samples", *_SIZES), 0)
        self.named = self._one(f"SELECT count(*) AS names, {sums} FROM {_TABLE} WHERE domain <> ''", empty)
        #: What has no domain, such as clips of files that a list names.
        self.unnamed = self._one(f"SELECT count(*) AS names, {sums} FROM {_TABLE} WHERE domain = ''", empty)
        having = ", ".join(f"count(*) FILTER ({size} > 0) AS {size}" for size in _SIZES)
        counts = self._one(f"SELECT {having} FROM {_TABLE} WHERE domain <> ''", dict.fromkeys(_SIZES, 0))
        #: By size, how many names the largest tenth of those that have any are.
        self.tenth = {size: math.ceil(TOP_SHARE * names) for size, names in counts.items()}

    def domains(self) -> Iterator[Domain]:
        """Names among the largest tenth, by all their bytes or by those of one modality: of no modality the largest
        are left out because another weighs more. Those with the most bytes first; they are not held in memory."""
        if not self._index.kinds:
            return
        total = max(1, self.named["bytes"])
        ranks = ", ".join(f"row_number() OVER (ORDER BY {size} DESC, domain) AS of_{size}" for size in _SIZES)
        is_top = " OR ".join(f"of_{size} <= {self.tenth[size]}" for size in _SIZES)
        ranked = f"SELECT *, {ranks} FROM {_TABLE} WHERE domain <> ''"
        for batch in self._index.batches(f"SELECT * FROM ({ranked}) WHERE {is_top} ORDER BY bytes DESC, domain"):
            for row in batch.to_pylist():
                top_of = [size for size in _SIZES if row.pop(f"of_{size}") <= self.tenth[size]]
                yield Domain(**row, share=row["bytes"] / total, top_of=top_of)

    def countries(self) -> list[dict[str, Any]]:
        """By top-level domain: `country` is "" of one that is of no country; the most bytes first."""
        if not self._index.kinds:
            return []
        sql = (
            "SELECT regexp_extract(domain, '[^.]+$') AS top, count(*) AS names, sum(samples)::BIGINT AS samples, "
            f"sum(bytes)::BIGINT AS bytes FROM {_TABLE} WHERE domain <> '' GROUP BY 1"
        )
        found: dict[str, dict[str, Any]] = {}
        for row in self._index.table(sql).to_pylist():
            top = row["top"] if _NAME.fullmatch(row["top"]) else "(an address, no name)"
            one = found.setdefault(
                top, {"top": top, "country": COUNTRIES.get(top, ""), "names": 0, "samples": 0, "bytes": 0}
            )
            for sum_of in ("names", "samples", "bytes"):
                one[sum_of] += row[sum_of]
        return sorted(found.values(), key=lambda one: (-one["bytes"], one["top"]))

    def licences(self) -> tuple[int, list[dict[str, Any]]]:
        """How many different ones are stated, and samples by the most frequent of them, "" for none."""
        counted = self._union("licence")
        if not counted:
            return 0, []
        grouped = f"SELECT licence, count(*) AS samples FROM ({counted}) GROUP BY 1"
        different = self._index.ask(f"SELECT count(*) FROM ({grouped}) WHERE licence <> ''", timeout_s=None).rows[0][0]
        sql = f"{grouped} ORDER BY samples DESC, licence LIMIT {_LICENCES}"
        return int(different), self._index.table(sql).to_pylist()

    def captured(self) -> dict[str, Any]:
        """The first and the last capture, and samples by month; "" for those without a date, such as all of the kinds
        whose index has none."""
        times = self._union("fetch_time")
        if not times:
            return {"first": "", "last": "", "months": {}, "kinds_without": []}
        of = f"SELECT min(fetch_time) AS first, max(fetch_time) AS last FROM ({times}) WHERE fetch_time <> ''"
        months = f"SELECT substr(fetch_time, 1, 7) AS month, count(*) AS n FROM ({times}) GROUP BY 1 ORDER BY 1"
        (span,) = self._index.table(of).to_pylist()
        counts = {row["month"]: int(row["n"]) for row in self._index.table(months).to_pylist()}
        without = [kind for kind in self._index.kinds if "fetch_time" not in self._index.columns(kind)]
        return {"first": span["first"] or "", "last": span["last"] or "", "months": counts, "kinds_without": without}

    def _union(self, column: str) -> str:
        """SQL: a column of the samples of all kinds, "" where it is not there."""
        index = self._index
        found = {kind: f"coalesce({column}, '')" if column in index.columns(kind) else "''" for kind in index.kinds}
        return " UNION ALL ".join(f"SELECT {value} AS {column} FROM {kind}" for kind, value in found.items())

    def _one(self, sql: str, empty: dict[str, int]) -> dict[str, int]:
        if not self._index.kinds:
            return empty
        (row,) = self._index.table(sql).to_pylist()
        return {name: int(value) for name, value in row.items()}


def _domains(index: Index) -> str:
    """A row a domain, with its samples of all kinds and their bytes by modality."""
    parts = []
    for kind in index.kinds:
        sizes = ", ".join(
            f"coalesce(list_sum([member.size FOR member IN members IF {which}]), 0) AS {name}"
            for name, which in _BYTES.items()
        )
        parts.append(f"SELECT coalesce(domain, '') AS domain, {sizes} FROM {kind}")
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in _BYTES)
    total = f"sum({' + '.join(_BYTES)})::BIGINT AS bytes"
    return f"SELECT domain, count(*) AS samples, {total}, {sums} FROM ({' UNION ALL '.join(parts)}) GROUP BY domain"
