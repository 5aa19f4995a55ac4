"""Answers that open below a line each are read whatever they are called."""

import pytest

from pipeline.page.chrome import leave_out_chrome
from pipeline.page.content_settings import ContentSettings
from pipeline.page.leaves import Text
from pipeline.page.panels import show_panels
from pipeline.page.verdicts import Verdict
from tests.pipeline.makers import extract, paragraphs, prose, texts, walk

FLAT = "<div class=css-1>{0}</div><div class=css-2 style='display:none'>{1}</div>"
ITEM = f"<div class=css-3>{FLAT}</div>"
LINES = ["Where the ferry lands", "When it sails", "What it costs"]
ANSWERS = [prose(20 + number, 1) for number in range(3)]


def answered(pair, lines=LINES, answers=ANSWERS):
    return "<div>" + "".join(map(pair.format, lines, answers)) + "</div>"


def shown(html):
    """What is not hidden once the panels are shown."""
    found = walk(html)
    verdicts = leave_out_chrome(found, ContentSettings())
    show_panels(found, verdicts)
    kept = zip(found.leaves, verdicts, strict=True)
    return [leaf.text for leaf, verdict in kept if isinstance(leaf, Text) and (not verdict or verdict.rule != "hidden")]


@pytest.mark.parametrize("pair", [FLAT, ITEM, "<p>{0}</p><section><div hidden>{1}</div></section>"])
def test_three_hidden_parts_below_a_line_each_are_shown(pair):
    expected = [text for pair in zip(LINES, ANSWERS, strict=True) for text in pair]
    assert shown(answered(pair)) == expected
    whole = f"<main><div>{paragraphs(6)}</div>{answered(pair)}</main>"
    assert texts(extract(whole))[6:] == expected


@pytest.mark.parametrize(
    ("pair", "lines", "answers", "expected"),
    [
        (ITEM, LINES[:2], ANSWERS[:2], LINES[:2]),  # two may be by chance
        ("<p>{0}</p><div hidden class=modal>{1}</div>", LINES, ANSWERS, LINES),
        ("<div hidden>{0}</div><div hidden>{1}</div>", LINES, ANSWERS, []),  # the line is hidden, too
        (ITEM, LINES, ["Ferry, bridge"] * 3, LINES),  # no sentence
        (ITEM, LINES, [f"<a href=/x>{answer}</a>" for answer in ANSWERS], LINES),  # a menu
        (ITEM, LINES, [f"{answer} <a href=/x>{prose(9, 1)}</a>" for answer in ANSWERS], LINES),
        (ITEM, [prose(50 + number) for number in range(3)], ANSWERS, [prose(50 + number) for number in range(3)]),
        ("<img src=/{0}.png><div hidden>{1}</div>", "abc", ANSWERS, []),
    ],
)
def test_what_else_is_hidden_stays_hidden(pair, lines, answers, expected):
    assert shown(answered(pair, lines, answers)) == expected


def test_one_that_nothing_stands_before_is_none():
    parts = "".join(f"<div hidden>{answer}</div><p>{line}</p>" for line, answer in zip(LINES, ANSWERS, strict=True))
    assert shown(f"<div>{parts}</div>") == LINES


@pytest.mark.parametrize(("verdict", "expected"), [(None, None), (Verdict("links"), Verdict("outside"))])
def test_they_go_where_their_lines_go(verdict, expected):
    found = walk(answered(ITEM))
    verdicts = leave_out_chrome(found, ContentSettings())
    verdicts[0::2] = [verdict] * 3
    show_panels(found, verdicts)
    assert verdicts[1::2] == [expected] * 3
    assert not any(part.names.is_hidden for part in found.containers)


@pytest.mark.parametrize("how", ['style="display: none"', "hidden", "aria-hidden=true"])
def test_an_answer_hidden_right_behind_a_button_that_asks_is_read(how):
    """Two of them are too few to be alike, and nothing names them."""
    parts = "".join(
        f"<div><button>{asks}</button><div x-show=open {how}><p>{said}</p></div></div>"
        for asks, said in (
            ("Is it free?", "Yes, for all who come before noon."),
            ("Orders", "Price, low to high, or not."),
        )
    )
    found = texts(extract(f"<main>{paragraphs(3)}{parts}{paragraphs(3, 3)}</main>"))
    assert "Yes, for all who come before noon." in found
    assert "Price, low to high, or not." not in found
