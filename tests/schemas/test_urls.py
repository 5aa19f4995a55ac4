import random
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import urls as urls_module
from schemas.urls import TRACKING_PARAMETERS, canonical_url, host_of, media_key, registered_domain, resolve


@pytest.mark.parametrize(
    ("base", "reference", "url"),
    [
        ("https://a.org/x/y.html", "img/1.jpg", "https://a.org/x/img/1.jpg"),
        ("https://a.org/x/y.html", "../1.jpg", "https://a.org/1.jpg"),
        ("https://a.org/x/y.html", "../../../1.jpg", "https://a.org/1.jpg"),
        ("https://a.org/x/y.html", "/1.jpg?w=3", "https://a.org/1.jpg?w=3"),
        ("https://a.org/x/y.html", "//cdn.b.org/1.jpg", "https://cdn.b.org/1.jpg"),
        ("http://a.org/", "HTTPS://B.ORG:443/C", "https://b.org/C"),
        ("https://a.org/x", "", "https://a.org/x"),
        ("https://a.org/x", "?q", "https://a.org/x?q"),
        ("https://a.org/x", "  /1.jpg\n", "https://a.org/1.jpg"),
        ("https://a.org/x", "/a\tb\n.jpg", "https://a.org/ab.jpg"),
        ("https://a.org/x", r"\img\1.jpg", "https://a.org/img/1.jpg"),
        ("https://a.org/x", "/my photo.jpg", "https://a.org/my%20photo.jpg"),
        ("https://a.org/x", "/hängt.jpg", "https://a.org/h%C3%A4ngt.jpg"),
        ("https://a.org/x", "/already%20encoded.jpg", "https://a.org/already%20encoded.jpg"),
        ("https://a.org/x", "https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://a.org/x", "https://例え.jp/", "https://xn--r8jz45g.jp/"),
        ("https://a.org/x", "/1.jpg#top", "https://a.org/1.jpg"),
        ("https://a.org/x", "#top", "https://a.org/x"),
        ("https://a.org/x", "https://0x7f.1/", "https://127.0.0.1/"),
    ],
)
def test_references_resolve_as_browsers_do(base: str, reference: str, url: str) -> None:
    assert resolve(base, reference) == url


@pytest.mark.parametrize(
    "reference",
    [
        "data:image/png;base64,AAAA",
        "javascript:void(0)",
        "mailto:a@b.org",
        "ftp://a.org/x",
        "https://",
        "https://a b/",
        "http://a.org:99999/",
        "http://[::1",
        "https://a.org\ud800/",
    ],
)
def test_what_is_no_web_address_is_empty(reference: str) -> None:
    assert resolve("https://a.org/", reference) == ""


def test_a_base_that_is_no_address_resolves_nothing() -> None:
    assert resolve("nonsense", "1.jpg") == ""


@pytest.mark.parametrize(
    "same",
    [
        "https://example.org/a?x=1&y=2",
        "http://example.org/a?x=1&y=2",
        "https://www.example.org/a?x=1&y=2",
        "https://EXAMPLE.org:443/a?y=2&x=1",
        "http://www.example.org./a?x=1&y=2",
        "https://example.org.:443/a/?x=1&y=2",
        "http://example.org:80/a/?x=1&y=2",
        "https://example.org/a/index.html?x=1&y=2",
        "https://example.org/a/index.php?x=1&y=2",
        "https://example.org/a?x=1&y=2#section",
        "https://example.org/a?utm_source=n&x=1&utm_campaign=c&y=2",
        *(f"https://example.org/a?{name}=1&x=1&y=2" for name in sorted(TRACKING_PARAMETERS)),
    ],
)
def test_what_does_not_change_the_page_does_not_change_the_canonical_url(same: str) -> None:
    assert canonical_url(same) == "https://example.org/a?x=1&y=2"


@pytest.mark.parametrize(
    "other",
    [
        "https://example.org/A",
        "https://example.org/a/b",
        "https://example.org/a?x=1",
        "https://example.org/a?empty=",
        "https://example.org:8080/a",
        "https://blog.example.org/a",
        "https://example.org/myindex.html",
        "https://example.org/a?utm=1",
    ],
)
def test_what_changes_the_page_changes_the_canonical_url(other: str) -> None:
    assert canonical_url(other) != canonical_url("https://example.org/a")


def test_queries_in_a_legacy_encoding_stay_apart() -> None:
    """Shift JIS and windows-1251 bytes are no UTF-8; pages that differ in them are different pages."""
    assert canonical_url("https://a.jp/?q=%82%A0") != canonical_url("https://a.jp/?q=%82%A2")


@pytest.mark.parametrize("url", ["http://[::1]:8080/a", "http://[2001:db8::1]/", "https://a.org:8080/"])
def test_a_host_keeps_its_form(url: str) -> None:
    assert host_of(canonical_url(url)) == host_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.org:99999/",
        "http://[bad/",
        "http://a.org:x/",
        "",
        "//",
        "dns:a.org",
        "http://a.org/\ud800?\udc80",
    ],
)
def test_a_hostile_address_does_not_stop_the_run(url: str) -> None:
    """`WARC-Target-URI` and `rel=canonical` are whatever somebody wrote there."""
    assert isinstance(canonical_url(url), str)
    assert isinstance(media_key(url), bytes)
    assert isinstance(host_of(url), str)


@pytest.mark.parametrize(
    "expression",
    [
        "'http://a.org' + '/' * 20_000 + 'x'",
        "'http://' + 'www.' * 5_000 + 'a.org/'",
        "'http://a.org' + '/index.html' * 5_000",
    ],
    ids=["slashes", "www", "index files"],
)
def test_a_long_address_does_not_stall_the_run(expression: str) -> None:
    """In a process of its own: a pattern that backtracks without end could not be stopped in this one."""
    program = f"from schemas.urls import canonical_url; canonical_url({expression})"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


_part = st.text(st.sampled_from("aB1-_.~%20é/ +&=;"), max_size=8)
_urls = st.builds(
    "{}://{}{}{}/{}{}{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", "www.", "www.www.", "WWW."]),
    st.sampled_from(["example.org", "Example.co.uk", "xn--bcher-kva.example", "1.2.3.4"]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.lists(_part | st.sampled_from(["index.html", "index.php", "index.htm", "/"]), max_size=3).map("/".join),
    st.sampled_from(["", "?"]),
    st.lists(_part | st.sampled_from(["utm_source=x", "fbclid=1", "b=2", "a=1"]), max_size=3).map("&".join),
)


@given(_urls)
def test_a_canonical_url_is_its_own_canonical_url(url: str) -> None:
    assert canonical_url(canonical_url(url)) == canonical_url(url)


def test_media_are_looked_up_whatever_the_scheme_and_fragment() -> None:
    key = media_key("https://a.org/1.jpg?w=3")
    assert len(key) == 16
    assert media_key("http://a.org/1.jpg?w=3") == key
    assert media_key("https://a.org/1.jpg?w=3#x") == key
    for other in ("https://a.org/1.jpg?w=4", "https://b.org/1.jpg?w=3", "https://a.org/1.JPG?w=3"):
        assert media_key(other) != key


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("news.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("a.b.example.org", "example.org"),
        ("xn--bcher-kva.xn--p1ai", "xn--bcher-kva.xn--p1ai"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("192.168.1.20", "192.168.1.20"),
        ("", ""),
    ],
)
def test_a_registered_domain_is_what_somebody_registered(host: str, domain: str) -> None:
    assert registered_domain(host) == domain


def test_the_public_suffix_list_is_not_fetched() -> None:
    program = """
import sys
def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise SystemExit(f"{event} {args}")
sys.addaudithook(refuse)
from schemas.urls import registered_domain
print(registered_domain("news.example.co.uk"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("example.co.uk\n", "")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://News.Example.org:8080/x", "news.example.org"),
        ("http://u:p@a.org/", "a.org"),
        ("http://[bad/", ""),
        ("https://Bücher.example./x", "xn--bcher-kva.example"),
        ("https://ｎews.ex%61mple.org/", "news.example.org"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("http://[2001:DB8:0::1]/", "2001:db8::1"),
        ("http://a.org\\@b.org/", "a.org"),
        ("http:/a.org", "a.org"),
        ("http://ª.org/", "a.org"),
        ("dns:a.org", ""),
    ],
)
def test_the_host_comes_without_port_and_user(url: str, host: str) -> None:
    assert host_of(url) == host


def test_who_only_reads_records_does_not_wait_for_the_suffix_list() -> None:
    code = "import sys, schemas.kinds; print([name for name in ('tldextract', 'requests') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_addresses_that_need_no_parser_are_read_as_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    hosts = ["a.example", "www.a.example", "A.example", "www.", "a_b.example", "1.2.3.4", "127.1", "0x7f.1", "[::1]"]
    parts = [*hosts, ":80", ":8080", ":", "/", "//", "/a/b", "/index.html", "?a=1&b=2", "?", "#", "\\", "@", "u@", " ",
             "\t", "%41", "..", ".", "é", ";p", "~x", "\n", "xn--bcher-kva.example", "bücher.example"]  # fmt: skip
    urls = [
        draw.choice(("http://", "https://")) + "".join(draw.choice(parts) for _ in range(draw.randrange(1, 6)))
        for _ in range(5000)
    ]
    quick = [(host_of(url), canonical_url(url)) for url in urls]
    for name in ("_PLAIN_HOST", "_PLAIN_PATH"):
        monkeypatch.setattr(urls_module, name, re.compile("(?!)"))
    assert [(host_of(url), canonical_url(url)) for url in urls] == quick
