"""Other stories below the one that a page is about."""

import pytest

from pipeline.page.explain import explain_page
from tests.pipeline.makers import extract, page, paragraphs, prose, texts

TITLE = "A bridge opens after ten years"


def story(title: str, first: int, count: int = 4, tag: str = "h1") -> str:
    header = f"<header><h3>Ann Lee</h3></header><{tag}>{title}</{tag}>"
    return f"<article>{header}<div>{paragraphs(count, first)}</div></article>"


def head(title: str = f"{TITLE} | The Town") -> str:
    return f"<title>{title}</title>"


NEXT = "".join(story(f"Why rivers rise {n} times", 20 + 10 * n) for n in range(1, 6))


def test_the_next_stories_of_a_site_are_none_of_the_page() -> None:
    found = texts(extract(f"<main>{story(TITLE, 0)}</main><div>{NEXT}</div>", head()))
    assert [text for text in found if text != TITLE and text != "Ann Lee"] == [prose(n) for n in range(4)]


@pytest.mark.parametrize(
    ("own", "title"),
    [
        (story(TITLE, 0), "All stories | The Town"),  # a list of stories
        (story(TITLE, 0) + story(TITLE, 5), f"{TITLE} | The Town"),  # parts of one story
        (story(TITLE, 0, count=1, tag="h2"), f"{TITLE} | The Town"),  # the head of one, and its chapters
        (story("The Town", 0), f"{TITLE} | The Town"),  # the name of the site
        (f"<h1>{TITLE}</h1>", f"{TITLE} | The Town"),
    ],
)
def test_articles_stay_where_none_or_several_bear_the_title(own: str, title: str) -> None:
    assert prose(42) in texts(extract(f"<main>{own}{NEXT}</main>", head(title)))


def test_articles_under_headings_of_another_level_are_parts_of_the_story() -> None:
    chapters = "".join(story(f"Why rivers rise {n} times", 20 + 10 * n, tag="h2") for n in range(1, 6))
    assert prose(42) in texts(extract(f"<main>{story(TITLE, 0)}{chapters}</main>", head()))


def test_explain_says_so() -> None:
    found = explain_page(page(f"<main>{story(TITLE, 0)}</main><div>{NEXT}</div>", head()))
    reasons = {item.reason for item in found.items if getattr(item, "text", "") == prose(42)}
    assert reasons == {"story: it stands in an <article> of its own, and another bears the page's title"}


def test_a_head_of_a_few_words_is_no_story_of_which_others_are_beside() -> None:
    first = f"<article><h1>{TITLE}</h1><p>{prose(0, 1)}</p></article>"
    assert prose(42) in texts(extract(f"<main>{first}{NEXT}</main>", head()))


def test_answers_in_a_thread_are_no_other_stories() -> None:
    found = texts(
        extract(f"<main>{story(TITLE, 0)}{NEXT}</main>", head(), url="https://site.example/viewtopic.php?t=8")
    )
    assert prose(42) in found
