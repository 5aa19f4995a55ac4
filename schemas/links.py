"""What is handed to whoever reads the markup of a crawled page, and what a crawl gets back."""

import re

import msgspec

from schemas.response_signals import Statements
from schemas.urls import resolve

_REFRESH = re.compile(r"\s*+[0-9.]*+\s*+[;,]?+\s*+(?:url\s*+=)?+\s*+[\"']?+([^\"'\s]++)", re.IGNORECASE)


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
    match = _REFRESH.fullmatch(value.strip()[:4096].rstrip("\"'"))
    return resolve(base, match[1]) if match and not match[1].replace(".", "").isdigit() else ""
