"""What is handed to whoever reads the markup of a crawled page, and what a crawl gets back."""

import re

import msgspec

from schemas.response_signals import Statements
from schemas.urls import resolve

# A time, and `url=` or not; `url=` alone, too, as servers write it.
_REFRESH = re.compile(r"[0-9.]++\s*+[;,]?+\s*+(?:url\s*+=\s*+)?+|[;,]?+\s*+url\s*+=\s*+", re.IGNORECASE)


class PageSource(msgspec.Struct, frozen=True):
    """A page as it was sent, the encodings of HTTP undone."""

    url: str
    html: bytes
    charset: str = ""  # by the HTTP header


class PageLinks(msgspec.Struct, frozen=True):
    """Where a page leads, as absolute addresses, each once, in the order of the page."""

    pages: tuple[str, ...] = ()
    images: tuple[tuple[str, ...], ...] = ()  # of each image its candidates, the one to try first at the front
    videos: tuple[tuple[str, ...], ...] = ()  # and their subtitle tracks
    refresh: str = ""  # the page that browsers go on to
    cut: int = 0  # so many of these were left out: there were too many
    robots: tuple[str, ...] = ()  # contents of <meta name=robots> and of <meta name=weft>
    tdm_reservation: str = ""
    tdm_policy: str = ""
    stated: Statements = Statements()  # all that it says about its use
    language: str = ""  # that its root declares


def refresh_target(value: str, base: str) -> str:
    """Where a `Refresh` leads, of a header or meta tag: `5; url=/next`. "" if it only loads the page again."""
    value = value.strip()[:4096]
    if (before := _REFRESH.match(value)) is None:
        return ""
    target = value[before.end() :]
    if target[:1] in ("'", '"'):
        target = target[1:].partition(target[0])[0]
    target = target.strip().rstrip("\"'")
    return resolve(base, target) if target else ""
