"""What is furniture in the posts of a thread, and around them."""

import pytest

from pipeline.page.evidence import evidence
from pipeline.page.metadata import Metadata
from pipeline.page.posts import leave_out_furniture
from tests.pipeline.makers import URL, extract, outline, prose, texts, walk

THREAD = "https://site.example/viewtopic.php?t=871"
TITLE = "How to mend an old stone bridge"
HEAD = f"<title>{TITLE} - Masons</title>"
USERS = ["Ann", "OldIron", "mkessler", "RaysShop", "Dovetail"]


def post(number: int, said: str = "", name: str = "row") -> str:
    user = USERS[number % len(USERS)]
    return (
        f"<div class={name} id=p{number}><div class=poster><b>{user}</b><br>Rank {number}<br>Joined: 0{number} Mar 2014"
        f"<br>From: Town {number}</div><p class=when>This post by {user} was written on Monday 1{number} March.</p>"
        f"<div class=said>{said or prose(number, 2)}</div></div>"
    )


def thread(*rows: str, above: str = "", below: str = "") -> list[str]:
    body = f"{above}<h1>{TITLE}</h1><div id=list>{''.join(rows)}</div>{below}"
    return texts(extract(body, HEAD, url=THREAD))


def test_of_posts_what_they_say_is_kept_whatever_stands_beside_it() -> None:
    assert thread(*map(post, range(5))) == [prose(number, 2) for number in range(5)]


def test_three_posts_with_rows_for_their_buttons_are_posts() -> None:
    """As phpBB 2 has them: a row of the post, one of its buttons, and one between it and the next."""
    row = (
        "<tr><td width=150><b>{0}</b><br>Rank {1}<br>Posts: {1}1</td><td><table><tr><td><span>Posted: Mar 1{1}, 2014"
        "</span> Post subject: {2}</td></tr><tr><td>{3}</td></tr></table></td></tr><tr><td>Back to top</td><td><a"
        " href=/p>Profile</a></td></tr><tr><td colspan=2>Gap {1}</td></tr>"
    )
    rows = "".join(row.format(USERS[n], n, TITLE if not n else "", prose(n, 3)) for n in range(3))
    assert texts(extract(f"<h1>{TITLE}</h1><table>{rows}</table>", HEAD, url=THREAD)) == [prose(n, 3) for n in range(3)]


def test_a_question_whose_tags_say_its_title_again_is_one() -> None:
    question = (
        f"<h1>{TITLE}</h1><section class=question><div>{prose(50, 3)}</div><p>#mend #old #stone #bridge</p></section>"
    )
    answers = f"<div id=list>{''.join(map(post, range(5)))}</div>"
    found = texts(extract(f"<main>{question}{answers}</main>", HEAD, url=THREAD))
    assert [text for text in found if "#" not in text] == [prose(50, 3), *(prose(number, 2) for number in range(5))]


def test_the_picture_that_ends_the_last_post_stays() -> None:
    deep = "<div><div><div><div>{0}</div></div></div></div>"
    shot = "Like this.<div><a href=/large.png><img src=/shot.png width=690 height=400></a></div>"
    rows = [post(number, deep.format(f"<p>{prose(number, 2)}</p>")) for number in range(4)]
    rows.append(post(4, deep.format(f"<p>{shot}</p>")))
    body = f"<h1>{TITLE}</h1><div id=list>{''.join(rows)}</div>"
    assert outline(extract(body, HEAD, url=THREAD))[-2:] == ["Like this.", "shot.png"]


def test_a_picture_attached_to_the_last_post_in_a_box_stays() -> None:
    """As vBulletin has it."""
    box = "<div><fieldset><legend>Attached</legend><div><img src=/shot.png></div></fieldset></div>"
    row = "<div><div><p>{}</p><div><div id=m{}>{}</div>{}</div></div></div>"
    rows = [row.format(USERS[n], n, prose(n, 2), "" if n < 4 else box) for n in range(5)]
    body = f"<h1>{TITLE}</h1><div id=list>{''.join(rows)}</div>"
    assert "shot.png" in outline(extract(body, HEAD, url=THREAD))


def test_captions_in_a_gallery_above_the_answers_stay() -> None:
    shots = "".join(
        f"<li><figure><img src=/{n}.jpg><figcaption>Side {n} of it</figcaption></figure></li>" for n in range(4)
    )
    question = f"<h1>{TITLE}</h1><section><ul>{shots}</ul><div>{prose(50, 3)}</div></section>"
    sponsor = "<figure><img src=/s.jpg><figcaption>Side by side with us</figcaption></figure>"
    body = f"<main>{sponsor}{question}<div id=list>{''.join(map(post, range(5)))}</div></main>"
    found = texts(extract(body, HEAD, url=THREAD))
    assert [text for text in found if text.startswith("Side")] == [f"Side {n} of it" for n in range(4)]


def test_a_picture_behind_all_posts_goes() -> None:
    rows = "".join(f"<div id=m{n}>{prose(n, 2)}</div>" for n in range(5))
    body = f"<h1>{TITLE}</h1><div id=list>{rows}<div><img src=/banner.png></div></div>"
    assert "banner.png" not in outline(extract(body, HEAD, url=THREAD))


def test_a_post_and_its_answer_are_told_by_their_names() -> None:
    """What both say in points stays: of two nobody knows what is furniture in what they say."""
    said = [f"<p>{prose(number, 3)}</p><ul><li>Point {number}a</li></ul>" for number in range(2)]
    rows = [post(number, said[number]) for number in range(2)]
    assert thread(*rows) == [text for number in range(2) for text in (prose(number, 3), f"Point {number}a")]


def test_short_posts_stay() -> None:
    said = [prose(0), "Same here", "Thanks", "It works now", prose(4)]
    assert thread(*map(post, range(5), said)) == said


def test_rows_of_two_names_in_turn_are_posts() -> None:
    rows = [post(number, name=("even", "odd")[number % 2]) for number in range(6)]
    assert thread(*rows) == [prose(number, 2) for number in range(6)]


def test_what_stands_before_the_title_or_behind_the_posts_is_none_of_the_thread() -> None:
    rules = f"<div class=box><p>{prose(30, 2)}</p><p>{prose(31, 1)}</p></div>"
    found = thread(*map(post, range(5)), above=rules, below=f"<div class=box><p>{prose(40, 2)}</p></div>")
    assert found == [prose(number, 2) for number in range(5)]


def test_of_two_posts_go_the_lines_that_say_who_wrote_them_and_when() -> None:
    def row(number: int, said: str) -> str:
        who = f"<h5><a href=/users/{number}>Ann of the {number}th bridge</a></h5>"
        who += f"<p class=by-author>on 3 May, 10:2{number}</p>"
        return f"<section>{who}<div class=said><p>{said}</p></div></section>"

    answer = f"<p><a href=/users/1>@Ann</a> that</p><p>I built it in 2014</p><p>{prose(1, 3)}</p>"
    filler = "".join(f"<a href=/{number}>Part {number}</a><br>" for number in range(9))
    found = texts(
        extract(f"<nav>{filler}</nav><h1>{TITLE}</h1>{row(1, prose(0, 3))}{row(2, answer)}", HEAD, url=THREAD)
    )
    assert found == [prose(0, 3), "@Ann that", "I built it in 2014", prose(1, 3)]


def test_other_threads_behind_the_posts_are_none_of_them_though_they_say_more() -> None:
    titles = [f"<h3><a href=/frage/{number}>Another bridge {number}</a></h3>" for number in range(4)]
    items = [f"<div class=item>{title}<p>{prose(60 + at, 3)}</p></div>" for at, title in enumerate(titles)]
    found = thread(*map(post, range(5)), below=f"<section>{''.join(items)}</section>")
    assert found == [prose(number, 2) for number in range(5)]


def test_the_question_above_the_answers_stays_without_what_is_said_of_it() -> None:
    question = f"<h1>{TITLE}</h1><div class=op><div class=said>{prose(20)}</div></div><p>5 answers</p><p>Sort by</p>"
    found = texts(extract(f"{question}<div id=list>{''.join(map(post, range(5)))}</div>", HEAD, url=THREAD))
    assert found == [prose(20), *(prose(number, 2) for number in range(5))]


def test_a_name_that_speaks_against_posts_says_nothing_of_all_of_them() -> None:
    rows = [post(number).replace("class=said", 'class="said signature"') for number in range(5)]
    assert thread(*rows) == [prose(number, 2) for number in range(5)]


def test_pictures_that_several_posts_show_are_none_of_what_they_say() -> None:
    star, shown = '<img src="/img/hot.png">', '<img src="/pictures/bridge.jpg">'
    rows = [star + post(number, f"{prose(number, 2)}{shown if number == 1 else ''}") for number in range(5)]
    found = outline(extract(f"<h1>{TITLE}</h1><div>{''.join(rows)}</div>", HEAD, url=THREAD))
    assert [name for name in found if name.endswith((".png", ".jpg"))] == ["bridge.jpg"]


def test_portraits_go_though_each_is_of_another_person_and_what_posts_show_stays() -> None:
    def row(number: int) -> str:
        said = f"{prose(number, 2)}<p><img src=/pictures/{number}.jpg></p>" if number else prose(number, 2)
        return f"<div class=row><p><img src=/faces/{number}.jpg></p><div class=said>{said}</div></div>"

    found = outline(extract(f"<h1>{TITLE}</h1><div>{''.join(map(row, range(4)))}</div>", HEAD, url=THREAD))
    assert [name for name in found if name.endswith(".jpg")] == ["1.jpg", "2.jpg", "3.jpg"]


def test_what_is_called_posts_are_posts_though_the_first_has_more_paragraphs_than_they_are() -> None:
    question = "".join(f"<div>{prose(number, 4)}</div>" for number in range(50, 58))
    rows = [post(0, question, "post"), *(post(number, prose(number), "post") for number in range(1, 5))]
    assert thread(*rows) == [*(prose(number, 4) for number in range(50, 58)), *map(prose, range(1, 5))]


def test_answers_are_posts_and_not_what_holds_them_though_it_is_called_so_too() -> None:
    answers = "".join(post(number, name="answer") for number in range(6))
    found = thread(*(f"<div class=post>{said}</div>" for said in (prose(50), answers, prose(51))))
    assert [text for text in found if "This post by" in text or "Joined" in text] == []
    assert set(found) >= {prose(number, 2) for number in range(6)}


@pytest.mark.parametrize(
    ("row", "stay"),
    [
        ("<div class=row><div class=said><div>{1}</div><img src=/{0}.jpg><div>{2}</div></div></div>", True),
        ("<div class=row><div class=said><img src=/{0}.jpg><div>{1}</div><div>{2}</div></div></div>", False),
        ("<div class=row><div class=said>{1}<p>{2}</p></div><img src=/{0}.jpg></div>", False),
    ],
)
def test_pictures_that_most_posts_have_stay_between_their_paragraphs(row: str, stay: bool) -> None:
    rows = "".join(row.format(number, prose(number, 2), prose(number + 20)) for number in range(5))
    draft = extract(f"<h1>{TITLE}</h1><div id=list>{rows}</div>", HEAD, url=THREAD)
    assert [image.url.rpartition("/")[2] for image in draft.images] == [f"{n}.jpg" for n in range(5) if stay]


def test_the_numbers_of_posts_are_fragments() -> None:
    rows = [
        post(number).replace("<p class=when>", f"<p class=number>{number + 1}.</p><p class=when>")
        for number in range(5)
    ]
    assert thread(*rows) == [prose(number, 2) for number in range(5)]


def test_a_line_above_the_question_that_says_when_is_none_of_it() -> None:
    line = "<p>41 points by Ann, who lives in the old town, 8 hours ago | hide | past | favorite | 6 comments</p>"
    above = f"<h1>{TITLE}</h1><div class=op><div>{line}</div><div class=top>{prose(20)}</div></div>"
    found = texts(extract(f"{above}<div>{''.join(map(post, range(5)))}</div>", HEAD, url=THREAD))
    assert found == [prose(20), *(prose(number, 2) for number in range(5))]


def test_on_other_pages_nothing_is_taken_for_posts() -> None:
    body = f"<h1>{TITLE}</h1><div>{''.join(map(post, range(5)))}</div>"
    article = f'{HEAD}<meta property="og:type" content="article">'
    assert any("was written on Monday" in text for text in texts(extract(body, article)))


def test_parts_of_other_names_are_no_posts() -> None:
    """Of one post its head, its text and its signature stand beside one another."""
    names, lengths = ("x-date x-head", "x-body x-rich", "x-foot x-links"), (2, 3, 2)
    parts = [f"<div class='{name}'>{prose(count, count)}</div>" for name, count in zip(names, lengths, strict=True)]
    walked = walk(f"<div class=only>{''.join(parts)}</div><p>Short</p>")
    indexes, verdicts = list(range(len(walked.leaves))), [None] * len(walked.leaves)
    evident = evidence(walked, indexes, Metadata(base=URL), verdicts, 0)
    assert leave_out_furniture(walked, indexes, evident.siblings, TITLE, verdicts) == set()


def test_comments_on_the_answers_of_a_question_stay_out() -> None:
    comment = f"<ul class=comments><li><div class=said>{prose(50, 1)}</div></li></ul>"
    rows = [post(number, f"{prose(number, 2)}</div>{comment}<div>") for number in range(5)]
    question = '<div itemscope itemtype="https://schema.org/QAPage">'
    found = texts(extract(f"{question}<h1>{TITLE}</h1><div>{''.join(rows)}</div></div>", HEAD))
    assert found == [prose(number, 2) for number in range(5)]


@pytest.mark.parametrize("name", ["class=signature", "class='postsignature postmsg'", "data-role=memberSignature"])
def test_what_is_named_a_signature_goes(name: str) -> None:
    signed = [f"<div {name}>{prose(60 + number, 1)}</div>" for number in range(5)]
    rows = [post(number, prose(number, 2) + signed[number]) for number in range(5)]
    assert thread(*rows) == [prose(number, 2) for number in range(5)]


@pytest.mark.parametrize(("name", "goes"), [("sign", True), ("sign-board", False)])
def test_what_only_one_member_signs_with_goes_by_its_name(name: str, goes: bool) -> None:
    """As Discuz! calls it."""
    signed = f"<div class={name}>{prose(60)}</div>"
    found = thread(*(post(number, prose(number, 2) + (signed if number == 2 else "")) for number in range(5)))
    assert (prose(60) not in found) is goes


def answer(number: int) -> str:
    return (
        f"<div class='qa-answer qa-item'><div class=qa-who><b>{USERS[number]}</b></div><p class=qa-when>Written on the"
        f" 1{number} March</p><div class=qa-said>{prose(number, 2)}</div></div>"
    )


def test_answers_beside_the_best_one_are_posts_though_all_names_begin_alike() -> None:
    """As Baidu Zhidao and Chiebukuro have it: all classes begin with one word, which makes nothing alike."""
    question = f"<div class=qa-ask><h1>{TITLE}</h1><div class=qa-text>{prose(50, 3)}</div></div>"
    best = (
        f"<div class=qa-best><h2>Best answer</h2><b class=qa-name>Ann</b><div class=qa-text>{prose(60, 9)}</div></div>"
    )
    others = f"<div class=qa-others><h2>Other answers</h2><div>{''.join(map(answer, range(3)))}</div></div>"
    body = f"<main class=qa-page>{question}{best}{others}</main>"
    found = texts(extract(body, HEAD, url="https://site.example/question/871.html"))
    assert [said for said in found if said in USERS or "Written" in said] == []
    assert [said for said in found if len(said) > 40] == [prose(50, 3), prose(60, 9), *(prose(n, 2) for n in range(3))]


def test_code_of_the_question_stays() -> None:
    above = f"<div class=question><p>{prose(50, 3)}</p><div class=highlight><pre>x = 1\ny = 2</pre></div></div>"
    body = f"<h1>{TITLE}</h1>{above}<div id=list>{''.join(map(post, range(5)))}</div>"
    assert "x = 1\ny = 2" in texts(extract(body, HEAD, url=THREAD))


@pytest.mark.parametrize(("below", "stay"), [("", True), ("<div class=answers><h2>0 answers</h2></div>", False)])
def test_what_answers_a_question_stays_though_it_is_called_comments(below: str, stay: bool) -> None:
    """As Ask MetaFilter has it; where a page has answers, too, comments are others' on these."""
    question = f"<div itemscope itemtype='https://schema.org/QAPage'><h1>{TITLE}</h1><p>{prose(50, 2)}</p>"
    comments = "".join(f"<div class=comments>{prose(n, 3)}<br><span class=by>by Ann</span></div>" for n in range(4))
    found = "".join(texts(extract(f"{question}{below}<div id=page>{comments}</div></div>", HEAD)))
    assert prose(50, 2) in found
    assert all((prose(number, 3) in found) is stay for number in range(4))
