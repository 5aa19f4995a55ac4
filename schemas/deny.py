"""The list of addresses and domains that must not be used: never fetched, never kept, removed where they are."""

from collections.abc import Iterable

from schemas.storage import Store
from schemas.urls import canonical_url, host_of

#: The list that an output honours, in its root; one entry a line.
DENY_LIST = "deny.txt"


class DenyList:
    """Addresses, and domains with all below them.

    A line is an address (`https://a.example/page`) or a domain (`b.example`); empty lines and lines that start with #
    say nothing. Addresses match by their canonical form, so http, `www.` and tracking parameters do not hide one; a
    line that ends in `*` denies every address that begins so.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._urls: set[str] = set()
        self._domains: set[str] = set()
        self._prefixes: list[str] = []
        self.lines = sorted({line for raw in lines if (line := raw.strip()) and not line.startswith("#")})
        for line in self.lines:
            if "://" not in line:
                self._domains.add(line.lower().strip("."))
            elif line.endswith("*"):
                self._prefixes.append(_bare(line[:-1]))
            else:
                self._urls.add(canonical_url(line))

    def denies(self, url: str) -> bool:
        if not self.lines:
            return False
        return (
            canonical_url(url) in self._urls
            or any(name in self._domains for name in _with_parents(host_of(url)))
            or (bool(self._prefixes) and _bare(url).startswith(tuple(self._prefixes)))
        )

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
    scheme_less = url.partition("://")[2].lower()
    return scheme_less.removeprefix("www.")


def _with_parents(host: str) -> Iterable[str]:
    labels = host.strip(".").split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))
