"""Pages, captions, subtitles, and what sites say of their use."""

import functools
import random
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.zoo.mutants import mutant
from benchmarks.zoo.shapes import SHAPES
from benchmarks.zoo.species import require
from crawlers.scope import crawl_url
from crawlers.site_policy import SitePolicy, read_rules, read_tdmrep
from crawlers.sitemaps import read_sitemap
from pipeline.captions import CaptionRules, caption_tokens, clean_caption, is_fluent, judge_caption
from pipeline.interleave import lay_out
from pipeline.page.charset import decode_html, utf8_html
from pipeline.page.extract import draft_of
from pipeline.page.links import find_links
from pipeline.page.parsed import ExtractSettings, ParsedPage
from pipeline.pairs import PairRules, take_pairs
from pipeline.text.pii import PiiRules, redact, redact_text
from pipeline.text.rules import text_rules
from pipeline.video.refs import take_videos
from pipeline.video.subtitles import read_subtitles
from schemas.documents import Consent, Page
from schemas.drops import Drop
from schemas.links import PageSource
from tests.pipeline.makers import paragraphs

_PAGES = Path(__file__).parents[2] / "tests/pipeline/pages"
_SOUP = (
    "<p> </p> <div> </div> <b> </i> <table> <td> </table> <tr> <figure> <figcaption> </figure> <pre> </pre> <br> <li> "
    "<ul> </ul> <img/src=a.jpg> <img/srcset=,,b.jpg_2x> <a/href=x> </a> <noscript> </noscript> <picture> </picture> "
    "<source/srcset=b.jpg> <!-- --> <? <svg> </svg> <math> <mtext> <![CDATA[ ]]> <video/src=v.mp4> </video> <iframe> "
    "<select> <option> <h1> </h2> <base/href=//x/> <template> <form> <button> <frameset> <plaintext> <textarea> "
    "<title> <xmp> </xmp> <style> <script> </script> <noembed> <font/color=1> <font/color=2> <nobr> "
    "<input> <object> <body> &amp; &# &#x110000; &#0; \x00 < > \" ' word 字 "
    "+44_20_7946_0958 a@b.example 4111111111111111 192.0.2.1 "
    '<script/type="application/ld+json">{"@type":"ImageObject","url":[{}],"caption":{}} '
    '<script/type="application/ld+json">{"@graph":[{"@type":["VideoObject"],"contentUrl":1,"video":[1,{}]}]} '
    "<meta/name=robots/content=noai> <meta/charset=utf-7> <meta/property=og:image/content=a.jpg> <html/lang=x>"
).split(" ")
_CHARSETS: tuple[str, ...] = (
    "",
    "utf-8",
    "utf-16",
    "utf-16le",
    "iso-2022-jp",
    "gbk",
    "shift_jis",
    "x-user-defined",
    "koi8-r",
    "utf-7",
)
_CHARSETS += (
    "hz-gb-2312",
    "unicode-1-1",
    "rot13",
    "hex",
    "idna",
    "punycode",
    "a" * 99,
    "\x00",
    "undefined",
    "unicode_escape",
)


@functools.cache
def _pages() -> list[bytes]:
    return [path.read_bytes() for path in sorted(_PAGES.glob("*/source.html"))]


def make_page(rng: random.Random) -> bytes:
    """A line that names the charset of the header, then the page."""
    charset = rng.choice(_CHARSETS) if rng.random() < 0.5 else ""
    kind = rng.random()
    if kind < 0.4:
        html = mutant(rng, rng.choice(_pages()), _pages())
    elif kind < 0.75:
        html = " ".join(rng.choice(_SOUP) * rng.choice((1, 1, 1, 3, 40)) for _ in range(rng.randrange(1, 80))).encode()
    elif kind < 0.9:
        html = SHAPES[rng.choice(list(SHAPES))](rng.choice((3, 60, 700, 3000))).encode()
    else:
        name = rng.choice(("utf-16", "utf-16-be", "utf-8-sig", "gb18030", "cp932", "iso2022_jp", "koi8-r", "cp949"))
        html = mutant(rng, rng.choice(_pages()).decode("utf-8", "replace").encode(name, "replace"), _pages())
    return charset.encode() + b"\n" + html


def judge_page(data: bytes) -> str:
    """All that crawl and build do with a page; texts are texts, addresses are addresses."""
    charset, _, html = data.partition(b"\n")
    page = Page(uid=1, url="http://a.example/x/y.html", html=html, charset=charset.decode("latin-1"))
    decode_html(html, page.charset)
    parsed = ParsedPage(page, ExtractSettings())
    find_links(PageSource(page.url, html, page.charset))
    try:
        draft = draft_of(parsed, page)
        require(all(block.text.strip() for block in draft.texts), "a text block without text")
        urls = [url for image in draft.images for url in image.candidates]
        require(all(url.startswith(("http://", "https://")) for url in urls), "an image of another scheme")
        draft = redact(draft)
        lay_out(draft, {})
        text_rules(draft)
    except Drop:
        pass
    take_pairs(parsed, page, PairRules(everywhere=True), PiiRules(), Consent())
    take_videos(parsed, page, PiiRules(), Consent())
    return "read"


def make_utf8(rng: random.Random) -> bytes:
    """A page in UTF-8 that says so, with a few bad bytes between its words."""
    html = f"<html><head><meta charset=utf-8></head><body>{paragraphs(6)}<p>naïve café, Zürich, 東京, Москва</p></body>"
    data = bytearray(html.encode())
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.choice([place for place in range(60, len(data)) if data[place] in b" <"])
        data[at:at] = rng.choice((b"\xff", b"\x92", b"\xe9", b"\xc3", b"\xed\xa0\x80", b"\xf5"))
    return bytes(data)


def judge_utf8(data: bytes) -> str:
    """Bad bytes cost themselves; all else reads as it was written."""
    for header in ("", "utf-8"):
        text = utf8_html(data, header).decode()
        known = ("Zürich", "東京", "Москва", "café", "naïve")
        require(all(word in text for word in known), "bad bytes garble a page declared UTF-8")
    return "read"


_CAPTION_PIECES = (
    "image of |photo: |a_|a-|_|-|(|)|[ |]|<b|>|&amp;|&lt;|http://|www.|.jpg|.png |IMG_|DSC|12|x|×|640x480|%20|"
)
_CAPTION_PIECES += (
    "word |The |é|字|\u200b|\u00a0|\n|,|;|:|!|…|“|'|+44 20 7946 0958 |a@b.example |4111 1111 1111 1111|::1|1.1.1.1"
)


def make_caption(rng: random.Random) -> bytes:
    pieces = [rng.choice(_CAPTION_PIECES.split("|")) for _ in range(rng.randrange(1, 6))]
    text = "".join(piece * rng.choice((1, 1, 2, 9, 300, 3000)) for piece in pieces)
    return (text * rng.choice((1, 1, 1, 40)))[:30_000].encode()


def judge_caption_text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    cleaned = clean_caption(text)
    require(cleaned == cleaned.strip(), "a cleaned caption with spaces around it")
    is_fluent(text)
    redact_text(text, PiiRules(), Counter())
    for _ in caption_tokens(text):
        pass
    judge_caption(cleaned, CaptionRules(min_words=1, max_words=10_000, fluent=True))
    return "caption"


_VTT = (
    b"WEBVTT\n\n00:01.000 --> 00:04.000\nHello <b>there</b>\n\n2\n00:00:05,000 --> 00:00:07,000\n{\\an8}Bye &amp; so\n"
)


def make_subtitles(rng: random.Random) -> bytes:
    pieces = (b"00:01.000 --> 00:02.000\nx\n\n", b"-->", b"<", b"{\\", b"\n \t", b"9" * 40, b"\r", b"\xff", b"NOTE\n")
    data = _VTT + b"".join(rng.choice(pieces) * rng.choice((1, 2, 500, 20_000)) for _ in range(rng.randrange(4)))
    return mutant(rng, data, [_VTT]) if rng.random() < 0.7 else data


def judge_subtitles(data: bytes) -> str:
    cues = read_subtitles(data)
    require(all(cue.end_s > cue.start_s and cue.text for cue in cues), "a cue that says nothing, or never")
    return "cues" if cues else "none"


_ROBOTS: tuple[str, ...] = (
    "User-agent: *",
    "User-agent: weft",
    "Disallow: /",
    "Disallow: /*a*a*a*b",
    "Allow: /$",
    "Crawl-delay: 1e999",
)
_ROBOTS += (
    "Request-rate: 1/0",
    "Sitemap: x",
    "Disallow: " + "*" * 90 + "$",
    "Crawl-delay: -1",
    "Disallow:",
    "\x00",
    "\ufeff",
)


def make_policy(rng: random.Random) -> bytes:
    """A path, a line end, and a robots.txt, ai.txt, tdmrep.json or sitemap."""
    letters = rng.choice(("a", "ab", "/", "%", "a/", "é", "*", "$", "?a="))
    path = "/" + letters * rng.choice((1, 10, 60, 2000))
    stars = (
        "/" + "*".join(rng.choice(("a", "b", "", "/")) for _ in range(rng.choice((2, 8, 60)))) + rng.choice(("", "$"))
    )
    if rng.random() < 0.4:
        text = f'[{{"location":"{stars}","tdm-reservation":1}},{{"location":["x"]}},{{"location":"/*"}}]'
    else:
        lines = [rng.choice((*_ROBOTS, f"Disallow: {stars}", f"Allow: {stars}")) for _ in range(rng.randrange(1, 30))]
        text = "\n".join(lines) * rng.choice((1, 1, 50))
    body = text.encode("utf-8", "replace")
    return path.encode() + b"\n" + (mutant(rng, body) if rng.random() < 0.4 else body)


def judge_policy(data: bytes) -> str:
    path, _, body = data.partition(b"\n")
    url = crawl_url(f"http://a.example{path.decode('utf-8', 'replace')}") or "http://a.example/"
    require(crawl_url(url) == url or not crawl_url(url), "an address is rewritten twice")
    rules = read_rules(body)
    policy = SitePolicy(robots=rules, ai=rules, tdm=read_tdmrep(body))
    policy.tdm_signals(url)
    require(0 <= policy.delay_s < float("inf"), "a delay that is none")
    list(policy.sitemaps)
    for _ in read_sitemap(body, url):
        pass
    require(urlsplit(url).scheme in ("http", "https"), "an address of another scheme")
    policy.check(url)
    return "allowed"
