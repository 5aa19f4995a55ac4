"""The list of what must not be used, by address, domain or hash: never fetched, never kept, removed where it is."""

import logging
import re
from collections.abc import Iterable

import ada_url

from schemas.denied_hashes import DeniedHashes
from schemas.domain_lists import entries
from schemas.storage import Store
from schemas.urls import canonical_url, comparable_url, host_named, host_of

#: The list that an output honours, in its root; one entry a line.
DENY_LIST = "deny.txt"

logger = logging.getLogger(__name__)

_NAMES_SOMETHING = re.compile(r"\w")
_SCHEME = re.compile(r"https?:[/\\]*", re.IGNORECASE)
_HOST_ALONE = re.compile(r"https?:[/\\]*[^/\\?#]*", re.IGNORECASE)
#: A name or an IP address, with a standard port or none; all below a name may be written `*.name`.
_DOMAIN = re.compile(r"(?:\*\.)?(?:[^:/\\?#*]+(?::(?:80|443))?|[0-9a-fA-F.]*:[0-9a-fA-F:.]*|\[[^\]]*\])/?")
_PORT_AT_END = re.compile(r":\d+/?$")
_WWW = re.compile(r"^(?:www\.)+")


class DenyList:
    """Addresses, and domains with all below them.

    A line is an address (`https://a.example/page`) or a domain (`b.example`); empty lines and lines that start with #
    say nothing. However an address is spelt, it is the same (`comparable_url`), and http, `www.` and tracking
    parameters do not hide one; a line that ends in `*` denies every address that begins so. The scheme may be left out.
    Hosts files, filters of ad blockers and CSV are read, too: see `schemas.domain_lists`. Hashes of images and videos
    are `sha256:`, `phash:` and `pdq:` with hex digits behind: see `schemas.denied_hashes`. Raises `SettingsError`.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._urls: dict[str, str] = {}  # what is compared, and the line that says so
        self._hosts: dict[str, str] = {}
        self._domains: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        self._host_prefixes: dict[str, str] = {}
        self.hashes = DeniedHashes()
        self.lines = sorted({self.hashes.written(line) for line in entries(lines) if line})
        for line in self.lines:
            if not self.hashes.read(line):
                self._read(line)
        self._beginnings = tuple(self._prefixes), tuple(self._host_prefixes)

    def _read(self, entry: str) -> None:
        line = entry
        if "://" not in line and not _SCHEME.match(line):
            if _DOMAIN.fullmatch(line):
                name = host_named(line)
                self._domains.setdefault(name, entry)
                self._hosts.setdefault(_WWW.sub("", name), entry)  # the site of that name, not what may lie below it
                return
            line = f"https:{line}" if line.startswith(("/", "\\")) else f"https://{line}"
            if _PORT_AT_END.search(line):
                line += "/*"
        if not line.endswith("*"):
            self._urls.setdefault(canonical_url(comparable_url(line)), entry)
        elif _HOST_ALONE.fullmatch(beginning := line.rstrip("*")):
            self._host_prefixes.setdefault(_WWW.sub("", _SCHEME.sub("", beginning).lower()), entry)
        else:
            # With a letter behind, so that a beginning such as `/.` is no segment that goes.
            self._prefixes.setdefault(_bare(comparable_url(beginning + "x"))[:-1], entry)

    def denies(self, url: str) -> bool:
        return bool(self.entry(url))

    def entry(self, url: str) -> str:
        """The line that denies an address; "" if none does."""
        if not self.lines:
            return ""
        if self._domains:
            host = host_of(url)
            found = self._hosts.get(host) or next(filter(None, map(self._domains.get, _with_parents(host))), None)
            if found:
                return found
        if not self._urls and not self._prefixes and not self._host_prefixes:
            return ""
        comparable = comparable_url(url)
        canonical = canonical_url(comparable)
        if found := self._urls.get(canonical):
            return found
        of_url, of_host = self._beginnings
        for form in (comparable, canonical) if of_url else ():
            if (bare := _bare(form)).startswith(of_url):
                return next(line for beginning, line in self._prefixes.items() if bare.startswith(beginning))
        if of_host and (host := _readable_host(canonical)).startswith(of_host):
            return next(line for beginning, line in self._host_prefixes.items() if host.startswith(beginning))
        return ""

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __reduce__(self) -> tuple[type["DenyList"], tuple[list[str]]]:
        return DenyList, (self.lines,)


def read_deny_list(store: Store) -> DenyList:
    """The list that an output honours; empty if it has none."""
    return DenyList(store.read(DENY_LIST).decode().splitlines() if store.exists(DENY_LIST) else ())


def add_to_deny_list(store: Store, lines: Iterable[str]) -> DenyList:
    """What the output denied already and what is denied now; kept with the output."""
    known, wanted = read_deny_list(store), DenyList(lines)
    if idle := [line for line in wanted.lines if not _NAMES_SOMETHING.search(_SCHEME.sub("", line)) or " " in line]:
        logger.warning("%d lines of the deny list name nothing that could be denied, such as %r", len(idle), idle[0])
    deny = DenyList([*known.lines, *wanted.lines])
    if deny.lines != known.lines:
        store.put(DENY_LIST, "".join(f"{line}\n" for line in deny.lines).encode())
    return deny


def _bare(url: str) -> str:
    return _WWW.sub("", url.partition("://")[2].lower())


def _readable_host(url: str) -> str:
    """The host with its port, in letters: what a name begins with is not what its punycode begins with."""
    host, colon, port = _bare(url).partition("/")[0].partition(":")
    return str(ada_url.idna_to_unicode(host)) + colon + port if host.isascii() else host + colon + port


def _with_parents(host: str) -> Iterable[str]:
    labels = host.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))
