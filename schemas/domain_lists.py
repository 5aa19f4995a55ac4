"""Lists of domains in the forms in which they are passed around, as lines of a deny list.

Hosts files (`0.0.0.0 ads.example`), filters of ad blockers (`||ads.example^`), and CSV whose first field is a domain or
an address, with or without a head, as lists of opt-outs come.
"""

import re
from collections.abc import Iterable, Iterator

_HOSTS = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|::1?|fe80::1%lo0|255\.255\.255\.255|ff0[0-2]::\w*)[ \t]+(\S.*)")
_LOCAL = frozenset(
    "localhost localhost.localdomain local broadcasthost ip6-localhost ip6-loopback ip6-localnet ip6-mcastprefix "
    "ip6-allnodes ip6-allrouters ip6-allhosts 0.0.0.0".split()
)
_FILTER = re.compile(r"\|\|([^/^$*|,~]+)\^?(?:\$[\w,~=-]*)?")
_NOTE = re.compile(r"\s#.*")  # an address has no space before its fragment
_FIELD = re.compile(r'"([^"]*)"|([^,;\t"]*)')
_DOMAIN = re.compile(r"(?:\*\.)?(?:[\w-]+\.)+[\w-]+", re.IGNORECASE)
_HEADS = frozenset("domain domains url urls host hostname site address".split())


def entries(lines: Iterable[str]) -> Iterator[str]:
    """The entries of a list in any of these forms; what says nothing about a whole domain or address is left out."""
    for raw in lines:
        line = _NOTE.sub("", raw.strip().removeprefix("\ufeff"))
        if not line or line.startswith(("#", "!", "[Adblock", "@@")) or "##" in line or "#@#" in line:
            continue
        if found := _HOSTS.fullmatch(line.partition("#")[0].strip()):
            yield from (name for name in found[1].split() if name not in _LOCAL)
        elif line.startswith("|"):
            if found := _FILTER.fullmatch(line):
                yield found[1]
        elif (entry := _first_field(line)).lower() not in _HEADS:
            yield entry


def _first_field(line: str) -> str:
    """Of CSV, where it is a domain or stands in quotes; else the line, whose commas may be an address's own."""
    found = _FIELD.match(line)
    quoted, bare = found.groups() if found else (None, "")
    if quoted is not None:
        return str(quoted).strip()
    field = (bare or "").strip()
    return field if field != line and _DOMAIN.fullmatch(field) else line
