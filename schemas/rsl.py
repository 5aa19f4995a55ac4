"""Really Simple Licensing 1.0 (rslstandard.org/rsl, 6 November 2025): what a licence document says about training.

A document has `<content url=...>` elements, each with licences that are alternatives to one another. What an address
may be used for says the content whose pattern matches it longest. Namespaces are not insisted on: many leave them out.
"""

import re
from urllib.parse import urljoin

import msgspec

from schemas.path_patterns import PathPattern, path_of, read_patterns
from schemas.safe_xml import BadXml, walk
from schemas.signals import Verdict, most_restrictive
from schemas.urls import host_of

#: Of a document; RFC 9309 asks no more of a robots.txt, which says as much.
MAX_RSL_BYTES = 512 << 10
_MAX_CONTENTS = 5_000
#: Usages that training is, or is part of. `train-ai` is how RSL's own guide writes it.
_TRAINING = frozenset(("ai-train", "train-ai", "ai-all", "all"))
_FREE = frozenset(("free", "attribution"))  # an attribution is what the provenance of a sample is
_ITEMS = re.compile(r"[\s,]+")


class Terms(msgspec.Struct, frozen=True):
    """The licences of one content. `url` is an absolute address or a path, with the wildcards of robots.txt."""

    url: str
    verdict: Verdict


class _Licence:
    """One licence while it is read."""

    def __init__(self) -> None:
        self.permits: dict[str, set[str]] = {}
        self.prohibits: dict[str, set[str]] = {}
        self.payments: set[str] = set()
        self.has_duties = False  # of reporting

    def verdict(self, needs_token: bool) -> Verdict:
        if not _TRAINING.isdisjoint(self.prohibits.get("usage", ())):
            return "no"
        permitted = self.permits.get("usage")
        if permitted is not None and _TRAINING.isdisjoint(permitted):
            return "no"
        is_for_all = not (self.permits.keys() | self.prohibits.keys()) - {"usage"}
        is_free = self.payments <= _FREE and not self.has_duties
        return "yes" if is_for_all and is_free and not needs_token else "conditional"


class _Reader:
    """Collects the terms of a document from its elements."""

    def __init__(self, base: str) -> None:
        self.found: list[Terms] = []
        self.is_rsl = False
        self._base = base
        self._url, self._needs_token = "", False
        self._licences: list[_Licence] | None = None
        self._rule: tuple[dict[str, set[str]], str] | None = None
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        named = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        match name.rpartition(" ")[2]:
            case "rsl":
                self.is_rsl = True
            case "content":
                self.is_rsl = self.is_rsl or "rslstandard.org" in name  # in a feed there is no <rsl>
                self._url, self._needs_token = named.get("url", "").strip(), bool(named.get("server", "").strip())
                self._licences = []
            case "license" if self._licences is not None:
                self._licences.append(_Licence())
            case "payment" if self._licences:
                self._licences[-1].payments.add(named.get("type", "").strip().lower())
            case "reporting" if self._licences:
                self._licences[-1].has_duties = True
            case "permits" | "prohibits" as kind if self._licences:
                rules = self._licences[-1].permits if kind == "permits" else self._licences[-1].prohibits
                self._rule, self._text = (rules, named.get("type", "usage").strip().lower()), []

    def text(self, text: str) -> None:
        if self._rule is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        if local in ("permits", "prohibits") and self._rule is not None:
            rules, kind = self._rule
            rules.setdefault(kind, set()).update(filter(None, _ITEMS.split("".join(self._text).lower())))
            self._rule = None
        elif local == "content" and self._licences is not None:
            if len(self.found) < _MAX_CONTENTS and self.is_rsl:
                self.found.append(Terms(_absolute(self._base, self._url), self._verdict()))
            self._licences = None

    def _verdict(self) -> Verdict:
        """Of licences that are alternatives: a prohibition in one of them stands, else the best of them."""
        verdicts = {licence.verdict(self._needs_token) for licence in self._licences or ()}
        if any(not _TRAINING.isdisjoint(one.prohibits.get("usage", ())) for one in self._licences or ()):
            return "no"
        return next((v for v in ("yes", "conditional", "no") if v in verdicts), "unknown")


def read_rsl(document: bytes, base: str) -> tuple[Terms, ...]:
    """The terms of a document that was found at, or in, `base`. None where it is too long, no XML, or no RSL."""
    if len(document) > MAX_RSL_BYTES:
        return ()
    reader = _Reader(base)
    try:
        walk(document.strip(), reader.start, reader.text, reader.end)
    except BadXml:
        return ()
    return tuple(reader.found)


def verdict_on(terms: tuple[Terms, ...], url: str) -> Verdict:
    """What terms say of an address; unknown where none covers it. Equal patterns: the most restrictive."""
    path, host = path_of(url), host_of(url)
    best: list[Verdict] = []
    longest = -1
    for one in terms:
        if host_of(one.url) != host:
            continue
        for pattern in _patterns(one.url):
            if pattern.length >= longest and pattern.matches(path):
                best = [*best, one.verdict] if pattern.length == longest else [one.verdict]
                longest = pattern.length
    return most_restrictive(best)


def _patterns(url: str) -> tuple[PathPattern, ...]:
    rest = url.partition("://")[2]
    slash = rest.find("/")
    return read_patterns(rest[slash:] if slash >= 0 else "/")


def _absolute(base: str, url: str) -> str:
    """`*` and `$` stand as they are."""
    if url.startswith(("http://", "https://")):
        return url
    try:
        return urljoin(base, url) if url else base
    except ValueError:
        return base
