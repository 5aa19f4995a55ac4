import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlers.links import Markup, PageLinks, _srcset, find_links

URL = "http://a.example/dir/page.html"


def links(html: str, charset: str = "") -> PageLinks:
    return find_links(Markup(URL, html.encode(charset or "utf-8"), charset))


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


def test_any_charset() -> None:
    assert links("<a href='/\u0434'>", "windows-1251").pages == ("http://a.example/%D0%B4",)
    assert find_links(Markup(URL, b"<a href='/x\xff'>", "no-such")).pages == ("http://a.example/x%C3%BF",)


def test_a_page_of_links_is_cut() -> None:
    assert len(links("".join(f"<a href=/{n}>" for n in range(9000))).pages) == 5000


def test_a_tag_that_no_parser_survives() -> None:
    assert links("<a " + " ".join(f"x{n}=y" for n in range(50_000)) + "><a href=x>") == PageLinks()


@given(st.binary(max_size=400))
def test_no_bytes_break_it(html: bytes) -> None:
    find_links(Markup(URL, b"<img srcset='" + html + b"'>" + html))


_TAGS = ["<img srcset='{}'>", "<img data-x='{}'>", "<img data-x=' {} y'>", "<a href='{}'>"]
_UNITS = ["a", "a ", ",", "1x ", ".jpg?", "a.jpg#", "a.jpg 1x ", "1", " ", "a,", "a, ", ".", "9w,"]


@pytest.mark.parametrize("tag", _TAGS)
def test_no_attribute_takes_long(tag: str) -> None:
    """In a process of its own: a pattern that backtracks without end could not be stopped in this one."""
    program = f"""
from crawlers.links import Markup, find_links
for unit in {_UNITS!r}:
    for end in ("", " x y", "!", ","):
        html = {tag!r}.format(unit * (90_000 // len(unit)) + end)
        find_links(Markup("http://a.example/", html.encode()))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ("a.jpg", [(0, "a.jpg")]),
        ("a.jpg 2x,b.jpg 1.5x", [(1200, "a.jpg"), (900, "b.jpg")]),
        (" a.jpg  400w , b.jpg 800w, ", [(400, "a.jpg"), (800, "b.jpg")]),
        ("a,b.jpg, c.jpg 1x", [(0, "a,b.jpg"), (600, "c.jpg")]),
        ("a.jpg 400w 300h, b.jpg ..x", [(400, "a.jpg"), (0, "b.jpg")]),
        (", ,", []),
    ],
)
def test_a_srcset_is_read_as_browsers_do(value: str, entries: list[tuple[int, str]]) -> None:
    assert _srcset(value) == entries
