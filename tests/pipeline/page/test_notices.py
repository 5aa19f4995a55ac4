"""What asks to agree to cookies is told by what it says."""

import pytest

from pipeline.page.explain import TextItem, explain_page
from tests.pipeline.makers import extract, page, paragraphs, prose, texts, walk

BODY = ["The bridges", *(prose(number) for number in range(8))]
ARTICLE = f"<main><h1>The bridges</h1><div class=css-8a>{paragraphs(8)}</div></main>"
BANNER = "<div class=css-1x><div class=css-2y>{0}<button>OK</button></div></div>"
ASKS = "We use cookies to give you the best experience on our website."


@pytest.mark.parametrize(
    "notice",
    [
        ASKS,
        "Diese Website verwendet Cookies, um Ihnen den besten Service zu bieten.",
        "Ce site utilise des cookies pour mesurer son audience.",
        "Utilizamos cookies propias y de terceros para mejorar nuestros servicios.",
        "W ramach naszej witryny stosujemy pliki cookies w celu świadczenia usług.",
        "Мы используем файлы cookie, чтобы сайт работал лучше.",
        "Denne hjemmeside bruger cookies til statistik og indhold.",
    ],
)
@pytest.mark.parametrize("place", ["{0}{1}", "{1}{0}"])
def test_a_notice_goes_before_the_text_and_behind_it(notice, place):
    assert texts(extract(place.format(BANNER.format(f"<p>{notice}</p>"), ARTICLE))) == BODY


@pytest.mark.parametrize(
    ("language", "notice"),
    [
        ("ja", "当サイトではクッキーを使用しています。"),
        ("tr-TR", "Çerezler kullanıyoruz: ayrıntılar için tıklayın."),
        ("fi", "Käytämme evästeitä sivuston kehittämiseen."),
    ],
)
def test_some_languages_have_their_own_word(language, notice):
    banner = BANNER.format(f"<p>{notice}</p>")
    assert texts(extract(f"<html lang={language}><body>{ARTICLE}{banner}".encode())) == BODY


def test_all_of_a_notice_goes_that_speaks_of_cookies_mostly():
    details = (
        "<h3>Cookies that are needed</h3><p>These cookies keep you logged in, and your basket.</p><p>Always on</p>"
    )
    assert texts(extract(ARTICLE + BANNER.format(f"<h2>Your privacy</h2><p>{ASKS}</p>{details}"))) == BODY


@pytest.mark.parametrize("press", ["<a href='#'>OK</a>", "<a role=button>OK</a>", "<input type=submit>"])
def test_what_is_to_be_pressed_need_be_no_button(press):
    assert noticed(f"<p>{ASKS}</p>{press}") == [ASKS, "OK"][: 1 + ("OK" in press)]


def noticed(banner, body="<p>Ann</p>"):
    """What is taken for a notice, in a part of its own before all else."""
    found = walk(f"<div>{banner}</div>{'<i></i>' * 40}{body}")
    return [getattr(found.leaves[at], "text", "") for at in sorted(found.notices)]


@pytest.mark.parametrize(
    ("banner", "body", "expected"),
    [
        (f"<p>{ASKS}</p>", "", []),  # a chapter of a policy has no button
        (f"<p>{ASKS}</p><a href=/more>More</a>", "", []),
        (f"<p>{ASKS}</p><button>OK</button>", "<h1>How cookies are used</h1>", []),
        (f"<p>{ASKS} {prose(1, 14)}</p><button>OK</button>", "", []),
        (f"<p>{ASKS}</p><p>{prose(1, 1)}</p><button>OK</button>", "", [ASKS]),
        ("<p>The bakery sells cookies to the whole valley.</p><button>OK</button>", "", []),
        (f"<main>{ASKS}<p>Ann</p><button>OK</button></main>", "", [ASKS]),
        (f"<p>{ASKS}</p><button>OK</button>" + f"<p>On cookies {prose(2, 10)}</p>" * 5, "", [ASKS]),
    ],
)
def test_what_is_no_notice(banner, body, expected):
    assert noticed(banner, body) == expected


def test_the_evidence_does_not_bring_it_back():
    """A page that says little was read as one notice, as that is its only prose."""
    cards = "".join(f"<li><a href=/{n}><b>Wall {n}</b></a><p>Built by hand, in village {n}</p></li>" for n in range(9))
    long = " ".join(["We use cookies for what you read and see.", prose(3, 8)])
    found = texts(extract(f"<div><div>{BANNER.format(f'<p>{long}</p>')}</div><ul>{cards}</ul></div>"))
    assert found
    assert not [text for text in found if "cookies" in text]


def test_explain_says_why():
    items = explain_page(page(ARTICLE + BANNER.format(f"<p>{ASKS}</p>"))).items
    assert [item.reason for item in items if isinstance(item, TextItem) and item.text == ASKS] == [
        "notice: it asks readers to agree to cookies, or is a part of what does"
    ]
