"""Letters of mailing lists, as archives show them."""

import pytest

from pipeline.page.letters import cut_header, header_of
from tests.pipeline.makers import extract, paragraphs, prose, texts, walk

FIELDS = {
    "To": "bikes@lists.example",
    "Subject": "Re: Gears slip",
    "From": "Ann Lee &lt;ann@x.example&gt;",
    "Date": "Tue, 3 May 2024 10:22:01 +0200",
    "In-reply-to": "&lt;<a href=msg10.html>202405@y.example</a>&gt;",
}
SAID = f"Bo Ray wrote:\n&gt; Is it the grease?\n\n{prose(1)}"
READ = SAID.replace("&gt;", ">")
ITEMS = "".join(f"<li><em>{name}</em>: {value}</li>" for name, value in FIELDS.items())
LINES = "\n".join(f"{name}: {value}" for name, value in FIELDS.items())


def test_of_a_letter_that_an_archive_shows_only_what_it_says_is_kept() -> None:
    """As MHonArc writes them, for Debian and GNU."""
    ways = "[<a href=msg11.html>Date Prev</a>][<a href=msg13.html>Date Next</a>][<a href=threads.html>Thread Index</a>]"
    answer = (
        "<ul><li><strong><a href=msg15.html>Re: Gears slip</a></strong><ul><li><em>From:</em> Bo Ray</li></ul></ul>"
    )
    behind = (
        f"<ul><li><strong>Follow-Ups</strong>:{answer}</ul><ul><li>Prev by Date: <a href=msg11.html>A pump</a></ul>"
    )
    body = f"<hr>{ways}<h1>Re: Gears slip</h1><hr><ul>{ITEMS}</ul><hr><pre>{SAID}</pre><hr>{behind}"
    assert texts(extract(body, "<title>Re: Gears slip</title>")) == [READ]


def test_a_letter_that_is_one_text_loses_its_header() -> None:
    body = f"<h1>Re: Gears slip</h1><pre>{LINES}\n  and bo@y.example\n\n{SAID}\n-- \nAnn Lee</pre>"
    assert texts(extract(body, "<title>Re: Gears slip</title>")) == [READ]


@pytest.mark.parametrize(
    "before",
    [
        f"<p>{prose(1)}</p><ul>{ITEMS}</ul>",
        "<ul><li>From: Vienna</li><li>To: Graz</li><li>From: Graz</li></ul>",
        "<ul><li>From: Vienna</li><li>To: Graz</li><li>Date: 3 May 2024</li></ul>",
        "<p>From: Vienna</p><p>Second class</p><p>To: Graz</p><p>One way</p><p>Date: 3 May 2024</p>",
        "<ul><li>From:</li><li>To:</li><li>Date:</li></ul>",
    ],
)
def test_other_lines_with_such_labels_are_no_header(before: str) -> None:
    assert not header_of(walk(f"<main>{before}<p>{prose(2)}</p></main>"))


@pytest.mark.parametrize("said", [f"{prose(1)}\n{LINES}", "From: Vienna\nTo: Graz\nDate: 3 May\n\nA train", LINES])
def test_a_text_that_begins_with_no_header_or_says_no_more_stays(said: str) -> None:
    walked = walk(f"<pre>{said}</pre><p>{prose(2)}</p>")
    before = [leaf.text for leaf in walked.leaves]
    assert not cut_header(walked)
    assert [leaf.text for leaf in walked.leaves] == before


def test_an_article_that_begins_as_a_letter_is_no_thread() -> None:
    answers = "".join(f"<div class=comment><b>Ann</b><p>{prose(60 + n, 2)}</p></div>" for n in range(5))
    body = f"<article><ul>{ITEMS}</ul>{paragraphs(8)}</article><div id=comments>{answers}</div>"
    found = texts(extract(body, '<meta property="og:type" content="article">'))
    assert ("Subject: Re: Gears slip" in found, prose(3) in found) == (True, True)
    assert prose(61, 2) not in found
