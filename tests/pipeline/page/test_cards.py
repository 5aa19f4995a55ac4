"""Cards are content of a page that lists what lies below it, and no content where they invite elsewhere."""

import pytest

from tests.pipeline.makers import extract, paragraphs, texts

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
