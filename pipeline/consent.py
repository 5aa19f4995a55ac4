"""Pages and images that ask not to be used are left alone."""

from schemas.consent import AGENTS, ConsentSettings, read_consent, refusal
from schemas.documents import Consent
from schemas.drops import Drop

#: A page whose markup speaks of its use has one of these in it; agents by their names.
_SIGNS = tuple(sign.encode() for sign in ("robots", "tdm-", *AGENTS))


def may_state_consent(html: bytes) -> bool:
    """Whether markup may say something about its use: a quick look, for pages that are dropped anyway."""
    lowered = html.lower()
    return any(sign in lowered for sign in _SIGNS)


def refuse_opt_out(consent: Consent, settings: ConsentSettings = ConsentSettings()) -> None:
    """Raises `Drop("opt_out")` with the signal that refuses, from a page's header or markup."""
    if signal := refusal(consent, settings.page_directives, settings.tdm_reservation):
        raise Drop("opt_out", signal)


def honour_image_consent(headers: dict[str, str], settings: ConsentSettings = ConsentSettings()) -> None:
    """The same for an image, by the headers (names in lower case) it was served with."""
    consent = read_consent(headers.get("x-robots-tag", "").split("\n"), headers.get("tdm-reservation", ""))
    if signal := refusal(consent, settings.image_directives, settings.tdm_reservation):
        raise Drop("opt_out", signal)
