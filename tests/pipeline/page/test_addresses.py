"""What kind of page an address names."""

import pytest

from pipeline.page.addresses import ends_in_title, is_of_goods, is_of_question, is_of_story, is_of_thread


@pytest.mark.parametrize(
    "path",
    [
        "article/35136396/",
        "articles/ASM2Q5HKNM2QUCVL02D.html",
        "articles/13-ways-to-cross-a-river",
        "news/local/bridge-opens-after-ten-years",
        "news/20190302-bridge-opens/",
        "oss/article.html?oid=8976",
        "2016/11/29/news/bridge-opens/index.html",
        "politica/2019-05/07/bruecke.html",
        "blog/2017/01/17/bridge",
        "2019/04/bridge.html",
        "2019/04/17/54321",
    ],
)
def test_a_day_or_a_word_for_stories_and_behind_it_a_number_or_title_is_the_address_of_one(path: str) -> None:
    assert is_of_story(f"https://site.example/{path}")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "news/",
        "news/local/",
        "news/category/towns-and-their-bridges/",
        "blog/page/123",
        "2019/04/",
        "2019/04/17/",
        "2019/04/index.html",
        "2019/04/17/tag/bridges",
        "archive/2019/04/bridge.html",
        "article.html?page=2",
        "a-bridge-opens-after-ten-years",
        "shop/item-123456",
        "events?from=/news/2019/04/12345",
        "events#/news/2019/04/12345",
    ],
)
def test_what_lists_stories_or_names_anything_else_is_none(path: str) -> None:
    assert not is_of_story(f"https://site.example/{path}")


@pytest.mark.parametrize(
    ("path", "is_title"),
    [
        ("a-bridge-opens-after-ten-years/", True),
        ("towns/a-bridge-opens-after-ten-years.html?page=2#top", True),
        ("a-bridge-opens-in-towns", False),
        ("a-bridge-opens-after-ten-years/towns", False),
        ("towns?of=a-bridge-opens-after-ten-years", False),
    ],
)
def test_many_words_at_the_end_of_an_address_are_a_title(path: str, is_title: bool) -> None:
    assert ends_in_title(f"https://site.example/{path}") is is_title


@pytest.mark.parametrize(
    ("path", "is_thread"),
    [
        ("forum/index.php?topic=33871.0", True),
        ("index.php/topic,33871.0.html", True),
        ("d/871-old-wall", True),
        ("posts/list/871.page", True),
        ("phorum5/read.php?4,871", True),
        ("board/view/?id=bread&no=418233", True),
        ("bbs/board.php?bo_table=free&wr_id=871", True),
        ("bbs/Bridges/M.1703650001.A.5C4.html", True),
        ("f/cooking/p/253345678", True),
        ("sante/murs/sujet_871_1.htm", True),
        ("talk/gardening/4871-old-wall", True),
        ("bbs/board.php?bo_table=free", False),
        ("board/members", False),
        ("talk/gardening", False),
        ("read.php?id=4", False),
        ("thread-count-of-sheets", False),
        ("d/871", False),
    ],
)
def test_software_calls_threads_by_these_names(path: str, is_thread: bool) -> None:
    assert is_of_thread(f"https://site.example/{path}") is is_thread


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("products/mens-wool-runner", True),
        ("collections/mens/products/runner?variant=4", True),
        ("product/boots/", True),
        ("en/produkt/stiefel-aus-leder", True),
        ("produkte/schuhe/stiefel-871", True),
        ("Kettle-Stagg-EKG/dp/B077JBQZPX/ref=sr_1_1", True),
        ("listing/615442107/ceramic-mug", True),
        ("itm/2847610003", True),
        ("goods/30211", True),
        ("product_info.php?products_id=871", True),
        ("walking-boot-p-871.html", True),
        ("vitamin-p-value.html", False),
        ("871.html", False),
        ("index.php?route=product/product&product_id=40", True),
        ("index.php?main_page=product_info&cPath=1&products_id=8", True),
        ("index.php?route=product/category&path=20", False),
        ("item.htm", False),
        ("products", False),
        ("products/", False),
        ("products/keyboards/", True),
        ("ip/about", False),
        ("product-reviews/kettles", False),
    ],
)
def test_shops_keep_what_they_sell_at_such_addresses(path: str, is_one: bool) -> None:
    assert is_of_goods(f"https://site.example/{path}") is is_one


def test_a_number_behind_the_word_is_a_question() -> None:
    assert is_of_question("https://site.example/question/871.html")
    assert is_of_question("https://site.example/en/questions/871/how-to-mend")
    assert not is_of_question("https://site.example/questions/")
    assert not is_of_question("https://site.example/search?q=/question/871")
