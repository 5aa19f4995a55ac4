"""Fields that a step changed are looked at, by their types."""

import msgspec
import numpy as np
import pytest

import weft
from jobs.phases.own_fields import wrong_field
from jobs.phases.own_steps import OwnFunction
from jobs.phases.own_trial import _EXAMPLES
from schemas.documents import Draft, TextBlock
from schemas.drops import Drop

DRAFT = _EXAMPLES[Draft]()


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


def test_the_detail_of_a_drop_may_be_a_number() -> None:
    assert weft.Drop("mine:few", 5).detail == "5"  # type: ignore[arg-type]
