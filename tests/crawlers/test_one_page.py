import pytest

from crawlers.one_page import fetch_page
from crawlers.pages import page_of
from pipeline.page.extract import extract_page
from schemas.drops import Drop
from tests.crawlers.servers import Reply, WebServer, page


def refused(url: str) -> str:
    with pytest.raises(Drop) as caught:
        fetch_page(url)
    return caught.value.reason


@pytest.fixture
def server():
    robots = Reply(b"User-agent: *\nDisallow: /closed\n", "text/plain")
    routes = {
        "/robots.txt": robots,
        "/": Reply(page("/a", head="<meta charset=utf-8>"), headers=(("X-Robots-Tag", "noai"),)),
        "/latin": Reply("<p>caf\u00e9".encode("latin-1"), "text/html; charset=ISO-8859-1"),
        "/moved": Reply(status=302, headers=(("Location", "/"),)),
        "/closed": Reply(page()),
        "/picture": Reply(b"\x89PNG\r\n\x1a\n", "image/png"),
        "/round": Reply(status=301, headers=(("Location", "/round"),)),
        "/inside": Reply(status=302, headers=(("Location", "http://10.0.0.1/"),)),
    }
    with WebServer(routes) as started:
        yield started


def test_a_page_comes_with_its_headers_from_where_it_was_found(server):
    base = f"http://127.0.0.1:{server.port}"
    found = fetch_page(f"{base}/moved")
    assert found.url == f"{base}/"
    assert b"A page" in found.html
    assert found.robots_header == ("noai",)
    assert found.fetch_time.endswith("Z")
    assert fetch_page(f"{base}/latin").charset == "ISO-8859-1"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("closed", "robots"),
        ("missing", "http_status"),
        ("picture", "unsupported_type"),
        ("round", "too_many_redirects"),
        ("inside", "blocked_address"),
    ],
)
def test_what_a_crawl_would_not_take_is_refused_by_its_reason(server, path, reason):
    assert refused(f"http://127.0.0.1:{server.port}/{path}") == reason


def test_what_is_no_address_is_refused():
    assert refused("http://[bad/") == "bad_address"


def test_in_xhtml_a_script_may_be_closed_where_it_opens():
    """In HTML it may not: browsers take all that follows for its text, and so do we."""
    html = b"<html xmlns='http://www.w3.org/1999/xhtml'><head><script src='a.js' /><SCRIPT/></head><body><p>Walls</p>"
    typed = {"content-type": "application/xhtml+xml; charset=utf-8"}
    assert [block.text for block in extract_page(page_of("https://site.example/", typed, html)).texts] == ["Walls"]
    with pytest.raises(Drop, match="no_text"):
        extract_page(page_of("https://site.example/", {"content-type": "text/html"}, html))
