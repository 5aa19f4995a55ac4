"""Pages and images that their address alone rules out."""

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

import msgspec

from pipeline.text.tokens import tokens
from pipeline.text.words import word_list
from schemas.documents import Page
from schemas.drops import Drop
from schemas.settings import Settings, SettingsError
from schemas.urls import host_named, host_of


class UrlRules(Settings, frozen=True):
    """Block lists for addresses."""

    blocked_words: str = "url_blocked"
    """A list that ships with weft, or a file of words; they match whole tokens of host and path, so that `sex` leaves
    essex alone. "" turns the rule off."""
    blocked_domains: tuple[str, ...] = ()
    """Hosts to refuse, with everything below them."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "blocked_domains", hosts_of("blocked_domains", self.blocked_domains))


def hosts_of(setting: str, domains: Iterable[str]) -> tuple[str, ...]:
    """Domains of a setting without a scheme. Raises `ValueError` for one with a path, which would match nothing or, for
    a page, its whole host."""
    domains = tuple(domains)
    for domain in domains:
        if "/" in domain.partition("://")[2 if "://" in domain else 0].strip("/"):
            raise ValueError(f"{setting} has {domain!r}; hosts are wanted, such as example.org, without a path")
    return tuple(host_of(domain) if "://" in domain else domain for domain in domains)


def check_blocked_words(rules: UrlRules) -> None:
    """Raises `SettingsError`, in one line, for a list of words that cannot be read."""
    try:
        word_list(rules.blocked_words or "url_blocked")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or error
        raise SettingsError(f"url.blocked_words: cannot read {rules.blocked_words}: {why}") from None


def refuse_url(page: Page, rules: UrlRules = UrlRules()) -> Page:
    """Raises `Drop("url_blocked")`, naming what matched."""
    if matched := blocked(page.url, rules):
        raise Drop("url_blocked", matched)
    return page


def blocked(url: str, rules: UrlRules) -> str:
    """The word or domain that rules an address out; "" if none does."""
    host = host_of(url)
    if domain := in_domains(host, rules.blocked_domains):
        return domain
    if not rules.blocked_words:
        return ""
    try:
        path = urlsplit(url).path
    except ValueError:  # no browser could open it either
        return ""
    found = word_list(rules.blocked_words) & (tokens(host) | tokens(unquote(path)))
    return min(found, default="")


def in_domains(host: str, domains: Iterable[str]) -> str:
    """The first of the domains that a host is or stands below, however that is written; "" if none."""
    return next((domain for domain in domains if f".{host}".endswith(f".{host_named(domain)}")), "")
