"""Pages and images that ask not to be used are left alone."""

import re

from schemas.consent import AGENTS, ConsentSettings, read_consent, refusal_by
from schemas.documents import Consent
from schemas.drops import Drop
from schemas.response_signals import header_signals
from schemas.signals import Signal, decide

#: A page whose markup speaks of its use has one of these in it; agents by their names.
_SIGNS = re.compile(rb"robots|tdm-|rsl\+xml|name\s{0,9}=\s{0,9}[\"']?\s{0,9}(?:" + "|".join(AGENTS).encode() + rb")\b")


def may_state_consent(html: bytes) -> bool:
    """Whether markup may say something about its use: a quick look, for pages that are dropped anyway."""
    return bool(_SIGNS.search(html.lower()))


def refuse_opt_out(consent: Consent, settings: ConsentSettings = ConsentSettings()) -> None:
    """Raises `Drop("opt_out")` with the signal that refuses, from a page's site, header or markup; `no_opt_in`."""
    if words := refusal_by(consent, settings.page_directives, settings):
        raise Drop("opt_out", words)
    _ask_for_yes(consent.signals, settings)


def honour_image_consent(
    headers: dict[str, str],
    settings: ConsentSettings = ConsentSettings(),
    url: str = "",
    time: str = "",
    others: tuple[Signal, ...] = (),
) -> tuple[Signal, ...]:
    """The same for an image or video, by the headers (names in lower case) it was served with.

    `others` is what its site says, and what stands in itself. Returns all signals.
    """
    robots, tdm = headers.get("x-robots-tag", "").split("\n"), headers.get("tdm-reservation", "")
    own = read_consent(robots, tdm)
    signals = others + header_signals(headers, url, time)
    consent = Consent(own.robots, own.tdm_reservation, own.tdm_policy, signals)
    if words := refusal_by(consent, settings.image_directives, settings):
        raise Drop("opt_out", words)
    _ask_for_yes(signals, settings)
    return signals


def _ask_for_yes(signals: tuple[Signal, ...], settings: ConsentSettings) -> None:
    if settings.require_yes and decide(signals).verdict != "yes":
        raise Drop("no_opt_in")
