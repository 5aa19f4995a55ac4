"""What stands hidden behind a button for more belongs to the prose that it goes on with."""

import pytest

from tests.pipeline.makers import extract, paragraphs, prose, texts

SHOWN, REST, AFTER = prose(20), prose(30), prose(40)


def read(body):
    return texts(extract(f"<article>{paragraphs(2)}<div>{body}</div><p>{AFTER}</p></article>"))[2:-1]


@pytest.mark.parametrize(
    "body",
    [
        "<p>{0}</p><div hidden><p>{1}</p></div><button>Show more</button>",
        "<p>{0}</p><div style='display:none'><p>{1}</p></div><button>Mehr anzeigen ▾</button>",
        "<p>{0}</p><button>Leer más</button><div hidden><p>{1}</p></div>",
        "<p>{0}</p><a href='#'>Read more…</a><div class=rest style='display:none'><p>{1}</p></div>",
        "<p>{0}</p><div aria-hidden=true id=rest><p>{1}</p></div><button><i></i>続きを読む</button>",
        "<p>{0}</p><div hidden id=rest>{1}</div><div><button aria-controls=rest>&hellip;</button></div>",
        "<p>{0}</p><p class=hidden>{1}</p><div><span onclick='open()'>Read more</span></div>",
    ],
)
def test_what_a_button_for_more_opens_goes_on_with_the_text(body):
    assert [text for text in read(body.format(SHOWN, REST)) if "more" not in text] == [SHOWN, REST]


def test_the_rest_of_a_paragraph_goes_on_in_it():
    body = f"<p>{SHOWN}<span id=more style='display:none'> {REST}</span></p><button>Read more</button>"
    assert read(body) == [f"{SHOWN} {REST}"]


@pytest.mark.parametrize(
    "body",
    [
        "<p>{0}</p><div hidden><p>{1}</p></div>",
        "<p>{0}</p><div hidden><p>{1}</p></div><button>Subscribe</button>",
        "<p>{0}</p><div hidden><p>{1}</p></div><a href=/story>Read more</a>",
        "<p>{0}</p><div hidden><p>{1}</p></div><p>A word</p><button>Read more</button>",
        "<p>{0}</p><div class='modal' hidden><p>{1}</p></div><button>Read more</button>",
        "<p>{0}</p><div class=sr-only><p>{1}</p></div><button>Read more</button>",
        "<p>{0}</p><div hidden><p>{0} {1}</p></div><button>Read more</button>",  # the whole
        "<p>{0}</p><div hidden><ul><li><a href=/a>{1}</a></ul></div><button>Read more</button>",
    ],
)
def test_what_else_is_hidden_stays_so(body):
    assert not any(REST in text for text in read(body.format(SHOWN, REST)))


def test_nothing_goes_on_where_no_prose_stands_before():
    assert REST not in read(
        f"<p>{SHOWN}</p><div><h3>Ann</h3><div hidden><p>{REST}</p></div><button>More</button></div>"
    )
