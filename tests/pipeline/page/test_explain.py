import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.page.explain import ImageItem, TextItem, VideoItem, explain_page
from pipeline.page.extract import extract_page
from pipeline.page.reasons import of_evidence, said_of
from pipeline.page.scorer import scorer
from schemas.documents import ImageRef, TextBlock
from schemas.drops import Drop
from tests.pipeline.makers import page, paragraphs, prose


def items(body, head=""):
    return explain_page(page(body, head)).items


def reasons(body, head=""):
    """Why something is not kept, by its text or file name."""
    named = {}
    for item in items(body, head):
        name = item.text if isinstance(item, TextItem) else item.url.rsplit("/", 1)[1]
        if not item.kept:
            named[name] = item.reason
    return named


@pytest.mark.parametrize(
    ("part", "name", "reason"),
    [
        ("<nav>Menu here</nav>", "Menu here", "chrome: <nav> is the furniture of the site, with less than 1 %"),
        ("<div class='post-sidebar x7'>Side</div>", "Side", "chrome: <div> named sidebar is the furniture of the site"),
        ("<div class=tags>Some tag</div>", "Some tag", "little_prose: <div> named tags holds 2 characters"),
        ("<div hidden>Unseen</div>", "Unseen", "hidden: <div> is not shown to readers"),
        ("<img src=a.png width=16>", "a.png", "icon: declared width 16"),
        ("<img src=a.png><img src=a.png>", "a.png", "repeated_image"),
        (
            "<ul><li><a href=/x>Go here</a><li><a href=/y>Go there</a></ul>",
            "Go here",
            "links: 100 % of <ul> is in links; of content at most 60 %",
        ),
    ],
)
def test_the_rule_and_its_number_are_named(part, name, reason):
    assert reasons(f"<article>{paragraphs(3)}{part}{paragraphs(3, 3)}</article>")[name].startswith(reason)


def test_every_limit_that_is_a_setting_is_named_by_it():
    nav = reasons(f"<nav>Menu</nav><article>{paragraphs(4)}</article>")["Menu"]
    assert nav.endswith("content would have more than 40 % (chrome_share)")


def shop() -> str:
    cards = "".join(
        f"<div class=card><h3><a href=/p{n}>Product {n}</a></h3><p>{prose(n, 1)}</p><span>$ {n}.00</span></div>"
        for n in range(8)
    )
    legal = (
        "<div><h4>Help</h4><p>Contact us any day at our shop in the town, or write at any time of the year.</p></div>"
    )
    parts = {"text": paragraphs(6), "newsletter-list": cards, "legal": legal * 3}
    return "".join(f"<div class={name}>{part}</div>" for name, part in parts.items())


def test_a_text_that_the_evidence_leaves_out_says_how_likely_it_was_and_what_speaks_against_it():
    for item in items(shop()):
        if item.reason.startswith("evidence"):
            assert re.fullmatch(r"evidence: .*\d %.* this page keeps what is .*\d %.* against it: .+", item.reason)
    said = "12 % likely to be content, this page keeps what is 50 % and more; most against it: 90 % of it is in links"
    assert of_evidence(0.123, 0.5, "links", 0.9) == f"evidence: {said}"


def test_every_text_of_a_page_that_is_weighed_has_its_chance_kept_or_not():
    found = [item for item in items(shop()) if isinstance(item, TextItem)]
    assert all(item.likely is not None for item in found if "Product" in item.text)
    assert all(0 <= item.likely <= 1 for item in found if item.likely is not None)
    assert [item.likely for item in items(f"<article>{paragraphs(4)}</article>")] == [None] * 4


@pytest.mark.parametrize("column", [name for name in scorer().columns if not name.startswith("page:")])
@pytest.mark.parametrize("value", [-1.0, 0.0, 0.004, 0.7, 1.0, 3.0, 60.0])
def test_every_number_of_the_evidence_is_said_in_words(column, value):
    said = said_of(column, value)
    assert "nan" not in said
    assert not said.startswith(column + ",")


def test_what_has_no_words_yet_is_said_by_its_column():
    assert said_of("moons above it", 2) == "moons above it, 2.00"


def test_items_stand_in_reading_order_whether_kept_or_not():
    body = f"<nav>Menu</nav><article><p>{prose(1)}</p><img src=a.jpg><p>{prose(2)}</p></article><footer>End</footer>"
    assert [getattr(item, "text", "a.jpg") for item in items(body)] == ["Menu", prose(1), "a.jpg", prose(2), "End"]


def test_an_image_shows_its_addresses_alt_and_caption():
    figure = (
        "<figure><img src=small.jpg srcset='big.jpg 900w' alt=A title=T><figcaption>The caption.</figcaption></figure>"
    )
    (image,) = [item for item in items(f"{paragraphs(3)}{figure}{paragraphs(2, 3)}") if isinstance(item, ImageItem)]
    assert image.url == image.candidates[0] == "https://site.example/news/big.jpg"
    assert len(image.candidates) == 2
    assert (image.alt, image.title, image.caption, image.kept, image.reason) == ("A", "T", "The caption.", True, "")


def test_a_video_is_an_item():
    found = items(f"{paragraphs(3)}<video src=v.mp4 poster=p.jpg></video>{paragraphs(2, 3)}")
    (video,) = [item for item in found if isinstance(item, VideoItem)]
    assert (video.url, video.poster) == ("https://site.example/news/v.mp4", "https://site.example/news/p.jpg")
    assert video.kept


def test_the_lead_image_is_kept_where_it_stands():
    head = "<meta property=og:image content=https://site.example/img/lead.jpg>"
    body = f"<header><img src=/img/logo-like.jpg><img src=/img/lead.jpg></header><div>{paragraphs(3)}</div>"
    first, lead, *texts = items(body, head)
    assert (first.kept, lead.kept) == (False, True)
    assert lead.url.endswith("/img/lead.jpg")
    assert all(text.kept for text in texts)


def test_a_page_nobody_can_parse_in_time_is_a_drop():
    with pytest.raises(Drop, match="hostile_html"):
        explain_page(page("<div>" * 20_000))


PARTS = st.sampled_from(
    [
        "<nav>Menu</nav>",
        "<div class=sidebar>",
        "</div>",
        "<ul><li><a href=/a>A link</a>",
        "</ul>",
        "<h2>Head</h2>",
        "<h2><a href=/x>Linked head</a></h2>",
        "<img src=a.jpg>",
        "<img src=b.jpg width=10>",
        "<a href=/x><img src=c.jpg></a>",
        "<figure><img src=d.jpg><figcaption>Caption.</figcaption></figure>",
        "<figure><img src=e.jpg width=9><figcaption>Of an icon.</figcaption></figure>",
        "<span hidden>no</span>",
        "<div class=author>By Somebody</div>",
        "<header><img src=lead.jpg><p>Banner</p></header>",
        "<article>",
        "</article>",
        "<video src=v.mp4></video>",
        f"<p>{prose(1)}</p>",
        f"<p>{prose(2, 8)}</p>",
        "<p>Scrap</p>",
    ]
)


@given(st.lists(PARTS, max_size=30))
def test_what_is_explained_as_kept_is_what_is_extracted(parts):
    made = page("".join(parts), "<meta property=og:image content=https://site.example/news/lead.jpg>")
    kept = [item for item in explain_page(made).items if item.kept]
    if not any(isinstance(item, TextItem) for item in kept):
        with pytest.raises(Drop, match="no_text"):
            extract_page(made)
        return
    blocks = extract_page(made).blocks
    lead = [block for block in blocks if isinstance(block, ImageRef) and block.source == "lead"]
    blocks = [block for block in blocks if block not in lead]
    seen = [item for item in kept if not (lead and isinstance(item, ImageItem) and item.url == lead[0].url)]
    assert [item.text if isinstance(item, TextItem) else item.url for item in seen] == [
        block.text if isinstance(block, TextBlock) else block.candidates[0] for block in blocks
    ]
    assert len(kept) == len(seen) + len(lead)


def test_furniture_that_is_longer_than_the_article_is_told_by_the_limit_that_it_keeps():
    said = reasons(f"<article>{paragraphs(6)}</article><div class=sidebar>{paragraphs(9, 60)}</div>")[prose(60)]
    assert re.search(r"with 6\d % .* more than 75 % \(comment_share\)", said)


def test_what_stands_behind_an_article_is_told():
    offer = f"<section><h2>Travel with us</h2><p>{prose(90, 1)}</p></section>"
    head = '<meta property="og:type" content="article">'
    assert reasons(f"<main><div>{paragraphs(20)}</div>{offer}</main>", head)[prose(90, 1)].startswith(
        "end: it stands behind"
    )
