"""Threads that neither their address nor their markup calls so, and pages that only look like them."""

import pytest

from pipeline.page.discussions import shows_thread, signatures
from pipeline.page.metadata import Metadata
from tests.pipeline.makers import URL, extract, paragraphs, prose, texts, walk

STORY = "".join(f"<p>{prose(number, 3)}</p>" for number in range(40, 43))


def post(number: int, name: str = "reply", who: str = "<a href=/user/ann>Ann</a>", title: str = "") -> str:
    return (
        f"<div class={name}-item><div class=head>{title}{who} wrote on 3 May 2024, 10:2{number}</div>"
        f"<div class=body>{prose(number, 2)}</div></div>"
    )


def found(body: str, kinds: tuple[str, ...] = (), page_type: str = "") -> bool:
    return shows_thread(walk(body), Metadata(base=URL, kinds=frozenset(kinds), page_type=page_type))


def rows(count: int = 4, **how: str) -> str:
    return "".join(post(number, **how) for number in range(count))


@pytest.mark.parametrize(
    ("body", "page_type"),
    [
        (rows(), ""),
        (rows(2), "article"),
        (rows(name="card"), "website"),
        (rows(name="comment"), ""),
        (rows(2, name="note") + rows(4, name="reply"), ""),
        (f"<div class=topic-comments>{rows(name='comment')}</div>", "article"),
        (rows(who="<b>Ann</b>", name="answer").replace("class=body", "class=author-post"), ""),
        (rows(title="<h4><a href=/user/ann>Ann</a></h4>"), ""),
        (rows(title="<p><a href=/tag/1>Bridges of stone</a> <a href=/tag/2>Ferries and ships</a></p>"), ""),
        (
            rows().replace("<div class=body>", "<p>").replace("</div></div>", "<br>Ann wrote on 3 May 2024</p></div>"),
            "",
        ),
        ("".join(f"<ul><li>{post(number, name='comment')}" for number in range(4)), ""),
    ],
)
def test_what_persons_write_in_turn_is_a_thread(body: str, page_type: str) -> None:
    assert found(body, page_type=page_type)


@pytest.mark.parametrize(
    ("body", "kinds", "page_type"),
    [
        (rows(), ("BlogPosting",), ""),
        (rows(), ("Product",), ""),
        (STORY * 3 + rows(name="comment"), (), ""),
        (f"<div>{STORY}</div>{rows(name='comment')}", (), "article"),
        (rows(who="Ann"), (), ""),
        (rows(name="card"), (), "article"),
        (rows(name="card", title="<h3><a href=/story>A story of a town and its bridge</a></h3>"), (), ""),
        (
            rows(name="card", title="<a href=/story>A story of a town and its bridge</a><br>").replace("<br>", "<p>"),
            (),
            "",
        ),
        (f"<div class=reviews>{rows()}</div>", (), ""),
        (f"<div class=single-post><p>{prose(40)}</p>{rows(name='comment')}</div>", (), ""),
        (rows(1), (), ""),
    ],
)
def test_stories_with_comments_lists_and_reviews_are_none(body: str, kinds: tuple[str, ...], page_type: str) -> None:
    assert not found(body, kinds, page_type)


def test_of_such_a_thread_the_posts_are_kept_and_nothing_beside_them() -> None:
    body = f"<h1>Bridges</h1><div id=topic>{rows(6, name='comment')}</div><p>{prose(30)}</p>"
    assert texts(extract(body, "<title>Bridges</title>")) == [prose(number, 2) for number in range(6)]


PERSONS = ("ann", "bo", "cy", "ann", "di", "ed")


def member_post(number: int, named: str = "post", extra: str = "", title: str = "") -> str:
    person = f"<div class=who><a href=/users/{PERSONS[number]}>{PERSONS[number]}</a><div>Old hand</div></div>"
    when = f"<div class=when>Mar {number + 1}, 2024 at 10:0{number}</div>{extra}"
    return f"<div class={named}>{title}{person}{when}<div class=said><p>{prose(number)}</p></div></div>"


def read(rows: str, above: str = "<h1>Which boat?</h1>", head: str = "") -> list[str]:
    return texts(extract(f"<div>{above}<div>{rows}</div></div>", f"<title>Which boat?</title>{head}"))


@pytest.mark.parametrize(
    ("named", "extra"),
    [
        ("post", ""),
        ("x1", "<div><a href=#p{0}>#{0}</a></div>"),
        ("x1", "<div><a href=/answer>Zitieren</a> </div>"),
        ("x1", "<div><a href=/answer>Reply</a></div>"),
    ],
)
def test_rows_of_persons_times_and_prose_are_posts(named: str, extra: str) -> None:
    rows = "".join(member_post(number, named, extra.format(number + 1)) for number in range(6))
    assert [text for text in read(rows) if text != "Which boat?"] == [prose(number) for number in range(6)]


ISSUE = "<table class=messages>{}</table>"
LINES = "<div>{}</div>"


@pytest.mark.parametrize(
    "form",
    [
        "<tr><th><a href=/msg{n}>msg{n}</a></th><th>Author: {who}</th><th>Date: 2024-05-02.10:1{n}</th></tr>"
        "<tr><td colspan=3><pre>{said}</pre></td></tr>",
        "<tr><th>From: [hidden] ({who})</th><th>2024-05-02 10:1{n}</th></tr><tr><td colspan=2><p>{said}</p></td></tr>",
        "<div><div>Autor: {who}</div><div>Datum: 2024-05-02 10:1{n}</div></div><div><p>{said}</p></div>",
    ],
)
def test_messages_of_a_tracker_say_by_labels_who_wrote_them(form: str) -> None:
    said = [prose(number) for number in range(5)]
    who = ("ann", "bo_ray", "cyd", "dee", "eve")
    rows = "".join(form.format(n=n, who=who[n], said=said[n]) for n in range(5))
    body = (ISSUE if form.startswith("<tr") else LINES).format(rows)
    head = "<h3>Issue 19</h3><dl><dt>Priority</dt><dd>high</dd><dt>Assigned to</dt><dd>ann</dd></dl>"
    assert found(head + body)
    assert texts(extract(f"{head}<h1>The bridge sways</h1>{body}", "<title>The bridge sways</title>")) == said


def test_a_label_says_who_wrote_a_post_only_beside_a_line_that_says_when() -> None:
    body = f"<p>Author: Ann Lee</p><p>Date: 2024-05-02 10:11</p><p>{prose(1)}</p><p>From: the old manual</p><p>Yes</p>"
    walked = walk(body)
    found = {walked.leaves[index].text for index in signatures(walked)}
    assert found == {"Author: Ann Lee", "Date: 2024-05-02 10:11"}


def test_a_story_by_a_named_author_is_no_thread() -> None:
    assert not found(f"<h1>Bridges</h1><p>Author: Ann Lee</p><p>3 May 2024</p>{STORY}<p>Author: Bo Ray</p><p>2024</p>")


def test_a_list_of_stories_with_writers_and_dates_is_no_thread() -> None:
    titles = [f"What became of the old ferry in year {number}" for number in range(6)]
    rows = "".join(
        member_post(at, title=f"<h2><a href=/story/{at}>{title}</a></h2>") for at, title in enumerate(titles)
    )
    found = read(rows, "<h1>Stories</h1>")
    assert [text for text in found if text in titles] == titles


def test_the_last_word_of_a_thread_is_no_scrap_behind_it() -> None:
    said = [*(prose(number, 2) for number in range(5)), "Thank you all"]
    who = "<p><a href=/user/ann>Ann</a>, 3 May 2024, 10:2{0}</p>"
    posts = "".join(f"<div>{who.format(number)}<div><p>{text}</p></div></div>" for number, text in enumerate(said))
    page = extract(f"<h1>A plan</h1><main><div>{posts}</div></main>", url="https://site.example/showthread.php?t=871")
    assert texts(page)[-1] == "Thank you all"


def test_what_readers_wrote_below_prose_is_none_of_it() -> None:
    rows = "".join(member_post(number, "comment") for number in range(6))
    found = read(rows, f"<h1>Which boat?</h1><article>{paragraphs(9, 20)}</article>")
    assert found[-9:] == [prose(number) for number in range(20, 29)]


def test_rows_without_persons_or_times_are_no_posts() -> None:
    plain = "".join(f"<div class=post><h3>Mill {n}</h3><div><p>{prose(n)}</p></div></div>" for n in range(6))
    assert [text for text in read(plain) if text.startswith("Mill")] == [f"Mill {n}" for n in range(6)]
