"""What the parser processes of a crawl do: find where a document leads."""

from crawlers.sitemaps import Sitemap, SitemapEntry, entries_of
from pipeline.page.links import find_links
from schemas.links import PageLinks, PageSource


def read_document(document: PageSource | Sitemap) -> PageLinks | list[SitemapEntry]:
    """Raises `Drop`: hostile_html; of sitemaps too_large."""
    return find_links(document) if isinstance(document, PageSource) else entries_of(document)
