import pytest

from pipeline.page.extract import consent_of
from pipeline.page.parsed import ExtractSettings, ParsedPage
from pipeline.text.language import LanguageRules
from pipeline.text.pii import PiiRules
from pipeline.video.captions import choose_caption, without_personal_data
from pipeline.video.refs import may_show_video, take_videos
from pipeline.video.settings import VideoCaptionRules
from schemas.documents import Page
from schemas.drops import Drop
from schemas.videos import VideoDraft, VideoText

LONG = "A baker folds the dough by hand and leaves it to rest under a cloth"


def videos(html: str) -> list[VideoDraft]:
    page = Page(uid=7, url="https://a.example/recipes/bread.html", html=html.encode(), charset="utf-8")
    parsed = ParsedPage(page, ExtractSettings())
    return list(take_videos(parsed, page, PiiRules(), consent_of(parsed, page)))


def texts(draft: VideoDraft) -> set[tuple[str, str]]:
    return {(text.source, text.text) for text in draft.texts}


def test_a_video_element_with_all_its_texts() -> None:
    (video,) = videos(
        """<p>Before it.</p><figure><video title="Folding" aria-label="A baker" src="a.webm">
        <source src="/v/a.mp4"><track kind="captions" src="a.vtt"><track kind="chapters" src="c.vtt"></video>
        <figcaption>How to <b>fold</b></figcaption></figure><p>After it.</p>"""
    )
    assert video.candidates == ("https://a.example/recipes/a.webm", "https://a.example/v/a.mp4")
    assert video.tracks == ("https://a.example/recipes/a.vtt",)
    assert texts(video) == {
        ("title", "Folding"),
        ("label", "A baker"),
        ("figcaption", "How to fold"),
        ("paragraph", "Before it."),
        ("paragraph", "After it."),
    }
    assert (video.uid, video.page_url) == (7, "https://a.example/recipes/bread.html")


def test_schema_org_open_graph_and_links_add_to_the_same_video() -> None:
    (video,) = videos(
        f"""<head><meta property="og:video" content="/v/a.mp4"><meta property="og:description" content="Of bread">
        <meta property="og:title" content="Bread"><script type="application/ld+json">{{"@graph": [{{"@type": "Article",
        "video": {{"@type": "VideoObject", "contentUrl": "https://a.example/v/a.mp4", "description": "{LONG}"}}}}]}}
        </script></head><video src="/v/a.mp4"></video><a href="/v/a.mp4">Download it</a>"""
    )
    assert texts(video) == {
        ("description", LONG),
        ("description", "Of bread"),
        ("name", "Bread"),
        ("link", "Download it"),
    }


def test_players_of_other_sites_and_pages_without_video() -> None:
    assert videos('<meta property="og:video" content="https://tube.example/embed/1"><p>text</p>') == []
    assert not may_show_video(b"<p>a page</p>")
    assert may_show_video(b"<VIDEO src=x>")


def choose(*pairs: tuple[str, str], rules: VideoCaptionRules = VideoCaptionRules()) -> VideoText:
    return choose_caption([VideoText(*pair) for pair in pairs], rules, LanguageRules())


def test_the_first_source_with_a_fit_text_gives_the_caption() -> None:
    assert choose(("paragraph", LONG), ("title", "Folding"), ("figcaption", "short")).source == "paragraph"
    assert choose(("paragraph", LONG), ("figcaption", LONG)).source == "figcaption"
    rules = VideoCaptionRules(sources=("title",), min_words=1)
    assert choose(("paragraph", LONG), ("title", "The folding of dough"), rules=rules).text == "The folding of dough"


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([], "no_caption"),
        ([("elsewhere", LONG)], "no_caption"),
        ([("title", "Folding")], "few_words"),
        ([("title", "Der Bäcker faltet den Teig von Hand und lässt ihn dann unter einem Tuch ruhen")], "language"),
        ([("title", "buy now " * 40)], "repetitive"),
    ],
)
def test_unfit_texts_are_refused_by_reason(pairs: list[tuple[str, str]], reason: str) -> None:
    with pytest.raises(Drop) as caught:
        choose(*pairs)
    assert caught.value.reason == reason


def test_personal_data_is_replaced() -> None:
    draft = VideoDraft(1, ("https://a.example/v.mp4",), (VideoText("title", "Ask ann@mail.example.org now"),))
    clean = without_personal_data(draft, PiiRules())
    assert clean.texts == (VideoText("title", "Ask <EMAIL> now"),)
    assert clean.redacted == {"email": 1}
