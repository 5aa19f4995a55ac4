"""What the parser processes of a crawl do: find where a document leads, and whether a list knows a picture's look."""

import msgspec
import numpy as np

from crawlers.sitemaps import Sitemap, SitemapEntry, entries_of
from pipeline.page.links import find_links
from schemas.drops import Drop
from schemas.hash_lists import HashListSettings, refuse_listed_look
from schemas.images import on_white, open_image
from schemas.links import PageLinks, PageSource

_SIDE = 512  # pixels; PDQ looks at 64
_MAX_PIXELS = 64_000_000


class Picture(msgspec.Struct, frozen=True):
    """An image as it was sent, and the lists to look it up in."""

    body: bytes
    lists: HashListSettings


def refuse_picture(picture: Picture) -> None:
    """Raises `Drop("hash_listed")`. What cannot be decoded has no look, here or in a build."""
    try:
        image = open_image(picture.body)
        if image.width * image.height > _MAX_PIXELS:
            return
        image.draft("RGB", (_SIDE, _SIDE))
        image.thumbnail((_SIDE, _SIDE))
        pixels_HW3 = np.asarray(on_white(image))
    except (Drop, OSError, ValueError, SyntaxError):
        return
    refuse_listed_look(pixels_HW3, picture.lists)


def read_document(document: PageSource | Sitemap | Picture) -> PageLinks | list[SitemapEntry] | None:
    """Raises `Drop`: hostile_html; of sitemaps too_large; of pictures hash_listed."""
    if isinstance(document, Picture):
        refuse_picture(document)
        return None
    return find_links(document) if isinstance(document, PageSource) else entries_of(document)
