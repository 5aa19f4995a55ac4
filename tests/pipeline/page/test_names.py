"""Names that say of an element what it is, and those that only seem to."""

import pytest

from pipeline.page.names import read_names
from tests.pipeline.makers import extract, outline, paragraphs, prose, texts, walked_texts


def test_what_stands_behind_a_paywall_is_the_article():
    behind = "".join(f"<p class='paywall'>{prose(n, 1)}</p>" for n in range(2, 12))
    box = "<div class='paywall-banner'><p>Subscribe to read on.</p></div>"
    found = texts(extract(f"<article>{paragraphs(2, sentences=1)}{behind}{box}</article>"))
    assert found == [prose(n, 1) for n in range(12)]


def test_long_paragraphs_behind_a_paywall_are_read_where_they_are_the_smaller_part():
    behind = f"<p class=paywall>{prose(20)}</p>"
    assert texts(extract(f"<article>{paragraphs(9)}{behind}</article>")) == [*map(prose, range(9)), prose(20)]


@pytest.mark.parametrize(
    "named",
    [
        "post-12 post type-post status-publish format-standard hentry category-trending tag-newsletter",
        "product type-product post-7 status-publish instock product_cat-cookies product_tag-related",
        "wp-block-post post-3 page type-page status-publish portfolio_category-sponsored",
    ],
)
def test_what_wordpress_files_a_post_under_is_none_of_its_names(named: str) -> None:
    names = read_names(f' class="{named}"')
    assert not names.strong
    assert not names.weak


@pytest.mark.parametrize("named", ["tag-list", "category-promo", "tag-cloud hentry-tags"])
def test_elsewhere_such_names_are_read(named: str) -> None:
    assert read_names(f' class="{named}"').is_flagged


def test_short_posts_of_a_blog_are_read_whatever_they_are_filed_under():
    filed = "post-{0} type-post status-publish hentry tag-ads category-related"
    post = f"<div class='{filed}'><h2>Day {{0}}</h2><p>{{1}}</p></div>"
    posts = "".join(post.format(n, prose(n, 2)) for n in range(5))
    text = f"<div>{paragraphs(4, 20)}</div>"
    found = texts(extract(f"<main>{text}<div>{posts}</div></main>"))
    assert found == [*map(prose, range(20, 24)), *(t for n in range(5) for t in (f"Day {n}", prose(n, 2)))]


def test_a_page_of_which_weak_names_take_all_is_read_without_them():
    body = f"<div class=banner><h2>Welcome</h2><p>{prose(1, 2)}</p></div><div class=login>Log in</div>"
    assert texts(extract(body)) == ["Welcome", prose(1, 2)]


@pytest.mark.parametrize("named", ["class=tabs", "id=tab-2", "class=spoiler"])
def test_what_a_reader_opens_is_read_though_it_is_hidden(named: str) -> None:
    body = f"<main>{paragraphs(4)}<div {named} style='display:none'><p>{prose(9)}</p></div></main>"
    assert prose(9) in texts(extract(body))


@pytest.mark.parametrize(
    "named",
    [
        'class="tab-content" id="nav-tabContent"',
        'class="tab-pane fade" id="nav-home" role="tabpanel"',
        'class="popup-gallery"',
        'class="js-gallery-zoom-modal-container"',
        'class="image-popup"',
        'class="plan popular"',
        'class="property-most-popular-facilities"',
        'class="member-signature"',
        'class="tsd-signature"',
        'class="share-price"',
        'id="msg_2386431_footer" class="attachments smalltext"',
        'class="tag-line"',
        'class="teaser-text" itemprop="description"',
        'class="img tag"',
        'class="section discussion" id="sec-4"',
    ],
)
def test_a_name_beside_another_may_say_something_else(named: str) -> None:
    assert not read_names(f" {named}").is_flagged


@pytest.mark.parametrize(
    "named", ["discussion", "nav nav-tabs", "popup", "popular posts", "post-signature", "share", "tag", "teaser"]
)
def test_and_by_itself_what_it_always_says(named: str) -> None:
    assert read_names(f' class="{named}"').is_flagged


@pytest.mark.parametrize("named", ["class=subscription-plan", "role=tablist"])
def test_a_name_of_little_doubt_does_not_take_prose(named: str) -> None:
    found = texts(extract(f"<main>{paragraphs(6)}<div {named}><p>{prose(9)}</p></div></main>"))
    assert found == [*map(prose, range(6)), prose(9)]


def test_pictures_that_grow_are_read() -> None:
    linked = (
        '<a href="/large{0}.jpg" class="image-popup"><img src="/large{0}.jpg" width=400 height=300 alt="View {0}"></a>'
    )
    gallery = "".join(linked.format(n) for n in range(3))
    found = outline(
        extract(f"<article>{paragraphs(2)}<div class=popup-gallery>{gallery}</div>{paragraphs(2, 2)}</article>")
    )
    assert found == [prose(0), prose(1), *(f"large{n}.jpg" for n in range(3)), prose(2), prose(3)]


def sections(names: list[str], tag: str = "section", begin: str = "") -> str:
    made = '<{0} id="{4}{1}"><h2>{2}<a href="#{4}{1}">¶</a></h2><p>{3}</p></{0}>'
    return "".join(made.format(tag, name, name.title(), prose(20 + n, 2), begin) for n, name in enumerate(names))


@pytest.mark.parametrize("named", ["profile", "author-card", "bio"])
def test_three_persons_side_by_side_are_a_team(named: str) -> None:
    persons = [("Ann Lee", "Captain"), ("Bo Ray", "Mate"), ("Cy Dun", "Cook")]
    cards = [f"<div class={named}><h3>{name}</h3><p>{task}</p></div>" for name, task in persons]
    told = [word for person in persons for word in person]
    assert texts(extract(f"<main>{paragraphs(4)}<div>{''.join(cards)}</div></main>")) == [*map(prose, range(4)), *told]
    assert texts(extract(f"<main>{paragraphs(4)}<div>{cards[0]}</div></main>")) == list(map(prose, range(4)))


@pytest.mark.parametrize("named", ["tools-item", "badge", "banner"])
def test_three_parts_of_a_weak_name_side_by_side_that_say_a_sentence_each_are_items(named: str) -> None:
    said = [
        "Sends quotes in half a minute.",
        "Draws a route for all of the vans.",
        "Keeps what the drivers write down.",
    ]
    cards = [f"<div class={named}><h3>Part {n}</h3><p class={named}-text>{one}</p></div>" for n, one in enumerate(said)]
    told = [word for n, one in enumerate(said) for word in (f"Part {n}", one)]
    around = "<main>{}<div>{}</div>{}</main>"
    found = texts(extract(around.format(paragraphs(4), "".join(cards), paragraphs(4, 4))))
    assert found == [*map(prose, range(4)), *told, *map(prose, range(4, 8))]
    found = texts(extract(around.format(paragraphs(4), "".join(cards[:2]), paragraphs(4, 4))))
    assert found == list(map(prose, range(8)))


@pytest.mark.parametrize(("tag", "begin"), [("section", ""), ("div", ""), ("div", "s-")])
def test_sections_of_a_manual_are_not_what_their_headings_are_about(tag: str, begin: str) -> None:
    """Docutils writes the heading of a section as its id."""
    names = ["install", "login", "first-steps", "navigation", "for-authors", "options", "related-work", "comments"]
    found = texts(extract(f"<main><h1>Guide</h1>{sections(names, tag, begin)}</main>"))
    assert found == ["Guide", *(text for n, name in enumerate(names) for text in (name.title(), prose(20 + n, 2)))]


def test_elsewhere_what_a_part_and_its_heading_are_called_is_what_it_is() -> None:
    found = texts(extract(f"<main><h1>A story</h1>{paragraphs(9)}{sections(['related'])}</main>"))
    assert found == ["A story", *map(prose, range(9))]


@pytest.mark.parametrize(("body", "is_read"), [(f"<p>{prose(9)}</p>", True), ("<p>Since 1900</p>", False)])
def test_the_header_of_a_page_is_read_where_it_says_more_than_the_title(body: str, is_read: bool) -> None:
    links = "<ul><li><a href=/a>Home</a></li><li><a href=/b>Rooms</a></li></ul>"
    found = texts(extract(f"<header class=hero>{links}<h1>The inn</h1>{body}</header><div>{paragraphs(4)}</div>"))
    assert (found == ["The inn", prose(9), *map(prose, range(4))]) is is_read


@pytest.mark.parametrize("named", ["facets", "filter-bar", "search-filters"])
def test_what_a_list_is_filtered_by_is_no_content(named: str) -> None:
    chosen = f"<div class={named}><p>Material</p><p>Period</p></div>"
    assert texts(extract(f"<main>{paragraphs(2)}{chosen}{paragraphs(2, 2)}</main>")) == list(map(prose, range(4)))


@pytest.mark.parametrize(("count", "are_read"), [(2, False), (3, True), (60, True)])
def test_the_footer_of_each_item_is_a_part_of_it(count: int, are_read: bool) -> None:
    jobs = [f"You will look after guest number {n} from eleven to seven, and the boiler too." for n in range(count)]
    item = "<li><div class=card><h2>Night porter {0}</h2><div class=card-footer><p>{1}</p></div></div></li>"
    body = f"<h1>Jobs</h1><ul>{''.join(item.format(n, job) for n, job in enumerate(jobs))}</ul>"
    site = "<div class=site-footer><div><p>All rights are reserved by those who wrote this.</p></div></div>"
    found = texts(extract(f"<main>{paragraphs(2)}{body}</main>{site}", url="https://site.example/jobs"))
    assert [text for text in found if "boiler" in text] == (jobs if are_read else [])
    assert not any("reserved" in text for text in found)


def test_the_ways_through_a_manual_by_docbook_are_none_of_it() -> None:
    way = "<table><tr><td><a href=/a>Prev</a></td><td>Chapter 11. Indexes</td><td><a href=/b>Next</a></td></tr></table>"
    body = f"<div class=chapter><div class=navheader>{way}</div>{paragraphs(2)}<div class=navfooter>{way}</div></div>"
    assert texts(extract(body)) == [prose(0), prose(1)]


def test_the_numbers_of_the_pages_of_a_printed_book_are_none_of_its_text() -> None:
    number = "<span class=pagenum><a name=Page_2>[Pg 2]</a></span>"
    assert walked_texts(f"<p>{number}You asked what we {number}eat.</p>") == ["You asked what we eat."]


@pytest.mark.parametrize("title", ["The first cloned sheep", "A clone of it", "What pagenum does"])
def test_what_a_link_leads_to_does_not_hide_it(title: str) -> None:
    assert walked_texts(f"<p>In 1996 <a class=link href=/d title='{title}'>Dolly</a> was born.</p>") == [
        "In 1996 Dolly was born."
    ]
