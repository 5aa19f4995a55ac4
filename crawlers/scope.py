"""Which addresses a crawl goes to: their crawl form, what belongs to it, and what looks like a trap."""

import functools
import re
from collections import Counter
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from crawlers.patterns import check_patterns, matches
from schemas.buckets import bucket_of
from schemas.drops import Drop
from schemas.settings import Settings
from schemas.urls import TRACKING_PARAMETERS, host_of, registered_domain

_SESSION_NAMES = frozenset(
    "phpsessid jsessionid aspsessionid sessionid session_id sid cfid cftoken zenid oscsid".split()
)
_SESSION_PATH = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?#;]*|/\(S\([a-z0-9]{20,}\)\)", re.IGNORECASE)
_CALENDAR = re.compile(
    r"(?:^|[/?&;_-])(?:calendar|cal|kalender|events?|tribe-bar-date|eventdate|month|year|week|day|date|from|start)"
    r"(?:[=/_-]|$)",
    re.IGNORECASE,
)
_LONG = 1000  # characters of an address that is not worth remembering
_DIGITS = re.compile(r"\d+")


class ScopeSettings(Settings, frozen=True):
    """Where a crawl goes, from its seeds on. Media are fetched wherever they lie."""

    follow: Literal["host", "domain", "any"] = "domain"
    """Links lead on within the same host, the same registered domain, or anywhere."""
    max_depth: int = 100
    """Links away from a seed."""
    include: tuple[str, ...] = ()
    """Regular expressions of RE2; a page's address must match one of them somewhere. Empty: all do."""
    exclude: tuple[str, ...] = ()
    """Regular expressions of RE2; an address that matches one somewhere is not visited, media included."""
    max_pages_per_host: int = 100_000
    """Addresses of pages that are taken up for one host."""
    max_pages_per_domain: int = 0
    """The same for all hosts of one registered domain; 0: no limit. A line of a file of seeds may say another."""
    max_sitemaps_per_host: int = 10_000
    """Sitemaps that are taken up for one host; indexes that name more and more have no end."""
    max_url_characters: int = 2000
    max_path_segments: int = 20
    max_parameters: int = 12
    max_repeated_segments: int = 3
    """A path in which one segment, or a run of them, occurs more often runs in a circle."""
    max_same_shape: int = 5000
    """Addresses with a query that differ in numbers only, such as `?id=17`, of one host."""
    max_same_calendar: int = 100
    """The same for addresses that speak of dates: calendars go on for ever."""
    revisit: bool = True
    """With `--since`: ask at the end for the pages of earlier crawls that no link leads to any more."""

    def __post_init__(self) -> None:
        check_patterns((*self.include, *self.exclude))


def crawl_url(url: str) -> str:
    """The address that is visited: without session ids and tracking parameters, in path or query."""
    parts = urlsplit(url)
    path = _SESSION_PATH.sub("", parts.path) or "/"
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
        kept = [pair for pair in pairs if not _is_noise(pair[0].lower())]
        if len(kept) < len(pairs):  # else the query stays as it was written, to the letter
            query = urlencode(kept, encoding="latin-1")
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def in_scope(url: str, found_on: str, settings: ScopeSettings) -> bool:
    """Whether a link from one page to another is to be followed."""
    match settings.follow:
        case "any":
            return True
        case "host":
            return host_of(url) == host_of(found_on)
        case "domain":
            return domain_of(url) == domain_of(found_on)


def is_wanted(url: str, is_page: bool, settings: ScopeSettings) -> bool:
    """Whether the patterns of the settings let an address through."""
    if any(matches(pattern, url) for pattern in settings.exclude):
        return False
    return not is_page or not settings.include or any(matches(pattern, url) for pattern in settings.include)


def check_trap(url: str, settings: ScopeSettings) -> None:
    """Judge an address by its form alone. Raises `Drop("trap")`."""
    if len(url) > settings.max_url_characters:
        raise Drop("trap", f"{len(url)} characters")
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    if len(segments) > settings.max_path_segments:
        raise Drop("trap", f"{len(segments)} path segments")
    if parts.query.count("&") >= settings.max_parameters:
        raise Drop("trap", f"{parts.query.count('&') + 1} parameters")
    words = [segment for segment in segments if not segment.isdigit()]
    for segment, count in Counter(words).items():
        if count > settings.max_repeated_segments:
            raise Drop("trap", f"{segment} {count} times in the path")


def shape_limit(url: str, settings: ScopeSettings) -> tuple[str, int]:
    """The form of an address with its numbers left out, and how many of that form a host may have; ("", 0): any."""
    parts = urlsplit(url)
    rest = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not _DIGITS.search(rest):
        return "", 0
    shape = _DIGITS.sub("0", rest)
    if _CALENDAR.search(rest):
        return shape, settings.max_same_calendar
    return (shape, settings.max_same_shape) if parts.query else ("", 0)


def partition_of(url: str, partitions: int) -> int:
    """The partition that an address belongs to: that of its registered domain."""
    return bucket_of(domain_of(url).encode(), max(1, partitions))


def domain_of(url: str) -> str:
    """The registered domain of an address; a spider asks for that of a link a few times in a row."""
    return _domain_of(url) if len(url) < _LONG else registered_domain(host_of(url))


@functools.lru_cache(maxsize=4096)
def _domain_of(url: str) -> str:
    return registered_domain(host_of(url))


def _is_noise(name: str) -> bool:
    return name in TRACKING_PARAMETERS or name in _SESSION_NAMES or name.startswith(("utm_", "aspsessionid"))
