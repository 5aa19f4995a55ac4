import json

from pipeline.captions import CaptionRules
from pipeline.page.extract import consent_of
from pipeline.page.parsed import ExtractSettings, ParsedPage
from pipeline.pairs import PagePairs, PairRules, take_pairs
from pipeline.text.pii import PiiRules
from schemas.documents import Page
from tests.jobs.site import prose

STATED = {"@type": "ImageObject", "contentUrl": "/barn.jpg", "caption": "Stated of the barn"}
HTML = f"""<html><head><title>Barns</title>
<script type="application/ld+json">{json.dumps({"@type": "Article", "image": [STATED]})}</script></head><body>
<nav><img src="/menu.jpg" alt="A picture in the menu of the site"></nav>
<article><h1>Barns</h1><p>{prose(1)}</p>
<figure><img src="/barn.jpg" alt="Red barn" title="The barn"><figcaption>A red barn by the sea</figcaption></figure>
<p>{prose(2)}</p><img src="/mail.jpg" alt="Write to ann@example.org about the barn"><p>{prose(3)}</p>
<img src="/silent.jpg"><img src="/logo.png" alt="logo of a site"><p>{prose(4)}</p></article>
<aside class="sidebar"><img src="/side.jpg" alt="A picture in the sidebar"></aside></body></html>"""


def taken(rules: PairRules, html: str = HTML, url: str = "https://farm.example/barns") -> PagePairs:
    page = Page(uid=7, url=url, html=html.encode())
    parsed = ParsedPage(page, ExtractSettings())
    return take_pairs(parsed, page, rules, PiiRules(), consent_of(parsed, page))


def test_all_texts_for_an_image_are_kept_with_their_sources() -> None:
    barn = next(pair for pair in taken(PairRules()).pairs if pair.url.endswith("barn.jpg"))
    assert {(caption.source, caption.text) for caption in barn.captions} == {
        ("alt", "Red barn"),
        ("title", "The barn"),
        ("figcaption", "A red barn by the sea"),
        ("schema_org", "Stated of the barn"),
    }
    assert (barn.caption, barn.caption_source, barn.in_content) == ("A red barn by the sea", "figcaption", True)


def test_images_outside_the_content_are_taken_when_asked_for() -> None:
    names = [pair.url.rpartition("/")[2] for pair in taken(PairRules()).pairs]
    assert names == ["barn.jpg", "mail.jpg"]
    found = taken(PairRules(everywhere=True)).pairs
    assert {pair.url.rpartition("/")[2]: pair.in_content for pair in found} == {
        "menu.jpg": False,
        "barn.jpg": True,
        "mail.jpg": True,
        "side.jpg": False,
        "logo.png": True,
    }


def test_every_image_without_a_pair_has_its_reason() -> None:
    rows = {row.url.rpartition("/")[2]: row.reason for row in taken(PairRules()).dropped}
    assert rows == {"silent.jpg": "no_caption", "logo.png": "icon"}


def test_personal_data_is_replaced_and_counted() -> None:
    found = taken(PairRules(caption=CaptionRules(sources=("alt",), clean=False)))
    mail = next(pair for pair in found.pairs if pair.url.endswith("mail.jpg"))
    assert mail.caption == "Write to <EMAIL> about the barn"
    assert found.redacted == mail.redacted == {"email": 1}


def test_only_the_allowed_sites_are_taken() -> None:
    assert len(taken(PairRules(domains=("example.org", "farm.example"))).pairs) == 2
    other = taken(PairRules(domains=("example.org",)))
    assert (other.pairs, [row.reason for row in other.dropped]) == ((), ["site_not_allowed"])


def test_placeholders_stay_where_captions_are_cleaned() -> None:
    found = taken(PairRules(caption=CaptionRules(sources=("alt",))))
    mail = next(pair for pair in found.pairs if pair.url.endswith("mail.jpg"))
    assert (mail.caption, mail.redacted) == ("Write to <EMAIL> about the barn", {"email": 1})
