"""Words that a page has twice, once for the eye and once for screen readers, are read once."""

import pytest

from tests.pipeline.makers import extract, outline, paragraphs, texts, walk

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
        "<p class=md:hidden>Ely</p><p class=lg:hidden>Ely</p>",
        "<p class=d-md-none>Ely</p><p class='d-none d-md-block'>Ely</p><p class='d-none d-md-block'>Ely</p>",
        "<p class=d-md-none>Ely</p>" + "<i></i>" * 20 + "<p class='d-none d-md-block'>Ely</p>",
        "<p class=d-md-none>Ely</p><p class='d-none d-md-block'>Ely</p>".replace("Ely", "Ely " * 101),
    ],
    ids=["same screens", "all screens", "small screens", "one more", "far", "long"],
)
def test_what_else_is_said_twice_is_read_twice(body: str) -> None:
    assert len(said_twice(body)) == 2


def test_what_stands_in_its_copy_is_no_copy() -> None:
    assert said_twice("<div class='d-none d-md-block'><p class=d-lg-none>Ely</p></div>") == ["Ely"]


@pytest.mark.parametrize("first", ["d-md-none", "d-none d-md-block"])
def test_each_item_of_a_list_may_say_the_same(first: str) -> None:
    second = next(other for one in SCREENS[:1] for other in one if other != first)
    items = "".join(f"<li><b class='{first}'>Free</b> Play {n} <b class='{second}'>Free</b></li>" for n in range(4))
    assert said_twice(f"<ul>{items}</ul>") == [f"Free Play {n}" for n in range(4)]


def test_a_heading_for_each_of_three_sizes_is_read_once() -> None:
    assert said_twice("".join(f"<h2 class='{n}'>Ely</h2>" for n in ("visible-xs", "visible-sm", "hidden-xs"))) == [
        "Ely"
    ]


@pytest.mark.parametrize("tag", ["nav", "div class=sidebar"])
def test_what_a_menu_says_on_small_screens_is_read_where_the_text_says_it(tag: str) -> None:
    menu = f"<{tag}><p class='lg:hidden'>Ely</p><a href=/a>Home</a></{tag.split()[0]}>"
    body = f"<p>Ely, in March.</p>{menu}<p class='hidden lg:block'>Ely</p>"
    assert said_twice(body) == ["Ely, in March.", "Ely"]
    assert are_hidden(body) == [False, False, False]


def are_hidden(body: str) -> list[bool]:
    return [part.names.is_hidden for part in walk(body).containers if part.tag == "p"]


def test_twins_in_one_part_are_twins_whatever_it_is_called() -> None:
    one, other = "<p class='lg:hidden'>Ely</p>", "<p class='hidden lg:block'>Ely</p>"
    assert are_hidden(f"<div class=menu>{one}{other}</div>") == [False, True]


def test_columns_for_screens_stay_columns() -> None:
    rows = "".join(
        f"<tr><td>{c}<td class=hidden-xs>{n}<td class=visible-xs>{n}<td>{n}" for c, n in (("a", 1), ("b", 2))
    )
    head = "<tr><th>Club<th class=hidden-xs>Played<th class=visible-xs>P<th>Won"
    assert said_twice(f"<table>{head}{rows}</table>") == ["Club | Played | P | Won", "a | 1 | 1 | 1", "b | 2 | 2 | 2"]


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_long_and_a_short_word_the_long_one_is_read(order: int) -> None:
    words = ["<b class='d-none d-md-inline'>Arsenal</b>", "<b class=d-md-none>ARS</b>"][::order]
    assert said_twice(f"<p>Won by {' '.join(words)} in May</p>") == ["Won by Arsenal in May"]


@pytest.mark.parametrize(
    "words",
    [
        "<b class='d-none d-md-inline'>Arsenal</b> or <b class=d-md-none>ARS</b>",
        "<b class='d-none d-md-inline'>Arsenal</b> <i class=d-md-none>ARS</i>",
        "<b class='d-none d-md-inline'>Arsenal</b> or <i>so</i> <b class=d-md-none>ARS</b>",
        "<b class=d-lg-none>Arsenal</b> <b class=d-md-none>ARS</b>",
    ],
    ids=["words between", "other elements", "element between", "same screens"],
)
def test_other_words_are_both_read(words: str) -> None:
    assert "Arsenal" in said_twice(f"<p>Won by {words} in May</p>")[0]
    assert "ARS" in said_twice(f"<p>Won by {words} in May</p>")[0]


def test_blocks_that_say_different_things_are_both_read() -> None:
    assert said_twice("<p class='d-none d-md-block'>Ely</p><p class=d-md-none>Leith</p>") == ["Ely", "Leith"]
