"""The numbers before the items of an ordered list."""

import pytest

from pipeline.page.leaves import Text
from tests.pipeline.makers import walk


def marks(body: str) -> list[str]:
    return [leaf.mark for leaf in walk(body).leaves if isinstance(leaf, Text)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<ol><li>a<li>b</ol>", ["1. ", "2. "]),
        ("<ol reversed><li>a<li>b<ul><li>x<li>y</ul><li>c</ol>", ["3. ", "2. ", "  - ", "  - ", "1. "]),
        ("<ol start=5 reversed><li>a<li>b</ol>", ["5. ", "4. "]),
        ("<ol start=-1><li>a<li>b<li>c</ol>", ["-1. ", "0. ", "1. "]),
        ("<ol><li>a<li value=-3>b<li>c</ol>", ["1. ", "-3. ", "-2. "]),
        ("<ol type=a start=26><li>a<li>b</ol><ol type=A><li>a</ol>", ["z. ", "aa. ", "A. "]),
        ("<ol type=I start=3><li>a<li>b</ol><ol type=i start=1990><li>a</ol>", ["III. ", "IV. ", "mcmxc. "]),
        ("<ol type=i start=4000><li>a</ol><ol type=a start=0><li>a</ol>", ["4000. ", "0. "]),
        ("<ol type=1><li>a</ol><ol type=disc><li>a</ol><ol start=x><li>a</ol>", ["1. ", "1. ", "1. "]),
        ("<ul type=a><li>a</ul><li>b</li>", ["- ", "- "]),
    ],
)
def test_items_are_numbered_as_browsers_do(body: str, expected: list[str]) -> None:
    assert marks(body) == expected


def test_a_list_with_many_items_in_many_lists_is_counted_once() -> None:
    assert marks("<ol reversed>" + "<li><ol><li>a</ol>" * 3 + "</ol>") == ["  1. "] * 3


def test_a_step_whose_title_is_a_heading_keeps_its_number() -> None:
    assert marks("<ol><li><h3>Open</h3><p>it</p><li><h3>Pour</h3></ol><ul><li><h3>Or</h3></ul>") == [
        "### 1. ",
        "",
        "### 2. ",
        "### ",
    ]


def test_a_number_that_the_author_wrote_too_stands_once() -> None:
    items = "<li>1. Mix<li>2) Rest<li>2.5 litres go in<li>4 eggs<ol><li>1. Two of them</ol>"
    assert marks(f"<ol>{items}</ol>") == ["", "", "3. ", "4. ", "  "]
    assert marks("<ol start=7><li>7. Lay<li>1. Lay</ol><ul><li>- Lay</ul>") == ["", "8. ", "- "]
