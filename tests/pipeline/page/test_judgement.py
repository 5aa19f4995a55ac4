"""What the evidence corrects in what the rules say."""

import numpy as np
import pytest

from pipeline.page import judgement
from pipeline.page.cards import are_cards
from pipeline.page.content import by_rules
from pipeline.page.content_settings import ContentSettings
from pipeline.page.evidence import evidence
from pipeline.page.explain import TextItem, explain_page
from pipeline.page.extract import extract_page
from pipeline.page.leaves import Text
from pipeline.page.metadata import Metadata
from pipeline.page.parsed import ExtractSettings
from pipeline.page.scorer import choose, expected_f1, scorer
from pipeline.page.tail import kept_characters
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.weights import weight_of
from schemas.drops import Drop
from tests.pipeline.makers import URL, page, paragraphs, prose, walk

MENU = "<nav>" + "".join(f"<a href=/{number}>Part {number}</a> " for number in range(9)) + "</nav>"
ARTICLE = '<meta property="og:type" content="article">'
POSTS = "".join(
    f"<div class=comment><div class=author><a href=/u/{n}>user{n}</a></div>"
    f"<div class=body>{paragraphs(2, 3 * n)}</div></div>"
    for n in range(8)
)


def texts(body: str, head: str = "") -> list[str]:
    return [block.text for block in extract_page(page(body, head)).texts]


def test_a_page_of_posts_keeps_them_whatever_they_are_named() -> None:
    found = texts(f"{MENU}<div id=comments>{POSTS}</div><footer>{prose(90, 2)}</footer>")
    assert [prose(3 * n + k) in found for n in range(8) for k in range(2)] == [True] * 16


def test_what_readers_wrote_below_an_article_is_no_part_of_it() -> None:
    head = '<meta property="og:type" content="article">'
    found = texts(f"{MENU}<article>{paragraphs(12, 40)}</article><div id=comments>{POSTS}</div>", head)
    assert found == [prose(number) for number in range(40, 52)]


@pytest.mark.parametrize(
    ("body", "are_kept"),
    [
        (f"<article>{paragraphs(9, 40)}</article><div class=related>{paragraphs(5)}</div>", False),
        (f"<div>{paragraphs(9, 40)}</div><div class=related>{paragraphs(5)}</div>", True),
        (f"<article>{paragraphs(9, 40)}</article><article class=related>{paragraphs(5)}</article>", True),
        (
            f"<article>{paragraphs(4, 40)}</article><div class=related>{paragraphs(5)}</div><div>{paragraphs(5)}</div>",
            True,
        ),
    ],
)
def test_evidence_adds_no_furniture_to_a_page_of_one_article(
    body: str, are_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.full(len(rows), 0.99))
    assert (prose(2) in texts(body)) == are_kept


def test_what_stands_at_one_place_of_all_posts_is_kept_in_all_or_in_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model says less and less for them towards the end of the page."""
    monkeypatch.setattr(judgement, "chances", lambda rows: np.linspace(0.8, 0.2, len(rows)))
    posts = "".join(
        f"<section><div class=who>Name{n}</div><div class=body>{prose(n)}</div></section>" for n in range(8)
    )
    found = texts(posts)
    assert [text for text in found if text.startswith("Name")] in ([], [f"Name{n}" for n in range(8)])
    assert [prose(n) in found for n in range(8)] == [True] * 8


def test_the_evidence_gives_no_label_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.full(len(rows), 0.99))
    buttons = "<div class=toolbar><p>Reply With Quote&nbsp;</p><p>Nach oben</p><p>So say we all here</p></div>"
    posts = "".join(f"<div><div>{prose(n)}</div>{buttons}</div>" for n in range(6))
    found = texts(posts)
    assert "So say we all here" in found
    assert not {"Reply With Quote", "Nach oben"} & {text.strip() for text in found}


def test_what_the_evidence_keeps_behind_the_last_sentence_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    items = "".join(f"<div><p><a href=/{n}>Recipe number {n}</a></p></div>" for n in range(14))
    monkeypatch.setattr(judgement, "chances", lambda rows: np.full(len(rows), 0.99))
    assert texts(f"<div><p>{prose(1)}</p></div><div>{items}</div>")[1:] == [f"Recipe number {n}" for n in range(14)]


@pytest.mark.parametrize(("chance", "are_kept"), [(0.9, True), (0.5, False)])
def test_the_evidence_tells_the_end_of_a_page_from_scraps(
    chance: float, are_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.full(len(rows), chance))
    end = "<section><h3>Where</h3><p>Lindenhof 4, Berlin</p></section>"
    found = texts(f"<main><div>{paragraphs(12)}</div>{end}</main>")
    assert ("Where" in found, "Lindenhof 4, Berlin" in found) == (are_kept, are_kept)


def test_a_card_whose_description_is_kept_keeps_its_title_and_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def card(n: int) -> str:
        title = f"<img src=/{n}.jpg><h4><a href=/far/{n}>Barn {n}</a></h4>"
        return f"<div>{title}<div>A barn that was made a home.</div></div>"

    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, column] > 0, 0.05, 0.95))
    column = scorer().columns.index("heading level")
    found = extract_page(
        page(f"<main>{paragraphs(4)}<div>{''.join(map(card, range(6)))}</div>{paragraphs(4, 4)}</main>")
    )
    assert [f"Barn {n}" in [block.text for block in found.texts] for n in range(6)] == [True] * 6
    assert len(found.images) == 6


def test_lines_that_lead_away_are_kept_as_titles_of_what_is_said_below_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def card(n: int) -> str:
        said = f"A barn that was made a home, by the river {n}."
        return f"<div><a href=/far/{n}><span>Barn {n}</span><p>{said}</p></a></div>"

    column = scorer().columns.index("length")
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, column] > 3, 0.95, 0.05))
    found = texts(f"<main>{paragraphs(4)}<div>{''.join(map(card, range(6)))}</div></main>")
    assert [f"Barn {n}" in found for n in range(6)] == [True] * 6


@pytest.mark.parametrize(
    ("url", "is_thread"),
    [
        ("https://forum.site.example/a-plan", True),
        ("https://site.example/forum/plans/a-plan", True),
        ("https://site.example/threads/a-plan.1231381/", True),
        ("https://site.example/x/viewtopic.php?t=1", True),
        ("https://site.example/thread-222085.html", True),
        ("https://site.example/ShowTopic-g29-i52-k1.html", True),
        ("https://community.site.example/topic/43227/a-plan", True),
        ("https://site.example/t/a-plan/43227", True),
        ("https://planforum.example/plans/1488296-a-plan.html", True),
        ("https://site.example/r/plans/comments/1rku5x9/a_plan/", True),
        ("https://site.example/discussion/43227/a-plan", True),
        ("https://site.example/t5/plans/a-plan/td-p/43227", True),
        ("https://site.example/index.php?topic=43227.0", True),
        ("https://site.example/index.php?threads/a-plan.43227/", True),
        ("https://site.example/index.php?thread/43227-a-plan/", True),
        ("https://groups.site.example/g/plans/c/aZ3xq", True),
        ("https://site.example/a/plan/issues/43", True),
        ("https://bugs.site.example/show_bug.cgi?id=43", True),
        ("https://site.example/test/read.cgi/plans/1700000000/", True),
        ("https://site.example/app/43/discussions/0/43227/", True),
        ("https://site.example/news/world-forum-threads.html", False),
        ("https://site.example/magazine/issues/43", False),
        ("https://site.example/the/magazine/issues/2024/03", False),
        ("https://site.example/tickets/43", False),
        ("https://weforum.example/news/a-plan", False),
        ("https://weforum.example/news/2024/12-plans", False),
        ("https://site.example/news/1488296-a-plan.html", False),
        ("https://site.example/topic/politics/a-plan", False),
        ("https://site.example/t/shirts", False),
        ("https://site.example/a-plan?from=/forum/", False),
    ],
)
def test_an_address_tells_a_thread_whose_posts_are_its_content(url: str, is_thread: bool) -> None:
    replies = "".join(f"<li class=comment><p>{prose(n, 6)}</p></li>" for n in range(4))
    body = f"<div><p>{prose(20, 30)}</p></div><div><ul class=comments>{replies}</ul></div>"
    found = [
        block.text for block in extract_page(page(body, '<meta property="og:type" content="article">', url=url)).texts
    ]
    assert (prose(2, 6) in found) == is_thread


def test_a_page_that_scripts_draw_is_read_in_noscript() -> None:
    assert texts(f"<div id=app></div><noscript><div>{paragraphs(6)}</div></noscript>") == [prose(n) for n in range(6)]


def test_a_noscript_beside_text_is_not_read() -> None:
    assert texts(f"<div>{paragraphs(6)}</div><noscript><p>{prose(90)}</p></noscript>") == [prose(n) for n in range(6)]


def test_markup_that_a_browser_wrote_out_as_text_in_noscript_is_not_read() -> None:
    tracker = f"&lt;img src=&quot;https://count.example/?{'page=story&amp;amp;' * 60}&quot;&gt;"
    found = texts(f"<div>{paragraphs(3)}</div><noscript>{tracker}</noscript>")
    assert found == [prose(n) for n in range(3)]


def test_the_second_copy_of_a_text_in_another_part_is_left_out() -> None:
    body = f"<div class=wide>{paragraphs(14)}</div><div class=narrow><p>{prose(3)}</p><p>{prose(50)}</p></div>"
    assert texts(body).count(prose(3)) == 1


def test_the_confidence_of_a_clear_article_is_high_and_can_be_asked_for() -> None:
    made = page(f"{MENU}<article><h1>Head</h1>{paragraphs(30)}</article>")
    sure = extract_page(made).confidence
    assert 0.8 < sure <= 1
    with pytest.raises(Drop, match="unclear_content"):
        extract_page(made, ExtractSettings(min_confidence=min(1.0, sure + 0.01)))


def test_a_drop_by_evidence_names_it_in_one_line() -> None:
    rows = "".join(
        f"<div class=card><a href=/{n}><h3>Story {n}</h3></a><p>{prose(60 + n, 3)}</p><a href=/{n}>Read on</a></div>"
        for n in range(12)
    )
    explained = explain_page(page(f"{MENU}<article>{paragraphs(4)}</article><div>{rows}</div>"))
    reasons = [item.reason for item in explained.items if isinstance(item, TextItem) and item.reason]
    assert reasons
    assert all("\n" not in reason and len(reason) < 200 for reason in reasons)
    assert 0 <= explained.confidence <= 1


def test_where_all_is_clear_a_doubtful_text_is_left_out_and_where_little_is_it_is_kept() -> None:
    sizes = np.full(5, 100.0)
    kept, sure = choose(np.array([0.99, 0.99, 0.99, 0.99, 0.4]), sizes)
    assert kept.tolist() == [True] * 4 + [False]
    assert sure > 0.9
    kept, sure = choose(np.array([0.45, 0.4, 0.4, 0.05, 0.05]), sizes)
    assert kept.tolist() == [True] * 3 + [False] * 2
    assert sure == pytest.approx(expected_f1(kept, np.array([0.45, 0.4, 0.4, 0.05, 0.05]), sizes))


def test_the_model_that_ships_asks_of_columns_that_there_are() -> None:
    model = scorer()
    assert len(model.columns) == len(model.typical)
    assert max(map(max, model.questions)) < len(model.columns)
    assert len(model.questions) == len(model.limits) == len(model.answers)
    assert all(len(answers) == 2 ** len(asked) for asked, answers in zip(model.questions, model.answers, strict=True))


@pytest.mark.parametrize(("count", "are_kept"), [(14, False), (2, True)])
def test_of_teasers_the_evidence_gives_none_back_to_an_article_that_says_more_than_they_do(
    count: int, are_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.full(len(rows), 0.9))
    card = "<div><h3><a href=/story/{0}>A story of the year {0}</a></h3><p>{1}</p></div>"
    cards = "".join(card.format(n, prose(60 + n, 2)) for n in range(6))
    found = texts(f"{MENU}<main><div>{paragraphs(count)}</div><section>{cards}</section></main>", ARTICLE)
    assert (prose(60, 2) in found) is are_kept


def test_a_thread_is_no_article_whatever_else_it_says() -> None:
    said = Metadata(base="", page_type="article", is_thread=True)
    assert not said.says_article


def test_a_story_whose_first_lines_stand_in_a_part_of_their_own_begins_with_them() -> None:
    """As newspapers do that put a box between: the second part alone holds most of the text."""
    head = '<meta property="og:type" content="article">'
    box = "<div class=box><h4>Connect</h4><ul>" + "<li><a href=/x>Follow the desk</a></li>" * 4 + "</ul></div>"
    begins, goes_on = (f"<div class=story>{some}</div>" for some in (paragraphs(1, 5, 3), paragraphs(11, 20)))
    story = f"<h1>The ferry</h1>{begins}{box}{goes_on}"
    found = texts(f"{MENU}<div><div>{story}</div></div><footer>{prose(90, 2)}</footer>", head)
    assert found == [prose(5, 3), *map(prose, range(20, 31))]


def test_what_is_said_of_two_functions_is_kept_of_both() -> None:
    said = prose(50, 2)
    one, other = (
        f"<section><h3>{name}()</h3><pre>{name}(text)</pre><table><tr><td>text</td><td>{said}</td></tr></table>"
        f"<p>{prose(number)}</p></section>"
        for number, name in enumerate(("send", "receive"))
    )
    found = texts(f"<main><h1>Functions</h1>{paragraphs(12, 20)}{one}{other}</main>")
    assert sum(said in text for text in found) == 2


def test_a_part_that_says_nothing_new_is_a_second_copy() -> None:
    small = f"<div class=small><section><p>{prose(3)}</p><p>{prose(4)}</p></section></div>"
    found = texts(f"<main><div>{paragraphs(14)}</div>{small}</main>")
    assert [found.count(prose(number)) for number in (3, 4)] == [1, 1]


def test_a_quotation_of_a_post_is_a_second_copy_whatever_stands_beside_it() -> None:
    answer = f"<blockquote>{prose(0, 3)}</blockquote><p>{prose(50)}</p><p>{prose(51)}</p>"
    posts = "".join(
        f"<div class=post><div class=body>{answer if n == 3 else f'<p>{prose(n, 3)}</p>'}</div></div>"
        for n in range(14)
    )
    url = "https://forum.site.example/threads/old-wall.12/"
    found = [block.text for block in extract_page(page(f"{MENU}<h1>A wall</h1><div>{posts}</div>", url=url)).texts]
    assert (found.count(prose(0, 3)), found.count(prose(50)), found.count(prose(51))) == (1, 1, 1)


def test_of_the_points_of_a_story_one_that_names_a_day_stays() -> None:
    points = [
        "The act was signed into law on August 14, 1935",
        *(f"What was said of the act in part {n}" for n in range(5)),
    ]
    said = "".join(f"<li>{point}</li>" for point in points)
    body = f"{MENU}<main><h1>An act</h1><div><p>Story highlights</p><ul>{said}</ul>{paragraphs(12)}</div></main>"
    assert [point for point in points if point in texts(body, ARTICLE)] == points


def test_what_is_trimmed_of_some_items_stays_as_it_stays_of_most() -> None:
    """A post of which nothing is left but its title keeps that, beside others that have a line below it."""
    card = "<article><h2>A title of the post number {0}</h2>{1}<p><a href=/{0}>Read more</a></p></article>"
    posts = "".join(card.format(n, "" if n in (3, 7) else f"<p>{prose(n, 2)}</p>") for n in range(9))
    found = texts(f"{MENU}<main><h1>Rail</h1>{posts}</main><footer>{prose(90, 2)}</footer>")
    assert [f"A title of the post number {n}" in found for n in range(9)] == [True] * 9


def test_items_of_a_list_may_say_no_more_than_their_titles() -> None:
    card = "<article><a href=/{0}></a><h2>A title of the post number {0}</h2><p>Read more</p></article>"
    found = texts(f"{MENU}<main><h1>Rail</h1>{paragraphs(1)}{''.join(map(card.format, range(12)))}</main>")
    assert found == ["Rail", prose(0), *(f"A title of the post number {n}" for n in range(12))]


def test_a_copy_that_is_not_shown_makes_no_text_one_that_was_seen_before() -> None:
    said = prose(7)
    walked = walk(f"<div hidden><p>{said}</p></div><main>{paragraphs(4)}<p>{said}</p><p>{said}</p></main>")
    verdicts, region = by_rules(walked, ContentSettings())
    found = evidence(walked, list(range(len(walked.leaves))), Metadata(base=URL), verdicts, region)
    assert found.rows[:, found.columns.index("seen before")].tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert found.rows[:, found.columns.index("seen in all")].tolist() == [2, 1, 1, 1, 1, 2, 2]


def test_a_letter_of_chinese_says_what_several_say_in_an_alphabet() -> None:
    walked = walk(f"<main><p>{'河' * 40}</p><p><a href=/a>{'河' * 20}</a>{'河' * 20}</p><p>{'r' * 100}</p></main>")
    verdicts, region = by_rules(walked, ContentSettings())
    found = evidence(walked, [0, 1, 2], Metadata(base=URL), verdicts, region)
    assert found.sizes.tolist() == [100, 100, 100]
    assert found.rows[:, found.columns.index("links")].tolist() == [0, 0.5, 0]
    assert [weight_of(leaf) for leaf in walked.leaves if isinstance(leaf, Text)] == [100, 25, 100]
    assert kept_characters(walked, [None, None, Verdict("links")]) == 200
    assert are_cards([Text("河" * 12, "list", "- ", 0, 12, -1), Text("山" * 12, "list", "- ", 0, 12, -1)])


@pytest.mark.parametrize(("how", "are_kept"), [("hidden", False), ("class='d-none'", False), ("class=deck", True)])
def test_what_is_hidden_counts_half(how: str, are_kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "".join(f"<div {how}><p>{prose(20 + n)}</p></div>" for n in range(6))
    monkeypatch.setattr(judgement, "chances", lambda rows: np.full(len(rows), 0.7))
    found = texts(f"<main>{paragraphs(12)}</main>{more}")
    assert [prose(20 + n) in found for n in range(6)] == [are_kept] * 6


@pytest.mark.parametrize(("count", "are_foreign"), [(16, True), (14, False)])
def test_teasers_are_no_part_of_an_article_that_says_half_as_much_again(count: int, are_foreign: bool) -> None:
    walked = walk("".join(f"<p>{'x' * 100}</p>" for _ in range(10 + count)))
    verdicts: Verdicts = [*[Verdict("teasers", 3)] * 10, *[None] * count]
    found = judgement._foreign_to_articles(walked, list(range(10 + count)), verdicts)
    assert ("teasers" in found) is are_foreign
