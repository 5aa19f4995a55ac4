"""Addresses: resolved as browsers do, and compared by keys that ignore what does not change the resource."""

import functools
import hashlib
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import ada_url

#: Query parameters that say where a reader came from and never what is shown.
TRACKING_PARAMETERS = frozenset(
    "fbclid gclid dclid gbraid wbraid msclkid mc_cid mc_eid igshid yclid twclid _ga _gl ref_src spm".split()
)

_WWW = re.compile(r"^(?:www\.)+")
_INDEXES = ("/index.html", "/index.htm", "/index.php")


def resolve(base: str, reference: str) -> str:
    """The absolute http(s) URL of a reference by the WHATWG URL standard; "" if there is none.

    Host names come out in lower case and punycode, spaces and non-ASCII percent-encoded, the fragment removed.
    """
    try:
        url = str(ada_url.join_url(base, reference.strip()))
    except ValueError:
        return ""
    if not url.startswith(("http://", "https://")):
        return ""
    return url.partition("#")[0]


def canonical_url(url: str) -> str:
    """`url` in the form under which two captures count as the same page.

    The fragment and tracking parameters are removed, the other parameters sorted, the scheme https, a default port,
    a leading `www.` and a trailing slash or index file dropped.
    """
    try:
        parts = urlsplit(url)
        host = _WWW.sub("", parts.hostname or "")
        host = f"[{host}]" if ":" in host else host
        if parts.port not in (None, 80, 443):
            host = f"{host}:{parts.port}"
        # Latin-1 takes every byte there and back: a query in another encoding is not UTF-8.
        pairs = parse_qsl(parts.query, keep_blank_values=True, encoding="latin-1")
        query = urlencode(sorted(pair for pair in pairs if not _is_tracking(pair[0])), encoding="latin-1")
    except ValueError:  # an address that no browser would open
        return url
    return urlunsplit(("https", host, _bare_path(parts.path), query, ""))


def _bare_path(path: str) -> str:
    path = path.rstrip("/")
    while path.endswith(_INDEXES):
        path = path.rpartition("/")[0].rstrip("/")
    return path


def _is_tracking(name: str) -> bool:
    return name in TRACKING_PARAMETERS or name.startswith("utm_")


def media_key(url: str) -> bytes:
    """16 bytes under which a media URL is looked up; http and https are the same, and so are fragments."""
    without_fragment = url.partition("#")[0]
    _, _, rest = without_fragment.partition("://")
    return hashlib.blake2b((rest or without_fragment).encode("utf-8", "surrogatepass"), digest_size=16).digest()


@functools.lru_cache(maxsize=65536)
def registered_domain(host: str) -> str:
    """`news.example.co.uk` -> `example.co.uk`, `ann.github.io` itself, by the public suffix list with its private part;
    the host where no rule applies."""
    return _suffixes()(host).top_domain_under_public_suffix or host


@functools.cache
def _suffixes() -> Any:
    """The snapshot of the public suffix list that ships in the wheel: nothing is fetched."""
    import tldextract  # brings requests, a sixth of a second that who only reads records need not wait

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def host_of(url: str) -> str:
    """The host name in lower case, without port; "" if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
