import pytest

from pipeline.text.words import word_list
from pipeline.url_rules import UrlRules, blocked, refuse_url
from schemas.drops import Drop
from tests.pipeline.makers import dropped, page


@pytest.mark.parametrize(
    "url",
    [
        "https://www.essex.ac.uk/",
        "https://middlesex-news.example/story",
        "https://site.example/people/hotmilford",
        "https://site.example/casinograph/nudestone",
        "https://site.example/search?q=sex",
        "https://site.example/a#sex",
        "https://sussex.example/Essex-girls-school",
        "https://site.example/%C3%A9/milfoil",
    ],
)
def test_a_word_on_the_list_does_not_block_the_words_that_contain_it(url):
    given = page("x", url=url)
    assert refuse_url(given) is given


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://sex.example/", "sex"),
        ("https://free-porn.example/", "porn"),
        ("https://site.example/best_CASINO_2024.html", "casino"),
        ("https://site.example/hotMilf", "milf"),
        ("https://site.example/a%2Fxxx%2Fb", "xxx"),
        ("https://site.example/sex/porn", "porn"),
        ("https://xxx99.example/", "xxx"),
    ],
)
def test_a_whole_word_of_host_or_path_blocks_and_is_named(url, word):
    with pytest.raises(Drop) as caught:
        refuse_url(page("x", url=url))
    assert dropped(caught) == ("url_blocked", word)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://bad.example/x", "bad.example"),
        ("https://www.bad.example/x", "bad.example"),
        ("https://a.b.bad.example:8080/x", "bad.example"),
        ("https://BAD.example/x", "bad.example"),
        ("https://user@bad.example/x", "bad.example"),
        ("https://b%61d.ｅxample./x", "bad.example"),
        ("https://site.example\\@bad.example/x", ""),
        ("https://bad.example\\@site.example/x", "bad.example"),
        ("https://xn--bser-5qa.example/x", "*.böser.example"),
        ("https://BÖSER.example/x", "*.böser.example"),
        ("https://notbad.example/x", ""),
        ("https://bad.example.org/x", ""),
        ("https://site.example/bad.example", ""),
    ],
)
def test_a_domain_is_blocked_with_everything_below_it_and_nothing_else(url, expected):
    assert blocked(url, UrlRules(blocked_domains=("other.example", "bad.example", "*.böser.example"))) == expected


def test_the_word_list_can_be_turned_off_and_domains_stay():
    rules = UrlRules(blocked_words="", blocked_domains=("bad.example",))
    assert blocked("https://sex.example/porn", rules) == ""
    assert blocked("https://bad.example/", rules) == "bad.example"


def test_the_word_list_can_be_ones_own(tmp_path):
    (tmp_path / "words.txt").write_text("Gadget\nwidget", "utf-8")
    rules = UrlRules(blocked_words=str(tmp_path / "words.txt"))
    assert blocked("https://site.example/buy-gadget-now", rules) == "gadget"
    assert blocked("https://site.example/sex", rules) == ""


def test_every_blocked_word_is_a_single_token():
    assert all(word.isalpha() for word in word_list("url_blocked"))


@pytest.mark.parametrize("url", ["", "not a url", "https://", "https://[::1]/x", "data:,x"])
def test_an_odd_address_is_not_blocked(url):
    assert blocked(url, UrlRules(blocked_domains=("bad.example",))) == ""


def test_an_address_that_cannot_be_read_does_not_raise():
    assert blocked("http://[broken/x", UrlRules(blocked_domains=("bad.example",))) == ""
