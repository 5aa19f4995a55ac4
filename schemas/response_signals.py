"""Signals of a response: of its headers, for pages, images, videos and subtitles alike, and of a page's markup."""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from schemas.consent import AGENTS, refusing_directives
from schemas.preferences import content_signal, content_usage
from schemas.rsl import read_rsl, verdict_on
from schemas.signals import Signal, bounded, said
from schemas.urls import resolve

#: Names of robots meta tags that speak to weft.
ROBOTS_NAMES = frozenset({"robots", *AGENTS})
RSL_TYPE = "application/rsl+xml"
_MAX_LICENCES = 4
# One link of a Link header: its target, then parameters up to the comma that is in no quotes.
_LINK = re.compile(r"<([^<>]*+)>((?:[^,\"<]|\"[^\"]*+(?:\"|\Z))*+)")
_PARAMETER = re.compile(r";\s*+(rel|type)\s*+=\s*+(?:\"([^\"]*+)\"|([^\s;,\"]++))", re.IGNORECASE)
_LONGEST_LINK = 16_384


class Statements(msgspec.Struct, frozen=True):
    """What a page's markup states about its use."""

    robots: tuple[tuple[str, str], ...] = ()  # name and content of meta tags that speak to weft
    tdm_reservation: str = ""
    tdm_policy: str = ""
    licences: tuple[str, ...] = ()  # absolute addresses of RSL documents
    documents: tuple[str, ...] = ()  # RSL documents in <script>


def header_signals(headers: Mapping[str, str], url: str, time: str = "") -> tuple[Signal, ...]:
    """Of headers as `join_headers` makes them. A licence that they name is unknown until somebody has read it."""
    return bounded(_of_headers(headers, url, time))


def _of_headers(headers: Mapping[str, str], url: str, time: str) -> Iterator[Signal]:
    if "content-usage" in headers:
        words = headers["content-usage"]
        yield said("content-usage", "header Content-Usage", words, content_usage(words), time)
    if "content-signal" in headers:
        words = headers["content-signal"]
        yield said("content-signal", "header Content-Signal", words, content_signal(words), time)
    for value in headers["x-robots-tag"].split("\n") if "x-robots-tag" in headers else ():
        yield from _robots(value, "header X-Robots-Tag", time)
    yield from _tdm(headers.get("tdm-reservation", ""), headers.get("tdm-policy", ""), "header tdm-reservation", time)
    for licence in linked_licences(headers, url):
        yield said("rsl", "header Link", licence, "unknown", time)


def linked_licences(headers: Mapping[str, str], url: str) -> list[str]:
    """Absolute addresses of the RSL documents that a `Link` header names."""
    found = []
    for target, written in _LINK.findall(headers.get("link", "")[:_LONGEST_LINK]):
        parameters = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(written)}
        is_rsl = parameters.get("type", "").partition(";")[0].strip().lower() == RSL_TYPE
        if is_rsl and "license" in parameters.get("rel", "").lower().split() and (address := resolve(url, target)):
            found.append(address)
    return list(dict.fromkeys(found))[:_MAX_LICENCES]


def markup_signals(stated: Statements, url: str, time: str = "") -> tuple[Signal, ...]:
    """Of what the markup of the page at `url` states."""
    return bounded(_of_markup(stated, url, time))


def _of_markup(stated: Statements, url: str, time: str) -> Iterator[Signal]:
    for name, content in stated.robots:
        yield from _robots(content, f"meta {name}", time)
    yield from _tdm(stated.tdm_reservation, stated.tdm_policy, "meta tdm-reservation", time)
    for licence in stated.licences[:_MAX_LICENCES]:
        yield said("rsl", "link rel=license", licence, "unknown", time)
    for document in stated.documents[:_MAX_LICENCES]:
        verdict = verdict_on(read_rsl(document.encode("utf-8", "replace"), url), url)
        yield said("rsl", f"script {RSL_TYPE}", f"training: {verdict}", verdict, time)


def _robots(value: str, origin: str, time: str) -> Iterable[Signal]:
    refuses = refusing_directives(value)
    return () if refuses is None else (said("robots", origin, value, "no" if refuses else "unknown", time),)


def _tdm(reservation: str, policy: str, origin: str, time: str) -> Iterator[Signal]:
    stated = {value.strip() for value in reservation.split(",")}
    if "1" in stated or "0" in stated:
        words = ", ".join(filter(None, (reservation.strip(), policy.strip())))
        yield said("tdm-reservation", origin, words, "no" if "1" in stated else "yes", time)
