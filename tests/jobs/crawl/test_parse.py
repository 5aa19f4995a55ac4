import pytest

from crawlers.sitemaps import Sitemap
from jobs.crawl.parse import read_document
from jobs.engine.isolation import IsolatedPool, IsolationSettings
from schemas.drops import Drop
from schemas.links import PageSource


@pytest.mark.parametrize(
    "html",
    [
        b"<div>" * 200_000,
        b"<a href=x>" + b"<b><i>" * 100_000,
        b"<a href=x " + b"x=1 " * 100_000 + b">",
    ],
    ids=["nested", "formatting", "attributes"],
)
def test_a_crawl_parses_nothing_that_a_build_refuses(html: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.page.links.LexborHTMLParser", lambda _: pytest.fail("was parsed"))
    with pytest.raises(Drop, match="hostile_html"):
        read_document(PageSource("http://a.example/", html))


def test_pages_and_sitemaps_are_read_in_the_same_children() -> None:
    pool = IsolatedPool(read_document, IsolationSettings(), 2)
    try:
        assert pool(PageSource("http://a.example/", b"<a href=x>")).pages == ("http://a.example/x",)
        [entry] = pool(Sitemap("http://a.example/s.xml", b"<urlset><url><loc>/y</loc></url></urlset>"))
        assert entry.url == "http://a.example/y"
        with pytest.raises(Drop, match="hostile_html"):
            pool(PageSource("http://a.example/", b"<div>" * 200_000))
    finally:
        pool.close()
