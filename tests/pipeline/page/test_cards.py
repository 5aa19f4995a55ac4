"""Cards are content of a page that lists what lies below it, and no content where they invite elsewhere."""

import numpy as np
import pytest

from pipeline.page import judgement
from schemas.documents import TextBlock
from tests.pipeline.makers import extract, paragraphs, prose, texts

GUIDES = "https://site.example/tool/guides/"


def cards(folder, count=3, card="<a href={0}><h3>Guide number {1}</h3><p>How to do what is called {1}.</p></a>"):
    return "<div class=x1>" + "".join(card.format(f"{folder}{n}", n) for n in range(count)) + "</div>"


def expected(count=3):
    return [text for n in range(count) for text in (f"Guide number {n}", f"How to do what is called {n}.")]


def said(body, url):
    found = texts(extract(f"<main>{body}</main>", url=url))
    return [text for text in found if "the end of day" not in text]


@pytest.mark.parametrize(
    "card",
    [
        "<a href={0}><h3>Guide number {1}</h3><p>How to do what is called {1}.</p></a>",
        "<div><h3><a href={0}>Guide number {1}</a></h3><p>How to do what is called {1}.</p></div>",
        "<li><a href={0}><p><b>Guide number {1}</b></p><p>How to do what is called {1}.</p></a></li>",
        "<article><a href={0}><h2>Guide number {1}</h2><p>How to do what is called {1}.</p></a></article>",
    ],
)
@pytest.mark.parametrize("count", [3, 8])
def test_cards_that_lead_below_the_page_are_its_own(card, count):
    assert said(paragraphs(1, 0, 1) + cards("/tool/guides/", count, card), GUIDES) == expected(count)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://site.example/tool/guides/index.html", "/tool/guides/"),
        ("https://site.example/tool/guides", "guides/"),
        ("https://site.example/docs/category/guides", "/docs/tool/"),
        ("https://docs.site.example/start", "/tool/"),
    ],
)
def test_what_lies_below_a_page_is_told_by_its_address(url, folder):
    assert said(paragraphs(2, 0, 1) + cards(folder), url) == expected()


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://site.example/news/story", "/news/"),
        ("https://site.example/news/story.html", "/sport/"),
        ("https://site.example/?p=7", "/"),
        (GUIDES, "https://other.example/tool/guides/"),
    ],
)
def test_cards_that_lead_beside_the_page_invite_elsewhere(url, folder):
    assert said(paragraphs(4) + cards(folder), url) == []


def test_links_without_a_description_are_a_list_of_links_wherever_they_lead():
    assert said(paragraphs(4) + cards("/tool/guides/", 5, "<h3><a href={0}>Guide number {1}</a></h3>"), GUIDES) == []


def test_of_cards_whose_titles_are_left_out_prices_and_pictures_go_too():
    title = "<a href=/dp/{0}><img src=/{0}.jpg></a><a href=/dp/{0}>A thing that others bought, number {1}</a>"
    card = f"<li>{title}<p>${{1}}.99</p></li>"
    row = "<div><h2>Others also looked at</h2><ol>" + "".join(card.format(f"x{n}", n) for n in range(5)) + "</ol></div>"
    draft = extract(
        f"<main>{paragraphs(4)}{row}<h2>Details</h2>{paragraphs(4, 4)}</main>", url="https://shop.example/dp/1"
    )
    assert [block for block in draft.blocks if not isinstance(block, TextBlock)] == []
    assert [text for text in texts(draft) if "the end of day" not in text] == ["Details"]


def test_items_of_which_more_is_kept_than_left_out_stay():
    card = "<li><p>Step {0} of all the work</p><div><a href=/far/{0}>All there is to know</a></div></li>"
    row = "<ol>" + "".join(card.format(n) for n in range(5)) + "</ol>"
    draft = extract(f"<main>{paragraphs(4)}{row}{paragraphs(4, 4)}</main>", url="https://shop.example/dp/1")
    assert [f"Step {n} of all the work" for n in range(5)] == [text for text in texts(draft) if "Step" in text]


JOB = "<li><a href=/job/{0}><h3>Lift mechanic {0}</h3><div>Ascendra</div><div>Leeds, {0}</div></a></li>"


@pytest.mark.parametrize("count", [3, 12])
def test_a_page_that_consists_of_cards_keeps_them_wherever_they_lead(count):
    body = f"<h1>Jobs</h1><p>Fresh every morning.</p><ul>{''.join(map(JOB.format, range(count)))}</ul>"
    found = texts(extract(f"<main>{body}</main>", url="https://site.example/jobs"))
    assert [text for text in found if text.startswith("Lift")] == [f"Lift mechanic {n}" for n in range(count)]


def test_cards_that_are_links_as_a_whole_stand_in_the_part_with_the_text():
    card = "<article><a href=/{0}><h3>A tax on salt, {0}</h3><p>What it cost, and who paid.</p><i>May</i></a></article>"
    head = "<section><h1>How people counted</h1><p>A letter every week.</p></section>"
    body = f"{head}<section><div>{''.join(map(card.format, range(3)))}</div></section>"
    assert "A tax on salt, 2" in texts(extract(body, url="https://site.example/letters/all"))


@pytest.mark.parametrize(("heading", "are_own"), [("Related products", False), ("What we make", True)])
def test_a_page_of_few_words_does_not_consist_of_the_cards_of_others(heading, are_own):
    card = "<div><h5><a href=/{0}.html>Jam of figs {0}</a></h5><div>Price: $4.9{0}</div><div>In stock</div></div>"
    row = f"<div><h3>{heading}</h3></div><div>{''.join(map(card.format, range(6)))}</div>"
    body = f"<div><h1>Jelly of dandelions</h1><p>{prose(1, 2)}</p>{row}</div>"
    found = texts(extract(body, url="https://shop.example/jelly.html"))
    assert any("Jam of figs" in text for text in found) is are_own


LINES = "<div class=byline>Ann Lee {0}</div><p>Pages {0} to 9{0}</p><ul><li><a href=/pdf/{0}>Scan</a></li></ul>"


def issue(sentences: int) -> list[str]:
    """The contents of a journal: titles that lead away, under headings, with a line or two each."""
    card = f"<li><div><h3><a href=/view/{{0}}>A paper on the subject of {{0}}</a></h3>{LINES}</div></li>"
    made = (
        f"<section><h2>Part {part}</h2><ul>{''.join(card.format(3 * part + n) for n in range(3))}</ul></section>"
        for part in range(3)
    )
    head = f"<h1>Volume nine</h1>{paragraphs(1, 0, sentences)}"
    return texts(extract(f"<div>{head}{''.join(made)}</div>", url="https://site.example/issue/12"))


@pytest.mark.parametrize(("sentences", "are_kept"), [(5, True), (14, False)])
def test_of_cards_that_all_of_a_page_consists_of_titles_and_who_wrote_are_content(sentences, are_kept, monkeypatch):
    """A model says that nothing is likely but long texts."""
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, 0] > np.log(200), 0.9, 0.2))
    found = issue(sentences)
    assert [text for text in found if "paper on" in text] == [f"A paper on the subject of {n}" for n in range(9)][
        : 9 * are_kept
    ]
    assert [text for text in found if "Ann" in text] == [f"Ann Lee {n}" for n in range(9)][: 9 * are_kept]


def test_a_team_whose_members_have_pages_of_their_own_is_no_row_of_teasers():
    names = ["Ann Kowalczyk", "David Okafor", "Dr. Lena de la Fuente, MD"]
    card = "<div><h3><a href=/who/{0}>{1}</a></h3><p>Room {0}</p><p>Mondays only</p></div>"

    def page(named):
        rows = "".join(card.format(at, name) for at, name in enumerate(names))
        return said(f"{paragraphs(6)}<section id={named}><h2>Here</h2>{rows}</section>{paragraphs(1, 6)}", GUIDES)

    assert page("speakers") == [
        "Here",
        *(text for at, name in enumerate(names) for text in (name, f"Room {at}", "Mondays only")),
    ]
    assert "Ann Kowalczyk" not in page("latest")


@pytest.mark.parametrize(("intro", "is_kept"), [(1, True), (9, False)])
def test_titles_of_results_are_kept_where_what_they_say_is(intro, is_kept):
    """They are links in a part of their own; where most of a page stands beside the rows they lead to others."""
    rows = "".join(f"<li><div><a href=/r/{n}>Licence number {n}</a></div><p>{prose(n, 1)}</p></li>" for n in range(9))
    found = texts(extract(f"<main><h1>Search</h1>{paragraphs(intro, 20)}<ul>{rows}</ul></main>"))
    assert all(prose(n, 1) in found for n in range(9))
    assert any("Licence number" in text for text in found) is is_kept
