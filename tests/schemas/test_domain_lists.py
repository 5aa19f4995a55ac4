"""Lists of domains in the forms in which they are passed around."""

import pytest

from schemas.deny import DenyList
from schemas.domain_lists import entries


@pytest.mark.parametrize(
    "line",
    [
        "a.example", "0.0.0.0 a.example", "127.0.0.1\ta.example # why", "::1 a.example", "0.0.0.0 b.example a.example",
        "||a.example^", "||a.example^$third-party", "||a.example", '"a.example","2024-01-01"', "a.example,2024-01-01,x",
        "a.example;1", '"https://a.example/*","x"', "*.a.example", "\ufeffa.example",
    ],
)  # fmt: skip
def test_a_domain_is_denied(line: str) -> None:
    deny = DenyList([line])
    assert deny.denies("https://a.example/page")
    assert not deny.denies("https://example/")


@pytest.mark.parametrize(
    "line",
    [
        "# a.example", "! a.example", "[Adblock Plus 2.0]", "@@||a.example^", "a.example##.banner",
        "127.0.0.1 localhost",
        "domain,date", "url", "||a.example/banner^", "|https://a.example|", "0.0.0.0 0.0.0.0", '""',
    ],
)  # fmt: skip
def test_what_says_nothing_about_a_domain_denies_nothing(line: str) -> None:
    assert not DenyList([line]).denies("https://a.example/page")


def test_an_address_may_have_commas() -> None:
    deny = DenyList(["https://a.example/x,y"])
    assert deny.denies("https://a.example/x,y")
    assert not deny.denies("https://a.example/x")


def test_a_list_that_was_read_is_read_again_alike() -> None:
    lines = ["0.0.0.0 a.example", "||b.example^", '"https://c.example/1","x"', "d.example,1"]
    deny = DenyList(lines)
    assert DenyList(deny.lines).lines == deny.lines
    assert deny.lines == ["a.example", "b.example", "d.example", "https://c.example/1"]


def test_what_stands_behind_an_entry_is_a_note_but_not_the_fragment_of_an_address() -> None:
    lines = ["b.example # asked by mail", "https://a.example/#/walls", "0.0.0.0 c.example # ads"]
    assert list(entries(lines)) == ["b.example", "https://a.example/#/walls", "c.example"]
