"""Names that say of an element what it is, and those that only seem to."""

import pytest

from pipeline.page.names import read_names
from tests.pipeline.makers import extract, paragraphs, prose, texts


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
