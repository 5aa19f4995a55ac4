"""Signals by which a page or image asks not to be used, read from headers and meta tags alike.

`X-Robots-Tag` and `<meta name=robots>` share one vocabulary (noindex, and noai and noimageai as DeviantArt introduced
them); `tdm-reservation` is the W3C community group's TDM Reservation Protocol.
"""

import re
from collections.abc import Iterable

from schemas.documents import Consent
from schemas.settings import Settings

#: weft's name towards servers: in its user agent, and in rules that are addressed to it.
AGENT = "weft"

#: User agents whose robots rules weft takes as addressed to itself.
AGENTS = frozenset({AGENT})

# Directives that hold a colon of their own; elsewhere a colon ends the name of an agent.
_WITH_VALUE = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
_BEFORE_VALUE = re.compile(rf"({'|'.join(_WITH_VALUE)})\s*+:\s*+")  # `max-image-preview: none` is no `none`


class ConsentSettings(Settings, frozen=True):
    """Which signals end a page or an image."""

    page_directives: tuple[str, ...] = ("noai", "noimageai", "none", "noindex", "noimageindex")
    """Robots directives of a page, by header or meta tag, that drop it whole: an interleaved sample needs both text and
    images. `none` means noindex and nofollow."""
    image_directives: tuple[str, ...] = ("noai", "noimageai", "none", "noindex", "noimageindex")
    """Robots directives of an image's own response that drop the image."""
    tdm_reservation: bool = True
    """Honour `tdm-reservation: 1`, also where a policy offers a licence."""
    content_signals: bool = True
    """Honour `Content-Signal: ai-train=no` and `Content-Usage: train-ai=n` in robots.txt."""


def read_consent(robots: Iterable[str], tdm_reservation: str = "", tdm_policy: str = "") -> Consent:
    """Signals from the values of robots headers or meta tags, and of the TDM header or meta tag."""
    directives = tuple(dict.fromkeys(word for value in robots for word in _directives(value)))
    stated = {value.strip() for value in tdm_reservation.split(",")}  # a repeated header comes joined by commas
    reserved = True if "1" in stated else False if "0" in stated else None
    return Consent(directives, reserved, tdm_policy.strip())


def merge_consent(first: Consent, second: Consent) -> Consent:
    """Both sets of signals; a reservation in either place stands."""
    reservations = {first.tdm_reservation, second.tdm_reservation}
    reserved = True if True in reservations else False if False in reservations else None
    return Consent(tuple(dict.fromkeys(first.robots + second.robots)), reserved, first.tdm_policy or second.tdm_policy)


def refusal(consent: Consent, directives: Iterable[str], tdm: bool) -> str:
    """The signal that refuses use, for the drop's detail; "" if none does."""
    for directive in directives:
        if directive in consent.robots:
            return f"robots: {directive}"
    return "tdm-reservation: 1" if tdm and consent.tdm_reservation else ""


def _directives(value: str) -> list[str]:
    """`otherbot: noindex, nofollow` is addressed to another agent and says nothing to us."""
    agent, colon, rest = value.partition(":")
    agent = agent.strip().lower()
    if colon and re.fullmatch(r"[\w.-]+", agent) and agent not in _WITH_VALUE:
        if agent not in AGENTS:
            return []
        value = rest
    joined = _BEFORE_VALUE.sub(r"\1:", value.strip().lower())
    return [word for word in re.split(r"[,\s]+", joined) if word]
