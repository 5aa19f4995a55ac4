"""Comments that only the heading above them tells."""

import pytest

from tests.pipeline.makers import extract, paragraphs, prose, texts, walk

ARTICLE = '<meta property="og:type" content="article">'
BODY = [prose(number) for number in range(8)]


def said(heading, below, head=ARTICLE, **fields):
    part = f"<div class=css-1x9><h2>{heading}</h2>{below}</div>"
    return texts(extract(f"<main><div class=css-8a>{paragraphs(8)}</div>{part}</main>", head, **fields))


def comments(count=3):
    return "".join(f"<div><b>Ann {n}</b><p>{prose(20 + n, 2)}</p></div>" for n in range(count))


@pytest.mark.parametrize("heading", ["Comments", "4 Comments", "Kommentare (4)", "コメント 4件", "댓글 4", "التعليقات"])
def test_what_stands_below_a_heading_of_comments_is_left_out(heading):
    assert said(heading, comments()) == BODY


@pytest.mark.parametrize(
    "heading",
    [
        "15 Replies to “Open-sourcing the drawings of the walls (and bridges) under a new licence for everybody”",
        "3 Gedanken zu „Mauern am Fluss“",
        "3 réflexions sur « Les murs »",
        "「石の壁」への3件のフィードバック",
    ],
)
def test_such_a_heading_may_quote_the_title(heading):
    assert said(heading, comments()) == BODY


def test_a_long_heading_that_quotes_is_none():
    long = f"3 comments on “{prose(30, 6)}”"
    assert len(long) > 300
    assert said(long, comments())[:9] == [*BODY, long]


def test_a_line_that_quotes_is_no_heading():
    part = f"<div><p>3 comments on “The walls”</p>{comments()}</div>"
    assert len(texts(extract(f"<main><div>{paragraphs(8)}</div>{part}</main>", ARTICLE))) > 8


def test_a_chapter_that_quotes_is_none():
    found = said("Replies to “The walls” and what they mean", comments(), "")
    assert {*BODY, prose(21, 2)} < set(found)


def test_one_comment_is_told_by_the_count_in_its_heading():
    assert said("Comments (1)", comments(1)) == BODY


def test_a_chapter_about_comments_stays():
    found = said("Comments", f"<p>{prose(20)}</p><p>{prose(21)}</p>")
    assert found == [*BODY, "Comments", prose(20), prose(21)]


def test_in_a_thread_they_are_the_content():
    found = said("3 Comments", comments(), "", url="https://forum.site.example/threads/old-wall.12/")
    assert [text for text in found if text in {prose(20 + n, 2) for n in range(3)}] == [
        prose(20 + n, 2) for n in range(3)
    ]


@pytest.mark.parametrize(
    ("title", "is_named"), [("<a href=/t{0}><h2>Title {0}</h2></a>", True), ("<h2>{0}</h2>", False)]
)
def test_titles_of_others_may_be_larger_than_the_heading_above_them(title, is_named):
    """What is no link there is the title of a section of its own."""
    others = "".join(f"<article>{title.format(n)}<p>{prose(20 + n)}</p></article>" for n in range(3))
    parts = walk(f"<div>{paragraphs(3)}</div><div id=others><h3>Related posts</h3>{others}</div>").containers
    assert any("related" in part.names.words for part in parts) is is_named


@pytest.mark.parametrize("heading", ["Related questions", "Ähnliche Themen", "Похожие темы", "相关帖子"])
def test_other_threads_are_told_by_the_heading_above_them(heading):
    assert said(heading, comments()) == BODY
