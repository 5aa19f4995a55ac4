"""What a reader asks for in the address of a page, as a condition in SQL."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from jobs.dataset.index import QueryError

#: Columns that the free text is looked for in.
_SEARCHED = ("title", "caption", "url", "page_url", "page_title")
#: Of these, what is no text.
_ADDRESSES = ("url", "page_url")
_LONGEST_TEXT, _LONGEST_CONDITION = 1_000, 20_000  # characters
_EQUAL = ("language", "domain", "licence", "caption_source", "cut_method")
#: Name in the address -> column. Bounds are included.
_NUMBERS = {"images": "num_images", "words": "num_words", "width": "width", "height": "height", "seconds": "duration_s"}
#: Name in the address -> order. Ties go by key, so that pages do not overlap.
ORDERS = {
    "words": ("most words", "num_words DESC, key"),
    "images": ("most images", "num_images DESC, key"),
    "seconds": ("longest", "duration_s DESC, key"),
    "newest": ("newest capture", "fetch_time DESC, key"),
    "size": ("most bytes", "size DESC, key"),
}


class Filter(msgspec.Struct, frozen=True):
    """Values as they stand in the address; those that a kind has no column for are left aside."""

    text: str = ""
    equal: dict[str, str] = {}
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    score: str = ""
    score_low: float | None = None
    score_high: float | None = None
    since: str = ""
    until: str = ""
    condition: str = ""
    order: str = ""

    def sql(self, columns: Sequence[str], found: str = "") -> tuple[str, list[Any]]:
        """`WHERE ...` and its parameters; "" where nothing is asked.

        `found` is a table with the keys of samples whose texts hold the words, where there is an index of them.
        """
        parts: list[str] = []
        values: list[Any] = []
        if self.text:
            searched = [name for name in (_ADDRESSES if found else _SEARCHED) if name in columns]
            either = [f"contains(lower({name}), ?)" for name in searched]
            values += [self.text.lower()] * len(searched)
            if found:
                either.append(f"key IN (SELECT key FROM {found})")
            parts.append(f"({' OR '.join(either)})")
        for name, value in self.equal.items():
            if name in columns:
                parts.append(f"{name} = ?")
                values.append(value)
        for bounds, sign in ((self.low, ">="), (self.high, "<=")):
            for name, bound in bounds.items():
                if _NUMBERS[name] in columns:
                    parts.append(f"{_NUMBERS[name]} {sign} ?")
                    values.append(bound)
        for bound_at, sign in ((self.score_low, ">="), (self.score_high, "<=")):
            if self.score and bound_at is not None and "scores" in columns:
                parts.append(f"CAST(json_extract(scores, ?) AS DOUBLE) {sign} ?")
                values += [f'$."{self.score}"', bound_at]
        for moment, sign in ((self.since, ">="), (self.until, "<=")):
            if moment and "fetch_time" in columns:
                parts.append(f"substr(fetch_time, 1, {len(moment)}) {sign} ?")
                values.append(moment)
        if self.condition:
            parts.append(f"(\n{self.condition}\n)")
        return (f"WHERE {' AND '.join(parts)}" if parts else ""), values

    def order_sql(self, columns: Sequence[str]) -> str:
        """`ORDER BY ...`; "" for the order of the shards."""
        wanted = ORDERS[self.order][1] if self.order else ""
        return f"ORDER BY {wanted}" if wanted.split(" ")[0] in columns else ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values as they stand in an address or a form, without the page."""
        pairs = [("q", self.text), *self.equal.items()]
        pairs += [(f"{name}_min", exactly(value)) for name, value in self.low.items()]
        pairs += [(f"{name}_max", exactly(value)) for name, value in self.high.items()]
        pairs += [("score", self.score if self.score_low is not None or self.score_high is not None else "")]
        pairs += [("score_min", "" if self.score_low is None else exactly(self.score_low))]
        pairs += [("score_max", "" if self.score_high is None else exactly(self.score_high))]
        pairs += [("since", self.since), ("until", self.until), ("where", self.condition), ("order", self.order)]
        return [(name, value) for name, value in pairs if value]

    def query(self) -> str:
        """The filter as it stands in an address."""
        return urlencode(self.pairs)

    @property
    def is_empty(self) -> bool:
        return not self.query().replace(f"order={self.order}", "")


def read_filter(query: Mapping[str, str]) -> Filter:
    """What cannot be read, such as a number that is none, counts as not asked. Raises `QueryError` for what is too long
    to stand in every link of a page."""
    numbers = {name: found for name in query if (found := _number(query[name])) is not None}
    score = query.get("score", "").strip()
    return Filter(
        text=_bounded("the text to look for", query.get("q", "").strip(), _LONGEST_TEXT),
        equal={name: query[name].strip() for name in _EQUAL if query.get(name, "").strip()},
        low={name: numbers[f"{name}_min"] for name in _NUMBERS if f"{name}_min" in numbers},
        high={name: numbers[f"{name}_max"] for name in _NUMBERS if f"{name}_max" in numbers},
        score=score if score.isidentifier() else "",
        score_low=numbers.get("score_min"),
        score_high=numbers.get("score_max"),
        since=query.get("since", "").strip()[:20],
        until=query.get("until", "").strip()[:20],
        condition=_bounded("the condition", query.get("where", "").strip(), _LONGEST_CONDITION),
        order=query.get("order", "") if query.get("order", "") in ORDERS else "",
    )


def _bounded(what: str, text: str, most: int) -> str:
    if len(text) > most:
        raise QueryError(f"{what} has {len(text):,} characters, and {most:,} are the most")
    return text


def page_number(query: Mapping[str, str]) -> int:
    """`page`, counted from 1; what is no number is the first."""
    return max(1, whole(query.get("page", ""), 1))


def whole(text: str, default: int, most: int = 10**9) -> int:
    """A number that counts; `default` for what is none, among it digits that Python's `int` refuses, such as ²."""
    return min(int(text), most) if text.isdecimal() and len(text) < 100 else default


def exactly(value: float) -> str:
    """A bound as it was asked for: rounded, the next page would be of other samples."""
    return repr(float(value)).removesuffix(".0")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
