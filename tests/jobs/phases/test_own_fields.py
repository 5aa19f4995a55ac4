"""Fields that a step changed are looked at, by their types."""

from types import MappingProxyType
from typing import Literal

import msgspec
import numpy as np
import pytest

import weft
from jobs.phases.own_fields import plain_fields, wrong_field
from jobs.phases.own_steps import OwnFunction
from jobs.phases.own_trial import _EXAMPLES
from schemas.documents import Draft, TextBlock
from schemas.drops import MAX_OWN_DETAIL, Drop, bounded
from schemas.pairs import Caption, PairRef

DRAFT = _EXAMPLES[Draft]()
PAIR = _EXAMPLES[PairRef]()


@pytest.mark.parametrize("takes", _EXAMPLES)
def test_items_as_they_are_fit(takes: type) -> None:
    item = _EXAMPLES[takes]()
    assert wrong_field(None, item) == ""
    assert wrong_field(item, item) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": 5}, "title must be str, not int"),
        ({"title": None}, "title must be str, not NoneType"),
        ({"blocks": "text"}, "blocks must be "),
        ({"blocks": (TextBlock(5),)}, "blocks must be "),  # type: ignore[arg-type]
        ({"blocks": [TextBlock("a list does as well")]}, ""),
        ({"language_score": np.float32(0.5)}, ""),
        ({"language_score": 1}, ""),
        ({"language_score": np.float64(0.5)}, ""),
        ({"redacted": {5: 1}}, "redacted must be "),
        ({"redacted": {"email": "1"}}, "redacted must be "),
        ({"blocks": 5}, "blocks must be "),
        ({"language_score": "1"}, "language_score must be float, not str"),
    ],
)
def test_a_field_of_another_type_is_named(changes: dict[str, object], said: str) -> None:
    found = wrong_field(DRAFT, msgspec.structs.replace(DRAFT, **changes))
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_step_that_returns_such_a_field_costs_the_item_and_is_named() -> None:
    def numbered(draft: Draft) -> Draft:
        return msgspec.structs.replace(draft, title=5)

    with pytest.raises(Drop) as dropped:
        OwnFunction("mine:numbered", numbered, {}, Draft)(DRAFT)
    assert dropped.value.reason == "step_failed"
    assert dropped.value.detail == "mine:numbered: TypeError: title must be str, not int"


@pytest.mark.parametrize(
    ("before", "changes", "plain"),
    [
        (DRAFT, {"language_score": np.float64(0.5)}, {"language_score": 0.5}),
        (DRAFT, {"language_score": np.float32(0.5)}, {"language_score": 0.5}),
        (DRAFT, {"title": np.str_("a title")}, {"title": "a title"}),
        (DRAFT, {"redacted": {np.str_("email"): np.int64(2)}}, {"redacted": {"email": 2}}),
        (DRAFT, {"blocks": (TextBlock(np.str_("a text")),)}, {"blocks": (TextBlock("a text"),)}),
        (DRAFT, {"redacted": MappingProxyType({"email": 2})}, {"redacted": {"email": 2}}),
        (PAIR, {"extra": {"a": -(1 << 63), "b": (1 << 63) - 1}}, {"extra": {"a": -(1 << 63), "b": (1 << 63) - 1}}),
        (PAIR, {"caption": np.str_("a")}, {"caption": "a"}),
        (PAIR, {"in_content": np.bool_(False)}, {"in_content": False}),
        (PAIR, {"place": np.int64(3)}, {"place": 3}),
        (PAIR, {"extra": {"a": np.float64(0.5), "b": None}}, {"extra": {"a": 0.5, "b": None}}),
        (PAIR, {"captions": [Caption(np.str_("a"), "alt")]}, {"captions": [Caption("a", "alt")]}),
    ],
)
def test_numbers_and_texts_of_numpy_become_plain_ones(before: object, changes: dict, plain: dict) -> None:
    result = OwnFunction("mine:step", lambda item: msgspec.structs.replace(item, **changes), {}, type(before))(before)
    assert result == msgspec.structs.replace(before, **plain)
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(before)) is not None  # as a writer does
    (value, wanted), *_ = [(getattr(result, name), plain[name]) for name in plain]
    assert type(value) is type(wanted)


@pytest.mark.parametrize(
    ("before", "changes", "said"),
    [
        (DRAFT, {"title": "half \ud800 a pair"}, "title: 'utf-8' codec can't encode character"),
        (DRAFT, {"blocks": (TextBlock("half \ud800 a pair"),)}, "blocks: text: 'utf-8' codec can't encode character"),
        (PAIR, {"caption": "half \ud800 a pair"}, "caption: 'utf-8' codec"),
        (DRAFT, {"language_score": float("nan")}, "language_score: nan is no number that JSON has"),
        (PAIR, {"language_score": np.float32("inf")}, "language_score: inf is no number that JSON has"),
        (PAIR, {"extra": {"a": 1 << 63}}, "extra: a number of more than 64 bits"),
        (PAIR, {"extra": {"a": -(1 << 63) - 1}}, "extra: a number of more than 64 bits"),
    ],
)
def test_what_no_file_can_hold_costs_the_item_and_names_the_step(before: object, changes: dict, said: str) -> None:
    with pytest.raises(Drop) as dropped:
        OwnFunction("mine:step", lambda item: msgspec.structs.replace(item, **changes), {}, type(before))(before)
    assert dropped.value.reason == "step_failed"
    assert dropped.value.detail.startswith(f"mine:step: ValueError: {said}")


def test_what_a_step_left_alone_is_the_very_same() -> None:
    result = msgspec.structs.replace(DRAFT, title="another")
    assert plain_fields(DRAFT, result) is result
    assert plain_fields(None, DRAFT) is DRAFT


def test_what_a_step_left_alone_is_not_looked_at() -> None:
    before = msgspec.structs.replace(DRAFT, title="half \ud800 a pair", language_score="1")
    after = msgspec.structs.replace(before, url="https://a.example/")
    assert wrong_field(before, after) == ""
    assert plain_fields(before, after) is after


def test_a_key_of_numpy_becomes_a_plain_one() -> None:
    made = plain_fields(None, msgspec.structs.replace(DRAFT, redacted={np.str_("email"): 2}))
    assert [type(key) for key in made.redacted] == [str]


class Sized(msgspec.Struct, frozen=True):
    size: tuple[int, int] = (1, 2)
    unit: Literal["cm", "in"] = "cm"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Sized(), ""),
        (Sized((1,)), "size must be"),
        (Sized((1, 2, 3)), "size must be"),
        (Sized(unit="m"), "unit must be"),
    ],  # type: ignore[arg-type]
)
def test_pairs_have_two_and_words_are_those_that_there_are(item: Sized, said: str) -> None:
    assert wrong_field(None, item).startswith(said)
    assert bool(wrong_field(None, item)) == bool(said)


def test_the_detail_of_a_drop_may_be_a_number() -> None:
    assert weft.Drop("mine:few", 5).detail == "5"  # type: ignore[arg-type]


def test_details_of_own_steps_are_cut_where_they_are_too_long() -> None:
    def drops(draft: Draft) -> Draft:
        raise weft.Drop("mine:long", "y" * 3_000_000)

    def fails(draft: Draft) -> Draft:
        raise ValueError("y" * 3_000_000)

    for step, beginning in ((drops, "yyy"), (fails, "mine:step: ValueError: yyy")):
        with pytest.raises(Drop) as dropped:
            OwnFunction("mine:step", step, {}, Draft)(DRAFT)
        assert len(dropped.value.detail) == MAX_OWN_DETAIL
        assert dropped.value.detail.startswith(beginning)
        assert dropped.value.detail.endswith("y…")
    assert bounded("z" * MAX_OWN_DETAIL) == "z" * MAX_OWN_DETAIL
