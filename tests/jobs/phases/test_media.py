"""Which address of an image gives it, and what is said where none does."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from crawlers.captured import MediaSource
from jobs.phases.media import first_good
from schemas.drops import Drop


class Nothing:
    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        return candidates

    def get(self, url: str) -> Any:
        if "broken" in url:
            return SimpleNamespace(url=url)
        raise Drop("not_captured")


def refuse(_: Any) -> None:
    raise Drop("broken_image")


@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        (["https://a.example/map.svg", "https://a.example/map.png"], "not_captured"),
        (["https://a.example/broken.png", "https://a.example/map.svg"], "broken_image"),
        (["https://a.example/a.jpg"], "not_captured"),
    ],
)
def test_an_image_that_no_address_gives_says_what_says_most(candidates, reason):
    with pytest.raises(Drop) as drop:
        first_good(cast(MediaSource, Nothing()), refuse, candidates)
    assert drop.value.reason == reason
