"""Words that a page has twice, once for the eye and once for screen readers, are read once."""

import pytest

from tests.pipeline.makers import extract, paragraphs, texts

NAMED = "<span class=visually-hidden>{0}</span>"
SHOWN = "<div aria-hidden=true>{0}</div>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (NAMED.format("Pine tar soap") + SHOWN.format("Pine tar soap"), ["Pine tar soap"]),
        (SHOWN.format("Pine tar soap") + NAMED.format("Pine tar soap"), ["Pine tar soap"]),
        ("<a href=/s>" + NAMED.format("Soap") + "</a><img src=/s.jpg>" + SHOWN.format("<b>Soap</b>"), ["Soap"]),
        (NAMED.format("$29.99") + SHOWN.format("<span>$</span><span>29<i>.</i></span><span>99</span>"), ["$29.99"]),
        (SHOWN.format("<i>£</i><b>25</b>") + NAMED.format("Price £ 25"), ["£25"]),
        (NAMED.format("Pine tar soap") + SHOWN.format("Menu"), []),
        (NAMED.format("Soap") + "<i></i>" * 40 + SHOWN.format("Soap"), []),
        (NAMED.format("Soap") + SHOWN.format("Soap").replace("<div", "<div hidden"), []),
        (SHOWN.format("Soap") * 2, []),
    ],
)
def test_what_is_said_to_readers_too_is_shown(body: str, expected: list[str]) -> None:
    found = texts(extract(f"<main>{paragraphs(3)}<div>{body}</div>{paragraphs(3, 3)}</main>"))
    assert [text for text in found if "the end of day" not in text] == expected
