"""A page whose markup holds next to nothing is read in the data that it states; a page that has text is not."""

import json

import pytest

from pipeline.page.explain import explain_page
from schemas.documents import TextBlock
from tests.pipeline.makers import extract, outline, page, paragraphs, prose

BODY = "\n\n".join(prose(number) for number in range(3))
MARKED = paragraphs(3)
EMPTY = "<nav>Home</nav><div id=root>Loading</div><footer>All rights reserved by us.</footer>"


def json_ld(**thing):
    return f'<script type="application/ld+json">{json.dumps({"@type": "NewsArticle", **thing})}</script>'


def state(data, opening='<script id="__NEXT_DATA__" type="application/json">'):
    return f"{opening}{json.dumps(data)}</script>"


def spans(text):
    """Rich text: one word is bold, one a link."""
    one, two, three, rest = text.split(" ", 3)
    link = {"type": "link", "content": [{"type": "text", "value": f"{three} "}]}
    return [{"value": f"{one} "}, {"value": f"{two} ", "marks": ["bold"]}, link, {"value": rest}]


def expected():
    return [prose(number) for number in range(3)]


@pytest.mark.parametrize(
    ("source", "head"),
    [
        ("json_ld", json_ld(articleBody=BODY)),
        ("json_ld", json_ld(articleBody=MARKED)),
        ("json_ld", json_ld(articleBody=MARKED.replace("<", "&lt;"))),
        ("json_ld", json_ld(**{"@type": ["Product", "Thing"], "description": BODY})),
        ("json_ld", json_ld(text=prose(0), comment=[{"text": prose(1)}, {"text": prose(2)}])),
        ("state", state({"props": {"pageProps": {"article": {"title": "Head", "id": 7, "body": MARKED}}}})),
        ("state", state({"page": [{"type": "p", "children": [{"text": prose(number)}]} for number in range(3)]})),
        ("state", state({"content": [{"content": spans(prose(number)), "type": "p"} for number in range(3)]})),
        ("state", state({"article": {"body": BODY}}, "<script>window.__INITIAL_STATE__ = ")),
    ],
)
def test_what_a_page_states_is_read_where_its_markup_holds_next_to_nothing(source, head):
    draft = extract(EMPTY, head)
    assert [block.text for block in draft.blocks if isinstance(block, TextBlock)] == expected()
    assert draft.text_source == source
    assert explain_page(page(EMPTY, head)).text_source == source


def test_the_picture_that_the_page_states_and_those_of_the_stated_markup_stand_in_it():
    head = json_ld(
        articleBody=paragraphs(2) + "<p><img src=/map.png width=500></p>" + paragraphs(2, 2), image="/top.jpg"
    )
    assert [name for name in outline(extract(EMPTY, head)) if "." not in name[-5:-4] and name[-4] == "."] == [
        "top.jpg",
        "map.png",
    ]


@pytest.mark.parametrize(
    "head",
    [
        json_ld(articleBody="Too short to be a text."),
        json_ld(articleBody=BODY, isAccessibleForFree=False),
        json_ld(description=BODY),  # of an article: a summary, and no article
        state({"messages": {f"button {number}": prose(number) for number in range(9)}}),
        state([{"name": f"Offer {n}", "says": f"Take {n} % off your first order of the day."} for n in range(20)]),
        state({"address": "https://site.example/" + "a" * 900}),
        '<script type="application/json">{"body": "' + "[" * 400 + "</script>",
        state([[[]]]).replace("[[[]]]", "[" * 5_000 + "]" * 5_000),
    ],
)
def test_nothing_else_is_taken_for_its_text(head):
    draft = extract(f"<p>Loading.</p>{EMPTY}", head)
    assert not draft.text_source
    assert "the end of day" not in str(draft.blocks)


def test_a_page_with_text_is_read_by_its_markup_whatever_it_states():
    draft = extract(f"<article>{paragraphs(2, 8)}</article>", json_ld(articleBody=BODY) + state({"body": MARKED}))
    assert [block.text for block in draft.texts] == [prose(8), prose(9)]
    assert draft.text_source == ""
