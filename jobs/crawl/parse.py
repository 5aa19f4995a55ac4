"""What the parser processes of a crawl do: refuse what a build refuses, and find where a document leads."""

from crawlers.links import Markup, PageLinks, find_links
from crawlers.sitemaps import Sitemap, SitemapEntry, entries_of
from pipeline.page.hostile import refuse_hostile


def read_page(page: Markup) -> PageLinks:
    """Raises `Drop("hostile_html")` before anything is parsed."""
    refuse_hostile(page.html)
    return find_links(page)


def read_document(document: Markup | Sitemap) -> PageLinks | list[SitemapEntry]:
    """Raises `Drop`: hostile_html; of sitemaps too_large."""
    if isinstance(document, Markup):
        return read_page(document)
    return entries_of(document)
