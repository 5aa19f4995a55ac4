"""A page drawn again: each part is marked as `explain_page` says, and nothing of its markup is left to do harm."""

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.page.annotate import annotate_page, harmless_page
from pipeline.page.explain import explain_page
from pipeline.page.parsed import ExtractSettings
from schemas.documents import Page

PAGES = Path(__file__).parents[1] / "pages"
_ELEMENT = re.compile(
    r'<(?:mark|span)(?: id="b(\d+)")? class="(kept|dropped)" data-why="([^"]*)">(.*?)</(?:mark|span)>', re.S
)


def annotated(source: bytes) -> tuple[list[tuple[str, bool]], str]:
    """What `explain_page` says of each part, and the page."""
    page = Page(uid=0, url="https://site.example/", html=source)
    items = explain_page(page).items
    drawn = annotate_page(page, ExtractSettings(), [item.reason for item in items], lambda url: f"/m?{url}")
    return [(getattr(item, "text", ""), item.kept) for item in items], drawn


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.iterdir() if path.is_dir())[:6])
def test_each_text_is_marked_as_it_was_judged(name: str) -> None:
    items, drawn = annotated((PAGES / name / "source.html").read_bytes())
    marked: dict[int, str] = {}
    number = -1
    for found, verdict, _, text in _ELEMENT.findall(drawn):
        number = int(found) if found else number
        assert verdict == ("kept" if items[number][1] else "dropped")
        marked[number] = marked.get(number, "") + text
    with_text = [number for number, (text, _) in enumerate(items) if text]
    assert len(with_text) > 5
    right = 0
    for number in with_text:
        shown = re.sub(r"\W", "", html.unescape(re.sub(r"<[^>]*>", "", marked.get(number, ""))))
        right += shown == re.sub(r"\W", "", items[number][0])
    assert right >= 0.9 * len(with_text)


@given(st.text(alphabet="<>&\"'=/ abimgscriptonx", max_size=60), st.sampled_from(["alt", "src", "title", "onerror"]))
def test_no_markup_and_no_attribute_gets_through(text: str, attribute: str) -> None:
    source = f'<article><p>{text} and words</p><img src=/a.jpg {attribute}="{text}"></article>'
    _, drawn = annotated(source.encode())
    for tag in re.findall(r"<([a-z]+)([^>]*)>", drawn):
        assert tag[0] not in ("script", "iframe", "svg", "object", "link", "style")
        if tag[0] not in ("mark", "span", "img"):
            assert tag[1] == "", tag


def test_the_page_as_captured_keeps_its_look_and_loses_its_teeth() -> None:
    source = (
        b"<html><head><style>p{color:red}</style><script>x</script><meta http-equiv=refresh content=0><base href=//e/>"
        b"</head><body onload=x><p style='color:blue' onclick=x>Text <a href='javascript:x'>link</a></p>"
        b"<img data-src=b.jpg srcset='c.jpg 2x' onerror=x><form action=/x><button>Go</button></form></body></html>"
    )
    drawn = harmless_page(Page(uid=0, url="https://site.example/d/", html=source), lambda url: f"/m?{url}")
    assert '<p style="color:blue">' in drawn
    assert "p{color:red}" in drawn
    assert 'src="/m?https://site.example/d/b.jpg"' in drawn
    for harm in ("script", "onload", "onclick", "onerror", "http-equiv", "base", "href", "srcset", "action"):
        assert harm not in drawn, harm
