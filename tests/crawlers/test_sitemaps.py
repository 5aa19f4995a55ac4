import gzip
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlers.sitemaps import MAX_ENTRIES, read_sitemap
from schemas.drops import Drop

BASE = "http://a.example/sitemap.xml"
URLS = b"""<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
 xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:video="x">
<url><loc> http://a.example/1?a=1&amp;b=2 </loc><image:image><image:loc>/i.jpg</image:loc></image:image></url>
<url><loc>http://a.example/2</loc><video:video><video:content_loc>/v.mp4</video:content_loc></video:video></url>
<url><loc>javascript:alert(1)</loc></url></urlset>"""
FOUND = [
    ("page", "http://a.example/1?a=1&b=2"), ("image", "http://a.example/i.jpg"),
    ("page", "http://a.example/2"), ("video", "http://a.example/v.mp4"),
]  # fmt: skip


def read(body: bytes) -> list[tuple[str, str]]:
    return [(entry.kind, entry.url) for entry in read_sitemap(body, BASE)]


def test_pages_with_their_images_and_videos() -> None:
    assert read(URLS) == FOUND
    assert read(gzip.compress(URLS)) == FOUND
    assert read(b"\xef\xbb\xbf" + URLS) == FOUND


def test_an_index_leads_to_sitemaps() -> None:
    body = b"<sitemapindex><sitemap><loc>http://a.example/s1.xml.gz</loc></sitemap></sitemapindex>"
    assert read(body) == [("sitemap", "http://a.example/s1.xml.gz")]


def test_a_text_and_a_feed() -> None:
    assert read(b"http://a.example/1\nnonsense\nHTTP://a.example/2\n") == [
        ("page", "http://a.example/1"), ("page", "http://a.example/2")
    ]  # fmt: skip
    assert read(b"<rss><channel><item><link>http://a.example/3</link></item></channel></rss>") == [
        ("page", "http://a.example/3")
    ]


def test_what_stands_before_the_damage_is_taken() -> None:
    assert read(URLS[: URLS.index(b"<video:video>")])[:2] == FOUND[:2]
    packed = gzip.compress(URLS + b" " * 100_000)
    assert read(packed[: len(packed) // 2])[:1] == FOUND[:1] or read(packed[: len(packed) // 2]) == []
    half = len(URLS) // 2
    members = gzip.compress(URLS[:half]) + gzip.compress(URLS[half:])
    assert read(members) == read(members + b"\0\0junk") == FOUND
    assert read(members[:-6]) == FOUND


_TWO = "<urlset><url><loc>http://a.example/1</loc></url><url><loc>http://a.example/2</loc></url></urlset>"
_HEAD = "<?xml version='1.0' encoding='UTF-8'?>"


@pytest.mark.parametrize(
    "body",
    [
        _TWO,
        _HEAD + _TWO,
        "\n\n  " + _HEAD + _TWO,
        "\ufeff" + _HEAD + _TWO,
        "\ufeff\n" + _TWO,
        "junk " + _TWO + "\n<br>junk & more",
        _TWO + "<!-- 17 ms -->\n<script>x</script>",
        _HEAD + _TWO.replace("<url><loc>http://a.example/1",
            "<url><title>a & b</title><loc>http://a.example/1"),
        _TWO.replace("<loc>", "<loc>\n  <![CDATA[ ").replace("</loc>", " ]]>\n</loc>"),
        _TWO.replace("urlset>", "urlset xmlns='http://x'>").replace("</urlset xmlns='http://x'>", "</urlset>"),
        _TWO.replace("<url>", "<ns:url>").replace("</url>", "</ns:url>").replace("loc>", "ns:loc>"),
        _TWO.upper().replace("HTTP://A.EXAMPLE", "http://a.example"),
        _TWO.replace("</url><url>", "<lastmod>2020</url><priority><url>"),
        _TWO.replace("</urlset>", ""),
        _TWO.replace("</url>", ""),
        _TWO.replace("<url>", "<url><!-- <loc>http://a.example/no</loc> -->"),
        _TWO + _TWO,
        _HEAD + _HEAD + _TWO,
        "<rss><channel><item><title>x & y</title><link>http://a.example/1</link></item>"
        "<item><link>http://a.example/2</link></item></channel></rss>",
        "<feed xmlns='http://www.w3.org/2005/Atom'><link rel=self href='/feed'/>"
        "<entry><link href='http://a.example/1'/></entry>"
        "<entry><link rel='enclosure' href='/x.mp3'/>"
        "<link rel=\"alternate\" type='text/html' href=\"/2\"></link></entry></feed>",
        "http://a.example/1\r\n\r\nhttp://a.example/2\r\n",
        "\ufeffhttp://a.example/1\nhttp://a.example/2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "gzip"])
def test_what_stands_around_the_damage_is_taken(body: str, encoding: str) -> None:
    data = gzip.compress(body.encode()) if encoding == "gzip" else body.encode(encoding)
    found = [entry.url for entry in read_sitemap(data, "http://a.example/s.xml")]
    assert list(dict.fromkeys(found)) == ["http://a.example/1", "http://a.example/2"]


def test_references_are_undone_and_what_is_none_stays() -> None:
    body = b"<urlset><url><loc>/a?b=1&amp;c=2&d=3&#47;&#x2f;&nosuch;&amp;amp;</loc></url></urlset>"
    assert [entry.url for entry in read_sitemap(body, "http://a.example/")] == [
        "http://a.example/a?b=1&c=2&d=3//&nosuch;&amp;"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "windows-1251",
        "iso-8859-1",
        "no-such",
        "utf-16",
        "UTF-16LE",
        "unicode",
        "utf-7",
        "replacement",
        "x-user-defined",
    ],
)
def test_the_charset_that_is_declared(name: str) -> None:
    body = f"<?xml version='1.0' encoding='{name}'?><urlset><url><loc>/x</loc></url></urlset>".encode()
    assert [entry.url for entry in read_sitemap(body, "http://a.example/")] == ["http://a.example/x"]


@pytest.mark.parametrize(
    "unit", ["<", "<a", "<a ", "<!--", "<![CDATA[", "&", "<url><loc>", "<a><", "<link href='", "<?xml "]
)
def test_damage_takes_time_in_proportion(unit: str) -> None:
    began = time.process_time()
    list(read_sitemap(("<urlset>" + unit * (2_000_000 // len(unit))).encode(), "http://a.example/"))
    assert time.process_time() - began < 10


@pytest.mark.parametrize("name", ["punycode", "unicode_escape", "utf-7", "idna"])
def test_codecs_that_the_web_does_not_know_are_not_taken_from_a_declaration(name: str) -> None:
    address = b"/a-\\x41+AGE-"
    body = b"<?xml version='1.0' encoding='%b'?><urlset><url><loc>%b</loc></url></urlset>" % (name.encode(), address)
    plain = body.replace(name.encode(), b"utf-8")
    assert read(body) == read(plain) != []


def test_bombs_are_stopped() -> None:
    with pytest.raises(Drop, match="too_large"):
        read(gzip.compress(bytes(60 << 20), 1))
    entities = b'<!DOCTYPE x [<!ENTITY a "' + b"b" * 1000 + b'">'
    for name, inner in zip(b"cdefgh", b"acdefg", strict=True):
        entities += b'<!ENTITY %c "%b">' % (name, b"&%c;" % inner * 50)
    assert len(read(entities + b"]><urlset><url><loc>http://a.example/&h;</loc></url></urlset>")) == 0


def test_a_sitemap_has_so_many_entries_and_no_more() -> None:
    body = b"".join(b"http://a.example/%d\n" % number for number in range(MAX_ENTRIES + 10))
    assert len(read(body)) == MAX_ENTRIES


@given(st.binary(max_size=200), st.integers(0, len(URLS)))
def test_no_bytes_break_the_reader(noise: bytes, position: int) -> None:
    read(noise)
    read(URLS[:position] + noise + URLS[position:])


def test_deep_long_and_odd_sitemaps_end_early() -> None:
    assert read(b"<a>" * 1_000_000 + b"<url><loc>http://a.example/</loc></url>") == []
    assert read(URLS.replace(b"<url>", b"<url><loc>" + b"x" * 1_000_000 + b"</loc>", 1)) == FOUND
    assert read(b'<?xml version="1.0" encoding="no-such"?><urlset/>') == []
    before = b"<urlset><url><loc>http://a.example/1</loc></url>"
    assert read(before + b"<a>" * 200) == [("page", "http://a.example/1")]


def test_a_sitemap_takes_no_more_memory_than_an_entry() -> None:
    body = b"<urlset>" + b"<a/>" * 1_000_000
    tracemalloc.start()
    assert read(body) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20
