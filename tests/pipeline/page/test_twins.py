"""Words that a page has twice, once for the eye and once for screen readers, are read once."""

import pytest

from tests.pipeline.makers import extract, outline, paragraphs, texts

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


SCREENS = [
    ("d-md-none", "d-none d-md-block"),
    ("d-block d-lg-none", "d-none d-lg-flex"),
    ("lg:hidden", "hidden lg:block"),
    ("visible-xs-block", "hidden-xs"),
    ("show-for-small-only", "hide-for-small-only"),
    ("elementor-hidden-desktop", "elementor-hidden-mobile"),
]


def said_twice(body: str) -> list[str]:
    draft = extract(f"<article>{paragraphs(3)}{body}{paragraphs(3, 3)}</article>")
    return [name for name in outline(draft) if "the end of day" not in name]


@pytest.mark.parametrize("screens", [*SCREENS, *(pair[::-1] for pair in SCREENS)])
@pytest.mark.parametrize("written", ["<h2 class='{}'>Bridges</h2>", "<div class='x {}'><p>Bri<b>dges</b></p></div>"])
def test_what_is_said_once_for_small_screens_and_once_for_large_ones_is_read_once(screens, written) -> None:
    first, second = map(written.format, screens)
    assert said_twice(first + second) == ["Bridges"]


def test_so_is_a_caption() -> None:
    caption = "<span class=visible-xs>Dusk</span> <span class=hidden-xs>Dusk</span>"
    figure = f"<figure><img src=/a.jpg width=800 height=600><figcaption>{caption}</figcaption></figure>"
    assert said_twice(figure) == ["a.jpg", "Dusk"]


def test_the_copy_that_has_a_picture_too_is_read() -> None:
    one, other = (
        "<p class=d-md-none>Ely</p>",
        "<p class='d-none d-md-block'>Ely<img src=/a.jpg width=800 height=600></p>",
    )
    assert said_twice(one + other) == ["Ely", "a.jpg"]


@pytest.mark.parametrize(
    "body",
    [
        "<p class=d-md-none>Ely</p><p class=d-md-none>Ely</p>",
        "<p class=d-md-none>Ely</p><p>Ely</p>",
        "<p class=d-md-none>Ely</p>" + "<i></i>" * 20 + "<p class='d-none d-md-block'>Ely</p>",
        "<p class=d-md-none>Ely</p><p class='d-none d-md-block'>Ely</p>".replace("Ely", "Ely " * 101),
    ],
    ids=["same screens", "all screens", "far", "long"],
)
def test_what_else_is_said_twice_is_read_twice(body: str) -> None:
    assert len(said_twice(body)) == 2


def test_what_stands_in_its_copy_is_no_copy() -> None:
    assert said_twice("<div class='d-none d-md-block'><p class=d-lg-none>Ely</p></div>") == ["Ely"]
