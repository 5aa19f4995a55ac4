from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.drops import (
    Counts,
    Drop,
    DropRow,
    Guarded,
    StepError,
    Tally,
    UnknownReason,
    each,
    meaning_of,
)
from schemas.reasons import REASONS


@dataclass(frozen=True)
class Item:
    url: str
    kind: str = "page"


def items(n: int) -> list[Item]:
    return [Item(f"https://example.org/{i}") for i in range(n)]


def test_a_reason_nobody_documented_is_an_error() -> None:
    with pytest.raises(KeyError, match="too_boring"):
        Drop("too_boring")


def test_a_drop_carries_reason_and_detail() -> None:
    drop = Drop("few_words", "3 words")
    assert (drop.reason, drop.detail) == ("few_words", "3 words")


def test_every_reason_says_what_it_means() -> None:
    assert all(meaning.strip() for meaning in REASONS.values())


def test_what_a_step_lets_go_is_counted_with_url_kind_reason_and_detail() -> None:
    def step(item: Item) -> str:
        if item.url.endswith("1"):
            raise Drop("few_words", "3 words")
        return item.url

    rows: list[DropRow] = []
    tally = Tally(rows.append)
    kept = list(each(step, items(3), tally))
    assert kept == ["https://example.org/0", "https://example.org/2"]
    assert rows == [DropRow("https://example.org/1", "page", "few_words", "3 words")]
    assert tally.counts().drops == {"page": {"few_words": 1}}


def test_an_unexpected_error_costs_its_item_alone_and_is_named() -> None:
    def step(item: Item) -> str:
        if item.url.endswith("0"):
            raise ValueError("odd")
        return item.url

    rows: list[DropRow] = []
    assert list(each(step, items(2), Tally(rows.append))) == ["https://example.org/1"]
    assert rows == [DropRow("https://example.org/0", "page", "internal_error", "ValueError: odd")]


@pytest.mark.parametrize(
    "error", [AssertionError, AttributeError, ImportError, NameError, NotImplementedError, TypeError]
)
def test_an_error_in_our_own_code_stops_with_the_items_identity(error: type[Exception]) -> None:
    def step(item: Item) -> None:
        raise error("ours")

    tally = Tally()
    with pytest.raises(StepError, match=f"page https://example.org/0: {error.__name__}: ours") as caught:
        list(each(step, items(2), tally))
    assert isinstance(caught.value.__cause__, error)
    assert tally.counts().drops == {}


@pytest.mark.parametrize("error", [MemoryError(), StepError("inner"), OSError("lost storage"), KeyboardInterrupt()])
def test_what_is_nobodys_data_passes_through(error: BaseException) -> None:
    def step(item: Item) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        list(each(step, items(1), Tally()))
    assert caught.value is error


def test_many_failures_in_a_row_stop_with_the_last_items_identity() -> None:
    def step(item: Item) -> None:
        raise ValueError("odd")

    tally = Tally()
    with pytest.raises(StepError, match=r"3 failures in a row, last page https://example.org/2: ValueError: odd"):
        list(each(step, items(9), tally, max_failures_in_a_row=3))
    assert tally.counts().drops == {"page": {"internal_error": 2}}


def test_a_success_breaks_a_row_of_failures() -> None:
    def step(item: Item) -> str:
        if int(item.url[-1]) % 3:
            raise ValueError("odd")
        return item.url

    tally = Tally()
    assert len(list(each(step, items(9), tally, max_failures_in_a_row=3))) == 3
    assert tally.counts().drops == {"page": {"internal_error": 6}}


def test_a_drop_breaks_a_row_of_failures() -> None:
    """Letting go is an ordinary outcome: an archive in another language keeps nothing and is still sound."""

    def step(item: Item) -> None:
        raise Drop("language") if int(item.url[-1]) % 3 else ValueError("odd")

    tally = Tally()
    assert list(each(step, items(9), tally, max_failures_in_a_row=2)) == []
    assert tally.counts().drops == {"page": {"internal_error": 3, "language": 6}}


@pytest.mark.parametrize("error", [ValueError("theirs"), Drop("few_words"), TypeError("theirs")])
def test_an_exception_of_the_consumer_is_not_taken_for_the_steps(error: Exception) -> None:
    tally = Tally()
    results = each(lambda item: item.url, items(3), tally)
    assert next(results) == "https://example.org/0"
    with pytest.raises(type(error)) as caught:
        results.throw(error)  # type: ignore[attr-defined]
    assert caught.value is error
    assert tally.counts().drops == {}


def test_an_exception_of_the_source_is_not_taken_for_the_steps() -> None:
    def source() -> Iterator[Item]:
        yield Item("https://example.org/0")
        raise OSError("disk")

    tally = Tally()
    with pytest.raises(OSError, match="disk"):
        list(each(lambda item: item.url, source(), tally))
    assert tally.counts().drops == {}


def test_a_step_that_raises_stop_iteration_does_not_end_the_run_early() -> None:
    def step(item: Item) -> str:
        if item.url.endswith("0"):
            raise StopIteration
        return item.url

    tally = Tally()
    assert list(each(step, items(2), tally)) == ["https://example.org/1"]
    assert tally.counts().drops == {"page": {"internal_error": 1}}


def test_each_is_lazy() -> None:
    done: list[str] = []

    def step(item: Item) -> str:
        done.append(item.url)
        return item.url

    results = each(step, items(3), Tally())
    assert done == []
    next(results)
    assert done == ["https://example.org/0"]


def test_unaccounted_is_what_neither_went_on_nor_was_let_go() -> None:
    tally = Tally()
    tally.saw("page", 5)
    tally.kept("page", 2)
    tally.drop(DropRow("u", "page", "few_words"))
    assert tally.counts().unaccounted("page") == 2
    tally.drop(DropRow("u", "page", "no_text"))
    tally.kept("page")
    assert tally.counts().unaccounted("page") == 0
    assert tally.counts().unaccounted("image") == 0


def test_counts_do_not_change_with_the_tally_they_came_from() -> None:
    tally = Tally()
    tally.saw("page")
    before = tally.counts()
    tally.saw("page")
    tally.drop(DropRow("u", "page", "no_text"))
    assert before == Counts({"page": 1})


def test_counts_are_sorted_so_that_equal_counts_are_equal_bytes() -> None:
    tally = Tally()
    for kind in ("record", "image"):
        tally.saw(kind)
        tally.kept(kind)
        for reason in ("too_large", "broken_image"):
            tally.drop(DropRow("u", kind, reason))
    counts = tally.counts()
    assert list(counts.seen) == list(counts.kept) == list(counts.drops) == ["image", "record"]
    assert list(counts.drops["image"]) == ["broken_image", "too_large"]


@st.composite
def _tallied(draw: st.DrawFn) -> Counts:
    """Counts as a tally gives them."""
    tally = Tally()
    for kind in draw(st.lists(st.sampled_from(["record", "page", "image"]), max_size=5)):
        tally.saw(kind)
    for kind in draw(st.lists(st.sampled_from(["record", "page", "image"]), max_size=5)):
        tally.kept(kind)
    rows = st.builds(DropRow, st.just("u"), st.sampled_from(["page", "image"]), st.sampled_from(["icon", "no_text"]))
    for row in draw(st.lists(rows, max_size=6)):
        tally.drop(row)
    return tally.counts()


_counts = _tallied()


@given(_counts, _counts, _counts)
def test_adding_counts_is_associative(a: Counts, b: Counts, c: Counts) -> None:
    assert (a + b) + c == a + (b + c)


@given(_counts, _counts)
def test_adding_counts_is_commutative_down_to_the_order_of_keys(a: Counts, b: Counts) -> None:
    assert repr(a + b) == repr(b + a)


@given(_counts)
def test_no_counts_change_nothing_when_added(a: Counts) -> None:
    assert a + Counts() == Counts() + a == a


@given(_counts, _counts)
def test_subtracting_undoes_adding(earlier: Counts, since: Counts) -> None:
    difference = (earlier + since) - earlier
    assert earlier + difference == earlier + since
    assert {kind: n for kind, n in difference.seen.items() if n} == since.seen
    assert {kind: n for kind, n in difference.kept.items() if n} == since.kept
    assert difference.drops == since.drops


@given(_counts, _counts)
def test_unaccounted_adds_up(a: Counts, b: Counts) -> None:
    assert (a + b).unaccounted("page") == a.unaccounted("page") + b.unaccounted("page")


def test_a_reason_that_nobody_documented_stops_the_run() -> None:
    def step(item: DropRow) -> None:
        raise Drop("because")

    with pytest.raises(StepError, match="UnknownReason"):
        list(each(step, [DropRow("https://a.org", "page", "")], Tally()))


def test_what_one_step_fails_on_is_counted_whatever_becomes_of_the_pages_around_it() -> None:
    """The page of each image drops for a reason of its own; the decoder has failed all the same."""

    def decode(item: Item) -> None:
        raise ValueError("broken")

    watched = Guarded(decode, max_failures_in_a_row=3)
    for _ in range(2):
        with pytest.raises(Drop, match="internal_error"):
            watched(Item("u"))
    with pytest.raises(StepError, match="3 failures in a row, last page u: ValueError: broken"):
        watched(Item("u"))


@pytest.mark.parametrize("reason", ["mine:few_lists", "a:b:c_1"])
def test_a_reason_with_a_prefix_is_the_users_own(reason: str) -> None:
    assert Drop(reason, "1 < 2").reason == reason
    assert meaning_of(reason) == "a reason of your own"


@pytest.mark.parametrize("reason", ["few lists", "Mine:few", "mine:", ":few", "mine", "mine:few-lists"])
def test_other_unknown_reasons_are_refused(reason: str) -> None:
    with pytest.raises(UnknownReason):
        Drop(reason)
