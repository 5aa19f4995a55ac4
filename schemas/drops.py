"""Why things are dropped. Every loss has a code from `REASONS`, a count in a `Tally`, a row in `drops/*.parquet`."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from schemas.reasons import REASONS

#: What can be dropped: a visit of the crawler to an address, a WARC record, a whole page, one text block of a page, one
#: image reference of a page, an image with its caption, a video, one clip of a video; when training, one sample of a
#: shard.
KINDS = ("visit", "record", "page", "paragraph", "image", "pair", "video", "clip", "sample")

#: A reason with a prefix is the user's own: `cooking:few_lists`.
_OWN_REASON = re.compile(r"[a-z][a-z0-9_]*(?::[a-z0-9_]+)+")


def meaning_of(reason: str) -> str:
    """What a reason code means, in words; of a reason of the user's own that it is one."""
    return REASONS.get(reason) or ("a reason of your own" if _OWN_REASON.fullmatch(reason) else "")


class UnknownReason(KeyError):
    """A drop for a reason that is not in `REASONS`, and so documented nowhere: a defect."""


#: Errors that mean our own code is wrong: they stop the run instead of being counted.
CODE_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    TypeError,
    UnknownReason,
)


class Drop(Exception):
    """Raised by a step to drop the item. Raises `UnknownReason`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        if reason not in REASONS and not _OWN_REASON.fullmatch(reason):
            raise UnknownReason(f"{reason!r}: neither in REASONS nor of the form `mine:too_short`")
        self.reason = reason
        self.detail = str(detail)  # steps of the user's own give the number itself
        super().__init__(reason, self.detail)


#: Characters of a detail that code of the user's own gives: each stands in a row and in messages.
MAX_OWN_DETAIL = 1000


def bounded(detail: str) -> str:
    """A detail that is not weft's own, cut where it is too long."""
    return detail if len(detail) <= MAX_OWN_DETAIL else f"{detail[: MAX_OWN_DETAIL - 1]}…"


class StepError(Exception):
    """Our own code failed on an item, or many items failed in a row; the message names the item."""


class DropRow(msgspec.Struct, frozen=True):
    """One row of `drops/*.parquet`."""

    url: str
    kind: str
    reason: str
    detail: str = ""
    page_url: str = ""  # of the page that it stood on


def on_page(detail: str, page_url: str) -> str:
    """A drop's detail that names the page, as `drops/*.parquet` has always had it beside `page_url`."""
    return ", ".join(filter(None, (detail, page_url and f"on {page_url}")))


def in_row(detail: str, row: int, of_list: str) -> str:
    """A drop's detail that names the row of a list, counted from 0: there is no page."""
    return ", ".join(filter(None, (detail, f"row {row} of {of_list}")))


class Counts(msgspec.Struct, frozen=True):
    """What a `Tally` adds up to: per kind what came in and went on, and per kind and reason what was dropped."""

    seen: dict[str, int] = {}
    kept: dict[str, int] = {}
    drops: dict[str, dict[str, int]] = {}
    redacted: dict[str, int] = {}  # placeholders put in for personal data, by kind

    def __add__(self, other: "Counts") -> "Counts":
        drops = {kind: dict(reasons) for kind, reasons in self.drops.items()}
        for kind, reasons in other.drops.items():
            drops[kind] = _sum(drops.get(kind, {}), reasons)
        redacted = _sum(self.redacted, other.redacted)
        return Counts(_sum(self.seen, other.seen), _sum(self.kept, other.kept), _sorted(drops), redacted)

    def __sub__(self, earlier: "Counts") -> "Counts":
        """What was counted since `earlier`, an earlier state of the same tally."""
        drops = {
            kind: {
                reason: more
                for reason, count in reasons.items()
                if (more := count - earlier.drops.get(kind, {}).get(reason, 0))
            }
            for kind, reasons in self.drops.items()
        }
        return Counts(
            {kind: count - earlier.seen.get(kind, 0) for kind, count in self.seen.items()},
            {kind: count - earlier.kept.get(kind, 0) for kind, count in self.kept.items()},
            {kind: reasons for kind, reasons in drops.items() if reasons},
            {kind: count - earlier.redacted.get(kind, 0) for kind, count in self.redacted.items()},
        )

    def unaccounted(self, kind: str) -> int:
        """Items of a kind that came in and neither went on nor were dropped; anything but 0 is a defect."""
        return self.seen.get(kind, 0) - self.kept.get(kind, 0) - sum(self.drops.get(kind, {}).values())


class Tally:
    """Counts what a partition sees, keeps and drops; passes each `DropRow` to `sink` as it happens."""

    def __init__(self, sink: Callable[[DropRow], None] | None = None) -> None:
        self._seen: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._drops: dict[str, Counter[str]] = {}
        self._redacted: Counter[str] = Counter()
        self._sink = sink

    def saw(self, kind: str, n: int = 1) -> None:
        self._seen[kind] += n

    def kept(self, kind: str, n: int = 1) -> None:
        self._kept[kind] += n

    def redacted(self, kind: str, n: int = 1) -> None:
        """A placeholder was put in for personal data of this kind."""
        self._redacted[kind] += n

    def drop(self, row: DropRow) -> None:
        self._drops.setdefault(row.kind, Counter())[row.reason] += 1
        if self._sink is not None:
            self._sink(row)

    def counts(self) -> Counts:
        drops = {kind: dict(sorted(reasons.items())) for kind, reasons in self._drops.items()}
        return Counts(_sorted(self._seen), _sorted(self._kept), _sorted(drops), _sorted(self._redacted))


class Item(Protocol):
    """What `each` needs to know of an item in order to say what was dropped."""

    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...


I = TypeVar("I", bound=Item)  # noqa: E741 - the conventional name would shadow nothing and mean less
O = TypeVar("O")  # noqa: E741
V = TypeVar("V")


def counted(items: Iterable[V], kind: str, tally: Tally) -> Iterator[V]:
    """The items, each counted as one that was seen."""
    for item in items:
        tally.saw(kind)
        yield item


#: More unexpected errors one after the other are no longer bad data.
MAX_FAILURES_IN_A_ROW = 20


def each(
    step: Callable[[I], O], items: Iterable[I], tally: Tally, max_failures_in_a_row: int = MAX_FAILURES_IN_A_ROW
) -> Iterator[O]:
    """Apply `step` to every item, lazily; a `Drop` ends that item alone.

    Raises what `Guarded` raises for steps that are wrong or fail too often, and lets `OSError` through: the partition
    is to be tried again.
    """
    watched = Guarded(step, max_failures_in_a_row)
    for item in items:
        try:
            result = watched(item)
        except Drop as drop:
            tally.drop(DropRow(item.url, item.kind, drop.reason, drop.detail, getattr(item, "page_url", "")))
        else:
            yield result


class Guarded(Generic[I, O]):
    """`step` under the eye of `guarded`; raises `StepError` when so many items in a row end in an unexpected error.

    Wherever many items pass one step, one of these counts: that the page of an image was dropped for some reason of its
    own says nothing of the decoder that failed on the image.
    """

    def __init__(self, step: Callable[[I], O], max_failures_in_a_row: int = MAX_FAILURES_IN_A_ROW) -> None:
        self._step, self._max, self._failures = step, max_failures_in_a_row, 0

    def __call__(self, item: I) -> O:
        try:
            result = guarded(self._step, item)
        except Drop as drop:
            self._failures = self._failures + 1 if drop.reason == "internal_error" else 0
            if self._failures >= self._max:
                raise StepError(
                    f"{self._failures} failures in a row, last {item.kind} {item.url}: {drop.detail}"
                ) from drop
            raise
        self._failures = 0
        return result


def guarded(step: Callable[[I], O], item: I) -> O:
    """`step(item)`, an unexpected error made a `Drop("internal_error")`.

    Raises `StepError` naming the item for `CODE_ERRORS`, and lets `OSError` through: that is lost storage, and no fault
    of the item.
    """
    try:
        return step(item)
    except (Drop, StepError, MemoryError, OSError):
        raise
    except CODE_ERRORS as error:
        raise StepError(f"{item.kind} {item.url}: {type(error).__name__}: {error}") from error
    except Exception as error:
        raise Drop("internal_error", f"{type(error).__name__}: {error}") from error


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return _sorted({key: left.get(key, 0) + right.get(key, 0) for key in left.keys() | right.keys()})


def _sorted(mapping: dict[str, V]) -> dict[str, V]:
    return dict(sorted(mapping.items()))
