"""Notes that software adds to posts, and signatures below a line."""

import pytest

from tests.pipeline.makers import extract, outline, prose, texts

THREAD = "https://site.example/showthread.php?t=871"


def said(*posts: str, url: str = THREAD) -> list[str]:
    rows = "".join(f"<div class=row><div class=said>{post}</div></div>" for post in posts)
    return texts(extract(f"<div>{rows}</div>", url=url))


@pytest.mark.parametrize(
    "note",
    [
        "Last edited by Ann on Mar 14, 2024 8:12 am; edited 1 time in total",
        "Edited June 19, 2024 by Ann",
        "Bearbeitet 14. März von Ann",
        "« Last Edit: March 14, 2024 by Ann »",
        "[Zuletzt bearbeitet von Ann am 14. März 2024]",
        "Последний раз редактировалось Анна 14 мар 2024",
        "本帖最后由 小河虾 于 2024-3-14 08:12 编辑",
    ],
)
def test_who_edited_a_post_is_none_of_it(note: str) -> None:
    posts = [f"{prose(0)}<p>{note}</p>", f"{prose(1)}<br><br>{note}", f"{note}<br>{prose(2)}", prose(3)]
    assert said(*posts) == [prose(number) for number in range(4)]


@pytest.mark.parametrize(
    "note",
    [
        *("301", "812 46", "+1", "★★★"),
        *("Posted 12 March 2021", "Geschrieben 14. März 2024", "投稿 2024-03-14"),
        *("5 Answers", "12 ответов", "3 条回复", "Topic starter", "1,204 views", "Sort by:"),
        *("Code: Select all", "Click to expand...", "#3 · Jun 4, 2024", "#12"),
        *("You must be logged in to reply to this topic.", "This topic has been closed to new replies."),
        *("farm.jpg (198.3 KB, 下载次数: 3)", "the old plan.pdf (1.2 MB)"),
        *("(95.79 KiB) Downloaded 478 times", "Ann Lee, Bo and 3 others like this.", "Originally Posted by Ann Lee"),
        *("发表于 2023-11-19 16:02", "發表於 2 小時前"),
        *("You must log in to answer this question.", "Find the answer to your question by asking."),
    ],
)
def test_counts_and_notices_for_guests_are_none_of_a_thread(note: str) -> None:
    assert said(prose(0), f"<p>{note}</p>{prose(1)}", prose(2), f"{prose(3)}<h2>{note}</h2>") == [*map(prose, range(4))]


def test_below_what_somebody_wrote_goes_the_line_that_says_who() -> None:
    posts = [f"{prose(number)}<br>posted by <b>Ann</b> at 7:4{number} PM on March 12" for number in range(3)]
    assert said(*posts) == [*map(prose, range(3))]


def test_what_stands_below_the_line_of_a_signature_goes() -> None:
    posts = [f"{prose(0)}<br>_________________<br>Measure twice.<br>Cut once.", prose(1), prose(2)]
    assert said(*posts) == [prose(number) for number in range(3)]
    assert said(f"{prose(0)}<p>_______________<br>Cut once.</p>", prose(1), prose(2))[:2] == [prose(0), prose(1)]
    letter = f"<pre>{prose(0)}\n\n-- \nAnn, of the old bridge\n</pre>"
    assert said(letter, url="https://lists.site.example/pipermail/dev/2024-March/004312.html") == [prose(0)]


def test_pictures_below_the_line_of_a_signature_go() -> None:
    sign = "<div>______________<br>80 CX500B<br><img src=/bike.jpg width=400 height=100></div>"
    shot = "<img src=/shot.jpg width=400 height=300>"
    posts = [f"<div>{prose(0)}{shot}</div>{sign}", f"{prose(1)}<br>_______<br><img src=/cat.jpg><br>Meow", prose(2)]
    rows = "".join(f"<div class=row><div class=said>{post}</div></div>" for post in posts)
    shown = outline(extract(f"<div>{rows}</div>", url=THREAD))
    assert [name for name in shown if name.endswith(".jpg")] == ["shot.jpg"]


def test_pictures_in_what_a_member_signs_with_go() -> None:
    sign = "<div data-role=memberSignature><p>C8 SE, HEQ5 with belts.</p><p><img src=/sky.png width=300></p></div>"
    posts = (f"<div class=said><p>{prose(n)}</p></div>{sign if n == 1 else ''}" for n in range(4))
    rows = "".join(f"<div class=row>{post}</div>" for post in posts)
    assert outline(extract(f"<div>{rows}</div>", url=THREAD)) == [*map(prose, range(4))]


def test_numbers_that_somebody_lists_or_that_are_long_stay() -> None:
    posts = [prose(0), f"{prose(1)}<ul><li>301</li><li>46</li></ul>", f"{prose(2)}<p>0123 4567 8910 1112</p>"]
    assert said(*posts) == [prose(0), prose(1), "301", "46", prose(2), "0123 4567 8910 1112"]


def test_who_posted_long_ago_may_be_told() -> None:
    said_so = "Posted 300 letters in March 2021 and never heard of any of them again"
    assert said(prose(0), f"<p>{said_so}</p>{prose(1)}", prose(2))[1:3] == [said_so, prose(1)]


def test_two_hyphens_in_code_begin_no_signature() -> None:
    code = "select name\n--\nfrom bridges;"
    assert code in said(f"{prose(0)}<pre><code>{code}</code></pre>", prose(1), prose(2))


def test_a_line_above_most_of_a_text_is_no_signature() -> None:
    post = f"{prose(0)}<br>_________________<br>{prose(1, 9)}"
    assert said(post, prose(2), prose(3))[0] == f"{prose(0)}\n_________________\n{prose(1, 9)}"


def test_a_sentence_about_edits_stays() -> None:
    post = f"{prose(0)}<p>It was last edited by the clerk of the town, as everybody here knows.</p>"
    assert said(post, prose(1), prose(2))[1].startswith("It was last edited")
    assert said(f"{prose(0)}<p>Edited volumes are what I like</p>{prose(1)}", prose(2), prose(3))[1].startswith(
        "Edited"
    )


def test_on_other_pages_nothing_is_cut() -> None:
    assert "Last edited by Ann" in said(f"{prose(0)}<br>Last edited by Ann", prose(1), url="https://site.example/a")[0]


@pytest.mark.parametrize(
    "line",
    ["References: the manual, chapter 3, and what Ann wrote", "You must log in to the router first", "#3 is the best"],
)
def test_a_line_of_a_post_that_begins_as_such_a_note_stays(line: str) -> None:
    assert said(prose(0), f"{prose(1)}<p>{line}</p>", prose(2), prose(3)).count(line) == 1
