"""Functions of the user's own, checked before any work."""

from typing import Any

from jobs.engine.own_code import check_settings


def test_a_function_that_takes_any_setting_has_those_that_are_given() -> None:
    def takes_any(item: Any, at_least: int = 1, **others: Any) -> Any:
        return item

    assert check_settings("mine:any", takes_any, {"more": 2, "at_least": 3}, 1) == {"more": 2, "at_least": 3}
