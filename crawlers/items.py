"""What a frontier holds: addresses to visit, and visits that were begun."""

import msgspec

from schemas.urls import canonical_url, media_key

QUEUED, IN_FLIGHT, DONE, DROPPED = range(4)
#: The column of items that tables have which say what is wanted, in the bucket of the partition of its host.
ASKED = "item"


class Item(msgspec.Struct, frozen=True, array_like=True):
    """An address to visit."""

    url: str
    kind: str  # page, image, video or sitemap
    depth: int = 0  # links away from a seed; media have that of their page
    redirects: int = 0  # that led here
    fallbacks: tuple[str, ...] = ()  # other addresses of the same image or video
    found_on: str = ""
    via: tuple[str, ...] = ()  # of an image or video: the addresses that redirected here
    most_pages: int = 0  # of a seed: so many of its domain may be taken; 0: as the settings say
    language: str = ""  # that the page declares on which it was found
    score: float = 0.0  # those with more come first

    @property
    def key(self) -> bytes:
        """Equal for addresses that are visited once: pages by their canonical form, media to the letter."""
        return media_key(canonical_url(self.url) if self.kind == "page" else self.url) + self.kind[:1].encode()


class Visit(msgspec.Struct, frozen=True):
    """An item taken from the queue."""

    id: int
    item: Item
    tries: int
