"""Pages and images that ask not to be used are left alone."""

from schemas.consent import ConsentSettings, read_consent, refusal
from schemas.documents import Consent, Draft
from schemas.drops import Drop


def honour_consent(draft: Draft, settings: ConsentSettings = ConsentSettings()) -> Draft:
    """Raises `Drop("opt_out")` with the signal that refuses, from the page's header or markup."""
    refuse_opt_out(draft.consent, settings)
    return draft


def refuse_opt_out(consent: Consent, settings: ConsentSettings) -> None:
    """Raises `Drop("opt_out")` for the signals of a page."""
    if signal := refusal(consent, settings.page_directives, settings.tdm_reservation):
        raise Drop("opt_out", signal)


def honour_image_consent(headers: dict[str, str], settings: ConsentSettings = ConsentSettings()) -> None:
    """The same for an image, by the headers (names in lower case) it was served with."""
    consent = read_consent(headers.get("x-robots-tag", "").split("\n"), headers.get("tdm-reservation", ""))
    if signal := refusal(consent, settings.image_directives, settings.tdm_reservation):
        raise Drop("opt_out", signal)
