import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.image.refs import LAZY_URLS
from pipeline.page.extract import extract_page
from pipeline.page.images import refuse_images
from pipeline.page.links import find_links
from pipeline.page.parsed import ExtractSettings, ParsedPage
from pipeline.text.pii import PiiRules
from pipeline.video.refs import take_videos
from schemas.documents import Consent, ImageRef, Page
from schemas.drops import Drop
from schemas.links import PageLinks, PageSource, refresh_target

URL = "http://a.example/dir/page.html"


def links(html: str, charset: str = "") -> PageLinks:
    return find_links(PageSource(URL, html.encode(charset or "utf-8"), charset))


def test_links_are_absolute_once_and_in_order() -> None:
    html = "<a href=b>1</a><a href='/c#x'>2</a><a href=b>3</a><a href='//d.example/'>4</a><link rel=next href='?p=2'>"
    assert links(html).pages == (
        "http://a.example/dir/b", "http://a.example/c", "http://d.example/", "http://a.example/dir/page.html?p=2",
    )  # fmt: skip


@pytest.mark.parametrize(
    "html",
    ["<a rel='nofollow ugc' href=x>", "<a href='mailto:x@y'>", "<a href='javascript:x'>", "<a href=x.PDF>", "<a>",
     "<a href=x.jpg?y=1>", "<link rel=stylesheet href=x>", "<a href='data:text/html,x'>"],
)  # fmt: skip
def test_what_is_not_followed(html: str) -> None:
    assert links(html).pages == ()


def test_base_is_honoured() -> None:
    assert links("<base href='http://b.example/x/'><a href=y>").pages == ("http://b.example/x/y",)


@pytest.mark.parametrize(
    ("html", "candidates"),
    [
        ("<img src=i.jpg>", ("i.jpg",)),
        ("<img src='data:image/gif;base64,R0' data-src=i.jpg>", ("i.jpg",)),
        ("<img srcset='s.jpg 400w, l.jpg 1600w, xl.jpg 3000w' src=f.jpg>", ("l.jpg", "s.jpg", "xl.jpg", "f.jpg")),
        ("<img srcset='a,b.jpg 2x, c.jpg'>", ("a,b.jpg", "c.jpg")),
        ("<picture><source srcset='p.webp 800w'><img src=f.jpg></picture>", ("p.webp", "f.jpg")),
        ("<img data-photo='big.jpeg' src=f.jpg>", ("big.jpeg", "f.jpg")),
        ("<noscript><img src=n.jpg></noscript>", ("n.jpg",)),
        ("<meta property=og:image content=o.jpg>", ("o.jpg",)),
    ],
)
def test_images_with_their_candidates_the_best_first(html: str, candidates: tuple[str, ...]) -> None:
    assert links(html).images == (tuple(f"http://a.example/dir/{name}" for name in candidates),)


def test_videos_and_their_subtitles() -> None:
    html = "<video src=v.mp4><source src=w.webm><track src=v.vtt></video><video><source src=v.mp4></video>"
    at = "http://a.example/dir/"
    assert links(html).videos == ((f"{at}v.mp4", f"{at}w.webm"), (f"{at}v.vtt",), (f"{at}v.mp4",))


def test_what_the_markup_says_of_use() -> None:
    html = (
        "<meta name=Robots content='noai'><meta name=weft content=nofollow><meta name=otherbot content=noindex>"
        "<meta name='TDM-Reservation' content=1><meta name=tdm-policy content='http://a.example/p'>"
    )
    found = links(html)
    assert (found.robots, found.tdm_reservation, found.tdm_policy) == (("noai", "nofollow"), "1", "http://a.example/p")
    assert links(html.replace("name=", "property=")).stated == found.stated
    assert links("<meta name=robots property=robots content=noai>").robots == ("noai",)


def test_any_charset() -> None:
    assert links("<a href='/\u0434'>", "windows-1251").pages == ("http://a.example/%D0%B4",)
    assert find_links(PageSource(URL, b"<meta charset=latin1><a href='/x\xff'>", "no-such")).pages == (
        "http://a.example/x%C3%BF",
    )


def test_what_is_cut_off_a_page_is_counted() -> None:
    found = links("".join(f"<a href=/{n}></a>" for n in range(9000)))
    assert (len(found.pages), found.cut) == (5000, 4000)
    found = links("".join(f"<img src={n}.jpg><a href={n}.mp4></a>" for n in range(501)))
    assert (len(found.images), len(found.videos), found.cut) == (500, 500, 2)


@pytest.mark.parametrize(
    "island",
    ["<script>{}</script>", "<style>{}</style>", "<!--{}-->", "<p title='{}'>",
     "<img alt=x src='data:image/png;base64,{}'>",
     "<p>{}", "<script type='application/json'>{}</script>", "<a data-x='{}' href=z>"],
)  # fmt: skip
def test_a_page_keeps_its_links_and_images_whatever_lies_between_two_tags(island: str) -> None:
    """JSON islands, base64 images and styles of megabytes stand on every tenth page."""
    html = "<a href=x>1</a><img src=i.jpg>" + island.format("A1b2, " * 400_000) + "</p><a href=y>2</a><img src=j.jpg>"
    found = links(html)
    assert {url.rpartition("/")[2] for url in found.pages} - {"z"} == {"x", "y"}
    assert {names[0].rpartition("/")[2] for names in found.images} == {"i.jpg", "j.jpg"}


def test_a_tag_that_no_parser_survives_is_refused_and_says_so() -> None:
    with pytest.raises(Drop, match="hostile_html"):
        links("<a " + " ".join(f"x{n}=y" for n in range(50_000)) + "><a href=x>")


@pytest.mark.parametrize(
    ("value", "path"),
    [("0; url=/n", "/n"), ("5;URL='n'", "/dir/n"), ("0;/n", "/n"), ("0, url = n?a=1;b", "/dir/n?a=1;b"), ("5", ""),
     ("", ""), (" 1.5 ; url=\"n\"", "/dir/n"), ("0;url=", ""),
     ("url=/n", "/n"), ("0; url=javascript:x", ""), ("; 5", ""), ("please reload later", ""),
     ("0; url=\"/a b\"", "/a%20b"), ("0; url=/a b", "/a%20b"), ("0; url=\"/n\" target=_top", "/n")],
)  # fmt: skip
def test_where_a_refresh_leads(value: str, path: str) -> None:
    assert refresh_target(value, URL) == (f"http://a.example{path}" if path else "")
    assert links(f"<meta http-equiv=Refresh content='{value}'>".replace("'n'", "n")).refresh == refresh_target(
        value, URL
    )


@pytest.mark.parametrize(
    ("charset", "header", "query"),
    [("shift_jis", "", "q=%95\\%93%FA&e=%26%23128512%3B"), ("gb2312", "gb2312", "q=%B1%ED%C8%D5&e=%26%23128512%3B"),
     ("utf-8", "", "q=%E8%A1%A8%E6%97%A5&e=%F0%9F%98%80"), ("utf-8", "gbk", "q=%E8%A1%A8%E6%97%A5&e=%F0%9F%98%80")],
)  # fmt: skip
def test_queries_of_links_are_in_the_charset_of_their_page(charset: str, header: str, query: str) -> None:
    """As a browser sends them: the server of a page in Shift_JIS looks for nothing else."""
    html = f"<meta charset={charset}><a href='/表?q=表日&amp;e=&#128512;#表'>日の表、表の日</a>".encode(charset)
    assert find_links(PageSource(URL, html, header)).pages == (f"http://a.example/%E8%A1%A8?{query}",)
    ascii_only = f"<meta charset={charset}><a href='?q=&#34920;&#26085;&e=&#128512;'>go</a>".encode()
    found = find_links(PageSource(URL, ascii_only)).pages[0].partition("?")[2]
    assert found == query


def test_queries_of_media_and_refreshes_are_in_the_charset_of_their_page() -> None:
    """As Chromium asks for them."""
    html = (
        "<meta charset=shift_jis><meta http-equiv=refresh content='5; url=/go?q=表'><p>日の表、表の日"
        "<img src='/a?q=表' srcset='/表?q=表 400w'><picture><source srcset='/b?q=表 300w'><img src='/c?q=表'></picture>"
        "<video src='/d?q=表'><track src='/e?q=表'></video><figure data-image='/f.jpg?q=表'></figure>"
    ).encode("shift_jis")
    found = find_links(PageSource(URL, html))
    media = [url for group in (*found.images, *found.videos) for url in group]
    assert {url.removeprefix("http://a.example") for url in media} == {
        "/a?q=%95\\", "/%E8%A1%A8?q=%95\\", "/b?q=%95\\", "/c?q=%95\\", "/d?q=%95\\", "/e?q=%95\\",
        "/f.jpg?q=%95\\",
    }  # fmt: skip
    assert found.refresh == "http://a.example/go?q=%95\\"
    text = "言葉のある文章です。" * 40
    assert _missing(f"<meta charset=shift_jis><p>{text}</p>".encode("shift_jis") + html) == set()


def test_frames_are_followed() -> None:
    html = "<iframe src=/f></iframe><frameset><frame src=g></frameset>"
    assert links(html).pages == ("http://a.example/f",)
    assert links("<frameset><frame src=g><frame src=/h></frameset>").pages == (
        "http://a.example/dir/g", "http://a.example/h",
    )  # fmt: skip


# --- what a crawl fetches is what a build wants


def _wanted_by_build(html: bytes, charset: str = "") -> tuple[set[str], set[str]]:
    """First addresses of the images that any build could want of a page, and of its videos."""
    page = Page(uid=0, url=URL, html=html, charset=charset)
    parsed = ParsedPage(page, ExtractSettings())
    leaves = [leaf for leaf in parsed.full()[0].leaves if leaf.kind == "image"]
    refused = {key for key, drop in refuse_images(leaves).items() if drop.reason == "no_address"}
    images = {leaf.candidates[0] for leaf in leaves if id(leaf) not in refused}
    try:
        draft = extract_page(page)
        images |= {block.candidates[0] for block in draft.blocks if isinstance(block, ImageRef)}
    except Drop:
        pass
    videos = take_videos(parsed, page, PiiRules(), Consent())
    return images, {url for video in videos for url in (video.candidates[0], *video.tracks)}


def _missing(html: bytes, charset: str = "") -> set[str]:
    """What a build wants and a crawl does not ask for."""
    found = find_links(PageSource(URL, html, charset))
    images, videos = _wanted_by_build(html, charset)
    return (images - {names[0] for names in found.images}) | (videos - {names[0] for names in found.videos})


_TESTS = Path(__file__).parents[2]
_PAGES = [
    *sorted((_TESTS.parent / "examples/site").glob("*.html")),
    *sorted((_TESTS / "pipeline/pages").rglob("*.html*")),
]


@pytest.mark.parametrize("path", _PAGES, ids=[path.parent.name + "/" + path.name for path in _PAGES])
def test_no_page_that_lies_here_lacks_anything(path: Path) -> None:
    data = path.read_bytes()
    assert _missing(gzip.decompress(data) if path.suffix == ".gz" else data) == set()


@pytest.mark.parametrize(
    "html",
    [
        "<amp-img src=a.jpg srcset='b.jpg 800w'></amp-img>",
        "<amp-img src=a.jpg><noscript><img src=c.jpg></noscript></amp-img>",
        "<picture><source srcset='a.webp 800w'><div><img src=b.jpg></div></picture><img src=c.jpg>",
        "<picture><img src=a.jpg><source data-srcset='b.webp 2x'><img src=c.jpg></picture>",
        "<picture><source srcset=a.webp><picture><source srcset=b.webp><img src=c.jpg></picture></picture>",
        "<picture><source srcset=a.webp></picture><img src=c.jpg>",
        "<picture><source srcset='a.webp 9w'><figure data-image=l.jpg></figure></picture>",
        "<video src=a.mp4><noscript><video src=b.mp4></noscript><img src=a.jpg></video>",
        "<video src=a.mp4><noscript><video><source src=b.mp4></video></noscript></video>",
        "<picture><source srcset='a.webp 9w'><picture><img src=b.jpg></picture></picture>",
        *(f"<img {name}='l.jpg' src='data:image/gif;base64,R0'>" for name in LAZY_URLS),
        *(
            f"<img {name}='l.jpg 400w, m.jpg 800w' src=x.jpg>"
            for name in ("data-srcset", "data-lazy-srcset", "data-src-set")
        ),
        "<img data-anything=l.jpg?x=1 src=blank.gif>",
        "<img src=blank.gif class=lazy><noscript><img src=real.jpg></noscript>",
        "<noscript><p>x</p><img src=real.jpg></noscript>",
        "<figure data-image='l.jpg'></figure>",
        "<figure data-image='l.jpg'><img src=m.jpg></figure>",
        "<base href=/other/><img src=a.jpg>",
        "<base><base href='http://b.example/x/'><img src=a.jpg>",
        "<img src='a b.jpg'><img src=' c.jpg '><img src='//b.example/d.jpg'>",
        "<a href=big.jpg><img src=small.jpg></a>",
        "<button><img src=a.jpg></button><nav><img src=n.jpg></nav><footer><img src=f.jpg></footer>",
        "<table><img src=foster.jpg><tr><td><img src=cell.jpg></table>",
        "<svg><image href=s.jpg /></svg><img src=a.jpg>",
        "<div style='display:none'><img src=hidden.jpg></div><p hidden><img src=p.jpg></p>",
        "<template><img src=t.jpg></template><img src=a.jpg>",
        "<iframe src=/embed><img src=no.jpg></iframe><img src=a.jpg>",
        "<textarea><img src=no.jpg></textarea><xmp><img src=no.jpg></xmp><img src=a.jpg>",
        "<video data-src=v.mp4><source src=w.webm><img src=x.jpg><track src=v.vtt kind=captions>"
        "<track src=c.vtt kind=chapters>"
        "</video><img src=a.jpg>",
        "<a href=v.mp4 rel=nofollow>v</a><meta property=og:video content=o.mp4>",
        '<script type=\'application/ld+json\'>{"@type": "VideoObject", "contentUrl": "/j.mp4", "name": "n"}</script>',
    ],
)
def test_a_crawl_asks_for_what_a_build_wants(html: str) -> None:
    text = "<p>" + "Some words that make a text of this page. " * 10
    assert _missing(f"<html><body>{text}{html}{text}".encode()) == set()


@given(st.lists(st.sampled_from([
    "<img src=a.jpg>", "<img data-src=b.jpg>", "<amp-img src=c.jpg>", "<picture>", "</picture>",
    "<source srcset='d.webp 9w'>",
    "<source data-srcset=e.webp>", "<noscript>", "</noscript>", "<figure data-x=f.jpg>", "</figure>",
    "<video src=g.mp4>",
    "</video>", "<p>text", "<div>", "</div>", "<table>", "<td>", "</table>", "<a href=h.mp4>", "</a>", "<template>",
    "</template>", "<svg>", "</svg>", "<button>", "<select>", "</select>", "<iframe>", "</iframe>",
]), max_size=14))  # fmt: skip
def test_whatever_stands_in_whatever(pieces: list[str]) -> None:
    assert _missing(f"<html><body><p>words</p>{''.join(pieces)}".encode()) == set()


@given(st.binary(max_size=400))
def test_no_bytes_break_it(html: bytes) -> None:
    find_links(PageSource(URL, b"<img srcset='" + html + b"'>" + html))


_TAGS = ["<img srcset='{}'>", "<img data-x='{}'>", "<img data-x=' {} y'>", "<a href='{}'>"]
_UNITS = ["a", "a ", ",", "1x ", ".jpg?", "a.jpg#", "a.jpg 1x ", "1", " ", "a,", "a, ", ".", "9w,"]


@pytest.mark.parametrize("tag", _TAGS)
def test_no_attribute_takes_long(tag: str) -> None:
    """In a process of its own: a pattern that backtracks without end could not be stopped in this one."""
    program = f"""
from pipeline.page.links import find_links
from schemas.links import PageSource
for unit in {_UNITS!r}:
    for end in ("", " x y", "!", ","):
        html = {tag!r}.format(unit * (90_000 // len(unit)) + end)
        find_links(PageSource("http://a.example/", html.encode()))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)
