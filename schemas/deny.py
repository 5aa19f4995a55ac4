"""The list of addresses and domains that must not be used: never fetched, never kept, removed where they are."""

import re
from collections.abc import Iterable

import ada_url

from schemas.domain_lists import entries
from schemas.storage import Store
from schemas.urls import canonical_url, comparable_url, host_named, host_of

#: The list that an output honours, in its root; one entry a line.
DENY_LIST = "deny.txt"

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
    Hosts files, filters of ad blockers and CSV are read, too: see `schemas.domain_lists`.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._urls: set[str] = set()
        self._hosts: set[str] = set()
        self._domains: set[str] = set()
        self._prefixes: tuple[str, ...] = ()
        self._host_prefixes: tuple[str, ...] = ()
        self.lines = sorted({line for line in entries(lines) if line})
        for line in self.lines:
            self._read(line)

    def _read(self, line: str) -> None:
        if "://" not in line and not _SCHEME.match(line):
            if _DOMAIN.fullmatch(line):
                name = host_named(line)
                self._domains.add(name)
                self._hosts.add(_WWW.sub("", name))  # the site of that name, not what may lie below it
                return
            line = f"https:{line}" if line.startswith(("/", "\\")) else f"https://{line}"
            if _PORT_AT_END.search(line):
                line += "/*"
        if not line.endswith("*"):
            self._urls.add(canonical_url(comparable_url(line)))
        elif _HOST_ALONE.fullmatch(beginning := line.rstrip("*")):
            self._host_prefixes += (_WWW.sub("", _SCHEME.sub("", beginning).lower()),)
        else:
            # With a letter behind, so that a beginning such as `/.` is no segment that goes.
            self._prefixes += (_bare(comparable_url(beginning + "x"))[:-1],)

    def denies(self, url: str) -> bool:
        if not self.lines:
            return False
        if self._domains:
            host = host_of(url)
            if host in self._hosts or any(name in self._domains for name in _with_parents(host)):
                return True
        if not self._urls and not self._prefixes and not self._host_prefixes:
            return False
        comparable = comparable_url(url)
        canonical = canonical_url(comparable)
        if canonical in self._urls:
            return True
        if self._prefixes and any(_bare(form).startswith(self._prefixes) for form in (comparable, canonical)):
            return True
        return bool(self._host_prefixes) and _readable_host(canonical).startswith(self._host_prefixes)

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
