"""Signals by which a page or image asks not to be used, read from headers and meta tags alike.

`X-Robots-Tag` and `<meta name=robots>` share one vocabulary (noindex, and noai and noimageai as DeviantArt introduced
them); `tdm-reservation` is the W3C community group's TDM Reservation Protocol.
"""

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from schemas.documents import Consent
from schemas.hash_lists import HashListSettings
from schemas.settings import Settings
from schemas.signals import SIGNALS, decide

#: weft's name towards servers: in its user agent, and in rules that are addressed to it.
AGENT = "weft"

#: Names by which robots headers and meta tags are addressed to all that gather data for training. No document lists
#: them; they are what sites write.
AGENT_CLASSES = (
    "ai", "aibot", "ai-bot", "ai-bots", "ai-crawler", "ai-crawlers", "ai-training", "genai", "llm", "llms", "tdm",
)  # fmt: skip

#: User agents whose robots rules weft takes as addressed to itself.
AGENTS = frozenset({AGENT, *AGENT_CLASSES})

#: Directives that ask not to be trained on, or not to be kept at all.
REFUSING = ("noai", "noimageai", "none", "noindex", "noimageindex")
#: Signals whose honouring other settings decide.
_OTHERWISE = ("robots", "tdm-reservation")

# Directives that hold a colon of their own; elsewhere a colon ends the name of an agent.
_WITH_VALUE = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
_BEFORE_VALUE = re.compile(rf"({'|'.join(_WITH_VALUE)})\s*+:\s*+")  # `max-image-preview: none` is no `none`
_AN_AGENT = re.compile(r"[\w.-]+")
_BETWEEN = re.compile("[,;]")  # a comma, by every reader's word; sites write the other, too


class ConsentSettings(Settings, frozen=True):
    """Which signals end a page or an image; directives are compared in small letters."""

    page_directives: tuple[str, ...] = REFUSING
    """Robots directives of a page, by header or meta tag, that drop it whole: an interleaved sample needs both text and
    images. `none` means noindex and nofollow."""
    image_directives: tuple[str, ...] = REFUSING
    """Robots directives of an image's own response that drop the image."""
    tdm_reservation: bool = True
    """Honour `tdm-reservation: 1`, also where a policy offers a licence."""
    honour: tuple[str, ...] = tuple(signal for signal in SIGNALS if signal not in _OTHERWISE)
    """Further signals whose refusal drops. What is not named here is recorded all the same."""
    hash_lists: HashListSettings = HashListSettings()
    """What must be kept nowhere, whatever it is and whoever allows it (`hash_listed`)."""
    conditional: Literal["refuse", "pass"] = "refuse"
    """What an allowance under conditions means: an RSL licence that asks for payment, `constrained` of C2PA."""
    require_yes: bool = False
    """Drop pages, images and videos of which nothing says that they may be used (`no_opt_in`). A crawl asks only for
    the absence of a no, since an image may hold its yes."""

    def __post_init__(self) -> None:
        for name in ("page_directives", "image_directives"):
            msgspec.structs.force_setattr(self, name, tuple(word.lower() for word in getattr(self, name)))
        for signal in self.honour:
            if signal not in SIGNALS:
                known = ", ".join(signal for signal in SIGNALS if signal not in _OTHERWISE)
                raise ValueError(f"honour cannot be {signal!r}; it is of {known}")


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
    robots = tuple(dict.fromkeys(first.robots + second.robots))
    signals = tuple(dict.fromkeys(first.signals + second.signals))
    return Consent(robots, reserved, first.tdm_policy or second.tdm_policy, signals)


def refusal(consent: Consent, directives: Iterable[str], tdm: bool) -> str:
    """The signal that refuses use, for the drop's detail; "" if none does."""
    for directive in directives:
        if directive in consent.robots:
            return f"robots: {directive}"
    return "tdm-reservation: 1" if tdm and consent.tdm_reservation else ""


def refusal_by(consent: Consent, directives: Iterable[str], settings: ConsentSettings) -> str:
    """The same by all signals; `directives` are those of robots that refuse this kind of thing."""
    if found := refusal(consent, directives, settings.tdm_reservation):
        return found
    decision = decide(signal for signal in consent.signals if signal.signal in settings.honour)
    is_no = decision.verdict == "no" or (decision.verdict == "conditional" and settings.conditional == "refuse")
    return decision.by.words if is_no and decision.by is not None else ""


def refusing_directives(value: str) -> bool | None:
    """Whether the value of a robots header or meta tag asks not to be used; None where it is not addressed to us."""
    found = _directives(value)
    return not set(REFUSING).isdisjoint(found) if found else None


def _directives(value: str) -> list[str]:
    """Those that speak to us: `otherbot: noindex, nofollow, weft: noai` names whom it addresses before each list."""
    found: list[str] = []
    is_ours = True
    for item in _BETWEEN.split(_BEFORE_VALUE.sub(r"\1:", value.lower())):
        agent, colon, rest = item.partition(":")
        agent = agent.strip()
        if colon and _AN_AGENT.fullmatch(agent) and agent not in _WITH_VALUE:
            is_ours, item = agent in AGENTS, rest
        if is_ours:
            found += item.split()
    return found
