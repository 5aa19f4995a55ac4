"""What stands inside a line and is more than its words."""

import pytest

from pipeline.page.inline import joined_lines
from tests.pipeline.makers import walked_texts


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ("3 × 10<sup>8</sup> m/s", "3 × 10⁸ m/s"),
        ("10<sup>−3</sup> of it, 2<sup>n+1</sup> of them", "10⁻³ of it, 2ⁿ⁺¹ of them"),
        ("1<sup>1</sup>/<sub>2</sub> cups, 5<sup>3</sup>⁄<sub>8</sub> in", "1¹/₂ cups, 5³⁄₈ in"),
        ("in 1843<sup><a href='#fn2'>2</a></sup> it froze", "in 1843² it froze"),
        ("the 1<sup>st</sup>, E = mc<sup>2</sup>, H<sub>2</sub>O", "the 1st, E = mc2, H2O"),
        ("see 12<sup>[4]</sup>, 7 <sup>5</sup>", "see 12[4], 7 5"),
        ("10<sup>8", "10⁸"),
        ("10<sup>8<p>and more", "10⁸"),
        ("10<sup>8<b><b><b><b><b>9", "1089"),
    ],
)
def test_a_raised_number_does_not_run_into_the_one_before_it(markup: str, said: str) -> None:
    assert walked_texts(f"<p>{markup}</p>")[0] == said


def test_code_keeps_its_raised_numbers_as_they_are() -> None:
    assert walked_texts("<pre>x = 10<sup>8</sup></pre>") == ["x = 108"]


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ("He said <q>it will <b>hold</b></q> and it did", "He said “it will hold” and it did"),
        ("<q>«Oui»</q>, said he, and “<q>no</q>” she", "«Oui», said he, and “no” she"),
        ("an empty <q></q> and an end </q> alone", "an empty and an end alone"),
        ("<button><q>Go</q></button>on", "on"),
    ],
)
def test_marks_stand_around_a_quotation_as_browsers_draw_them(markup: str, said: str) -> None:
    assert walked_texts(f"<p>{markup}</p>") == [said]


def test_lines_cut_between_wide_characters_are_one() -> None:
    japanese = "この橋は一八四三年に\n  隣の谷の石工によって\r\n造られた。"
    assert walked_texts(f"<p>{japanese}</p>") == ["この橋は一八四三年に隣の谷の石工によって造られた。"]
    assert joined_lines("the bridge\n橋\nof 1843") == "the bridge\n橋\nof 1843"
    assert joined_lines("다리는\n오래") == "다리는\n오래"  # Korean has spaces between words
    assert walked_texts("<p><a href=a>首页</a>\n<a href=b>新闻</a></p>") == ["首页 新闻"]
    assert walked_texts("<pre>橋\n川</pre>") == ["橋\n川"]


def test_a_paragraph_separator_ends_a_line_and_is_no_cell() -> None:
    assert walked_texts("<p>He crossed.\u2029She followed.</p>") == ["He crossed.\nShe followed."]
    assert walked_texts("<p>He crossed.&#x2029;She followed.</p>") == ["He crossed.\nShe followed."]


def test_words_in_a_line_are_read_though_screen_readers_are_told_another_way() -> None:
    assert walked_texts("<p>It costs <span aria-hidden=true>five pounds</span> a ride.</p>") == [
        "It costs five pounds a ride."
    ]
    heading = "<h2 aria-label='Built to last'><span aria-hidden=true>Built</span> <i aria-hidden=true>to last</i></h2>"
    assert walked_texts(heading)[0].startswith("Built")


@pytest.mark.parametrize(
    "hidden",
    [
        "<p>Go on <span aria-hidden=true class=material-icons>expand more</span> to the end.</p>",
        "<p>Go on <span aria-hidden=true class=nav-icon>expand more</span> to the end.</p>",
        "<p>Go on <span aria-hidden=true>→</span> to the end.</p>",
        "<p>Go on <span aria-hidden=true hidden>by the next one</span> to the end.</p>",
        "<p>Go on to the end.<span aria-hidden=true>by the next one</span></p>",
        "<p><span aria-hidden=true>by the next one</span>Go on to the end.</p>",
        "<p>Go on <i aria-hidden=true>arrow_forward</i> to the end.</p>",
        "<h2 aria-label='Go on to the end.'>Go on <b aria-hidden=true>by the next</b> to the end.</h2>",
    ],
)
def test_what_else_is_hidden_from_screen_readers_stays_hidden(hidden: str) -> None:
    assert walked_texts(hidden) == ["Go on to the end."]


def test_an_emoji_that_is_an_image_stands_in_its_sentence() -> None:
    heart = "<img class=emoji width=18 height=18 alt='❤️' src=https://twemoji.maxcdn.com/2764.png>"
    assert walked_texts(f"<p>I {heart} it</p>") == ["I ❤️ it"]
    assert walked_texts(f"<p>{heart} it</p><p>{heart}</p>") == ["❤️ it"]
    assert walked_texts("<p>Press <img width=20 height=20 alt=Enter src=enter.png> now</p>") == ["Press now"]
    assert walked_texts("<p>I <img alt='❤️' src=heart.jpg width=640 height=480> it</p>") == ["I", "it"]


def test_an_initial_that_is_an_image_begins_its_word() -> None:
    assert walked_texts("<p><img alt=W width=40 height=40 src=w.png>hen it came</p>") == ["When it came"]
    assert walked_texts("<p><img alt=W width=40 height=40 src=w.png> hen it came</p>") == ["hen it came"]


def test_a_symbol_that_is_an_image_stands_between_words() -> None:
    symbol = "<img alt=G width=14 height=12 src=G.gif>"
    assert walked_texts(f"<p>Let {symbol} be a group, and {symbol}</p><p>{symbol} is it.</p>") == [
        "Let G be a group, and",
        "is it.",
    ]
