import html as stdlib

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from pipeline.page.markup import Markup, escape, read_attributes, unescape


def pieces(html):
    markup = Markup(html.encode())
    assert len(markup.texts) == len(markup.tags) + 1 == len(markup.attributes) + 1
    return [(tag, read_attributes(written or "")) for tag, written in zip(markup.tags, markup.attributes, strict=True)]


def test_tags_attributes_and_the_texts_before_them():
    markup = Markup(b"<p id=a class='b c'>one <b>two</b> three")
    first = markup.tags.index("p")
    assert markup.tags[first : first + 4] == ["p", "b", "/b", "/p"]
    assert markup.texts[first + 1 : first + 4] == ["one ", "two", " three"]
    assert read_attributes(markup.attributes[first]) == {"id": "a", "class": "b c"}


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [
        ('<p class="x"">', {"class": "x", '"': ""}),
        ("<p a<b=1>", {"a<b": "1"}),
        ("<p =x=1>", {"=x": "1"}),
        ("<p title='a>b<c'>", {"title": "a>b<c"}),
        ("<p title='&quot;q&quot; &amp;lt; &nbsp;'>", {"title": '"q" &lt; \u00a0'}),
        ("<p hidden>", {"hidden": ""}),
        ("<P CLASS=x CLASS=y>", {"class": "x"}),
        ("<p/id=a>", {"id": "a"}),
    ],
)
def test_attributes_however_they_were_written(tag, attributes):
    found = pieces(f"{tag}text</p><p>next")
    assert ("p", attributes) in found
    assert [name for name, _ in found].count("/p") == 2


@pytest.mark.parametrize(
    "inside", ["<!-- <p>no -->", "<script>'<p>'</script>", "<style>p > a {}</style>", "<?php <p ?>"]
)
def test_tags_that_are_none_are_not_seen(inside):
    tags = [name for name, _ in pieces(f"<div>{inside}</div>") if name]
    assert tags.count("div") == 1
    assert tags.count("p") == tags.count("/p") <= 1  # the text of a broken instruction may hold one


@pytest.mark.parametrize(
    "kind",
    [
        "application/ld+json",
        "Application/LD+JSON",
        "application/ld+json; charset=utf-8",
        "application&#x2F;ld&#x2B;json",
    ],
)
def test_json_ld_is_kept_apart_however_its_type_is_written(kind):
    markup = Markup(f'<script type="{kind}">{{"a": "<p>"}}</script><script>1</script><p>Bread</p>'.encode())
    assert markup.json_ld == ['{"a": "<p>"}']
    assert "script" not in markup.tags


def test_tags_are_found_by_what_their_attributes_hold():
    markup = Markup(b'<p role="dialog">role="note"</p><!-- role="note" --><b role="note">x</b><i role="note">y</i>')
    assert [markup.tags[at] for at in markup.bearing(' role="note"')] == ["b", "i"]
    assert markup.bearing(' role="menu"') == []


def test_the_end_of_an_element_is_found_past_others_of_its_name():
    markup = Markup(b"<div id=a><div><div></div></div><p></p></div><div id=b></div>")
    first = markup.tags.index("div")
    end = markup.end_of(first)
    assert markup.tags[end] == "/div"
    assert read_attributes(markup.attributes[end + 1]) == {"id": "b"}
    assert markup.end_of(first, most=3) == first + 3


@given(st.text())
def test_values_survive_being_written(value):
    assert unescape(escape(value)) == value


@given(st.lists(st.tuples(st.sampled_from(["p", "div", "a", "b", "li", "td", "table", "span"]), st.text(max_size=8))))
def test_the_words_of_any_soup_are_those_that_beautiful_soup_sees(parts):
    """With the same parser rules: html5lib is not needed where only text is compared."""
    source = "".join(f"<{tag}>{stdlib.escape(text)}" for tag, text in parts)
    markup = Markup(f"<body>{source}".encode("utf-8", "replace"))
    seen = sorted("".join(unescape("".join(markup.texts)).split()))
    clean = f"<body>{source}".encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    expected = sorted("".join(BeautifulSoup(clean, "html.parser").get_text().split()))
    assert [character for character in seen if character != "\ufffd"] == [
        character for character in expected if character != "\ufffd"
    ]
