import json
import time

import pytest

from pipeline.page.markup import Markup
from pipeline.stated_captions import stated_captions
from schemas.urls import media_key

BASE = "https://a.example/page"
BARN = {"@type": "ImageObject", "contentUrl": "/barn.jpg", "caption": "Stated of the barn"}


def stated(html: str) -> dict[bytes, list[str]]:
    return stated_captions(Markup(html.encode()), BASE)


def of(name: str, *texts: str) -> dict[bytes, list[str]]:
    return {media_key(f"https://a.example/{name}"): list(texts)}


def script(value: object) -> str:
    return f'<script type="application/ld+json">{value if isinstance(value, str) else json.dumps(value)}</script>'


def test_json_ld_is_found_at_any_depth() -> None:
    assert stated(script({"a": {"b": [BARN]}})) == of("barn.jpg", "Stated of the barn")


def test_broken_and_endless_statements_say_nothing() -> None:
    nested = '[{"@type": "ImageObject", "x": ' * 2000
    assert stated(script("{") + script(nested) + script({"@type": "ImageObject", "caption": 3})) == {}


@pytest.mark.parametrize(
    "inside",
    [
        '<img itemprop="contentUrl" src="/barn.jpg"><p itemprop="caption">Stated  of <b>the</b> barn</p>',
        '<img src="/barn.jpg"><meta itemprop="caption" content="Stated of the barn">',
        '<link itemprop="url" href="/barn.jpg"><span itemprop="description">Stated of the barn</span>',
        '<a itemprop="contentUrl" href="/barn.jpg"><img data-src="/barn.jpg"></a><p itemprop="name">Stated of the barn',
        '<img src="/barn.jpg"><p itemprop="name">Barn 12</p><p itemprop="description caption">Stated of the barn</p>',
        '<div itemprop="author" itemscope itemtype="https://schema.org/Person"><b itemprop="name">Ann</b></div>'
        '<img src="/barn.jpg"><p itemprop="name">Stated of the barn</p>',
    ],
)
def test_microdata_names_an_image_and_its_caption(inside: str) -> None:
    html = f'<figure itemprop="image" itemscope itemtype="https://schema.org/ImageObject">{inside}</figure>'
    assert stated(html) == of("barn.jpg", "Stated of the barn")


@pytest.mark.parametrize(
    "html",
    [
        '<div itemscope itemtype="https://schema.org/Product"><img src="/barn.jpg"><p itemprop="name">Barn</p></div>',
        '<div itemscope itemtype="https://schema.org/ImageObject"><p itemprop="caption">No image</p></div>',
        '<div itemscope itemtype="https://schema.org/ImageObject"><img src="/barn.jpg"></div>',
        '<div title="ImageObject"><img src="/barn.jpg"><p itemprop="caption">Barn</p></div>',
        '<img itemscope itemtype="https://schema.org/ImageObject" src="/barn.jpg"><p itemprop="caption">Barn</p>',
        '<p itemscope itemtype="https://schema.org/ImageObject"><img src="/barn.jpg"></p><p itemprop="caption">No</p>',
    ],
)
def test_what_is_not_said_of_an_image_is_not_taken(html: str) -> None:
    assert stated(html) == {}


def test_both_notations_are_read() -> None:
    inside = '<img src="/barn.jpg"><i itemprop="caption">A barn</i>'
    html = f'<p itemscope itemtype="http://schema.org/ImageObject">{inside}</p>'
    assert stated(html + script(BARN)) == of("barn.jpg", "A barn", "Stated of the barn")


def test_a_page_of_nested_scopes_is_read_in_bounded_time() -> None:
    began = time.process_time()
    stated('<div itemscope itemtype="http://schema.org/ImageObject"><p itemprop="caption">x</p>' * 900)
    assert time.process_time() - began < 5
