"""The pages of `mini/`: each is a few lines that show one thing which an extraction easily gets wrong."""

from pathlib import Path

import pytest

from pipeline.page.extract import extract_page
from schemas.documents import ImageRef, Page, TextBlock

PAGES = Path(__file__).with_name("mini")

EXPECTED = {
    "art": ["DSC00889.jpg", "Image: V. Pavic"],
    "dlist": [
        "Term",
        "Its definition",
        "E = mc2 and H2O, 19th; foot[1]",
        "5. five",
        "9. nine",
        "More",
        "Hidden detail of the page, which a reader can open.",
    ],
    "docbook": [
        "SECURITY setuid",
        "Two particular rights are relevant to executable files: setuid and setgid, symbolised with the letter s. "
        "Note that we often speak of bits here.",
    ],
    "elementor": ["A short but quite relevant sentence of the story."],
    "faq": ["### What is it?", "The answer to the question, which a reader opens with a click."],
    "hashad": ["This paragraph stands in a hashed class and is of normal length, no chrome at all."],
    "hashnav": [
        "This paragraph stands in a hashed class and is of normal length, no chrome at all.",
        "Prose in a hashed footer div, which nobody would call a footer, really.",
    ],
    "lqip": ["1*a.png", "Memory leak in action"],
    "pageform": ["Short events page.", "All of it stands in a form, as in ASP.NET pages."],
    "react": [
        "React streams the content of a suspense boundary in a hidden part and a script moves it into place: this is "
        "the story itself, and long at that.",
        "photo.jpg",
    ],
    "ruby": ["虐待をなくすための法律ができて、親が子どもを教育するために"],
    "svgicon": ["Rated by all.", "Time 60 min."],
    "tablecode": ["Tense | Example", "Past | I fed the baby", "Present | I feed the baby"],
    "tweet": ["Florida man exists. South Dakota: hold my beer.", "— Cooper Lund (@cooperlund) November 18, 2019"],
    "wikisvg": [
        "Before.",
        "560px-New_Zealandpop.svg.png",
        "After this there is more prose.",
    ],
    "wprm": ["Prep Time 10 minutes"],
    "xsmall": ["1.jpg", "2.jpg", "3.jpg"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_stands_between_the_paragraphs_is_kept_as_a_reader_sees_it(name: str) -> None:
    page = Page(uid=0, url="https://site.example/a/story", html=(PAGES / f"{name}.html").read_bytes())
    said = []
    for block in extract_page(page).blocks:
        if isinstance(block, TextBlock):
            said.append(block.mark + block.text if block.role in ("list", "heading") else block.text)
        elif isinstance(block, ImageRef):
            said.append(block.candidates[0].rsplit("/", 1)[1])
    assert [text for text in said if "Filler prose" not in text and "Head of" not in text] == EXPECTED[name]
