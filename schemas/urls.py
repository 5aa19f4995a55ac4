"""Addresses: resolved as browsers do, and compared by keys that ignore what does not change the resource."""

import codecs
import functools
import hashlib
import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit, urlunsplit

import ada_url

#: Query parameters that say where a reader came from and never what is shown.
TRACKING_PARAMETERS = frozenset(
    "fbclid gclid dclid gbraid wbraid msclkid mc_cid mc_eid igshid yclid twclid _ga _gl ref_src spm".split()
)

_WWW = re.compile(r"^(?:www\.)+")
_INDEXES = ("/index.html", "/index.htm", "/index.php")
# Names whose last label begins with a letter are no spelling of an IPv4 address.
_NAME = r"(?:[a-z0-9_-]+\.)*[a-z_][a-z0-9_-]*"
_ORDINARY_HOST = re.compile(_NAME)
_ORDINARY_PATH = r"/(?:[\w~-][\w.~-]*(?:/[\w~-][\w.~-]*)*/?)?"
_ORDINARY_URL = re.compile(
    rf"https?://{_NAME}{_ORDINARY_PATH}(?:\?[\w.~-]+=[\w.~-]*(?:&[\w.~-]+=[\w.~-]*)*)?", re.ASCII
)
#: What resolving leaves as it is, short of dots for folders: nothing of it is encoded.
_RESOLVED_URL = re.compile(rf"https?://{_NAME}/[\w~./+,=@:;!$&()*-]*(?:\?[\w~./%+,=@:;!$&()*?-]*)?", re.ASCII)

#: Addresses that need no parser: host, and path where there is nothing else.
_PLAIN_HOST = re.compile(rf"https?://({_NAME})(?::[0-9]{{1,5}})?(?=[/?#]|\Z)")
_PLAIN_PATH = re.compile(rf"https?://({_NAME})((?:/[\w.~/-]*)?)", re.ASCII)


_REFERRED = "weft.query"  # the name of an error handler
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_KEPT_IN_QUERY = "!$%&()*+,/:;=?@[\\]^`{|}"  # beside letters and digits: second bytes of characters among them


class PageBase(str):
    """What the references of a page are resolved against. `codec` gives the codec of what is not ASCII in their
    queries, "" for UTF-8; hardly any page needs it."""

    codec: Callable[[], str]


def resolve(base: str, reference: str) -> str:
    """The absolute http(s) URL of a reference by the WHATWG URL standard; "" if there is none.

    Host names come out in lower case and punycode, spaces and non-ASCII percent-encoded, the fragment removed. Queries
    are in the charset of their page where `base` is a `PageBase`, else in UTF-8.
    """
    absolute = reference
    if reference[:1] == "/":
        absolute = (_scheme(base) if reference[1:2] == "/" else _origin(base)) + reference
    if _RESOLVED_URL.fullmatch(absolute) and "/." not in absolute and "xn--" not in absolute:
        return absolute
    if not reference.isascii() and "?" in reference and isinstance(base, PageBase) and (codec := base.codec()):
        reference = _with_encoded_query(reference.strip(), codec)
    try:
        url = str(ada_url.join_url(base, reference.strip()))
    except ValueError:
        return ""
    if not url.startswith(("http://", "https://")):
        return ""
    return url.partition("#")[0]


@functools.lru_cache(maxsize=256)
def _origin(base: str) -> str:
    """What stands before the path of an address; "" if it has no host."""
    try:
        return str(ada_url.join_url(base, "/")).removesuffix("/")
    except ValueError:
        return ""


def _scheme(base: str) -> str:
    return _origin(base).partition("//")[0]


def _with_encoded_query(reference: str, codec: str) -> str:
    """What the charset lacks is written as a reference (`%26%238364%3B`)."""
    address, mark, fragment = reference.partition("#")
    path, question, query = address.partition("?")
    query = _NOT_ASCII.sub(lambda found: quote(found[0].encode(codec, _REFERRED), safe=_KEPT_IN_QUERY), query)
    return path + question + query + mark + fragment


def _as_references(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(f"%26%23{ord(character)}%3B" for character in lacking), error.end


codecs.register_error(_REFERRED, _as_references)


def absolute_url(url: str) -> str:
    """An address that stands for itself, in a list or archive, as `resolve` gives it; "" if it is none of the web."""
    parsed = _as_browsers_do(url)
    return parsed.href.partition("#")[0] if parsed else ""


def canonical_url(url: str) -> str:
    """`url` in the form under which two captures count as the same page.

    The fragment and tracking parameters are removed, the other parameters sorted, the scheme https, a default port,
    a leading `www.`, a dot at the host's end and a trailing slash or index file dropped.
    """
    if plain := _PLAIN_PATH.fullmatch(url):
        return f"https://{_WWW.sub('', plain[1])}{_bare_path(plain[2])}"
    try:
        parts = urlsplit(url)
        host = _WWW.sub("", parts.hostname or "").rstrip(".")
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
    """The host by the WHATWG URL standard, without port: lower case, punycode, IPv4 addresses as four numbers, IPv6
    without brackets, no dot at the end; "" if there is none."""
    if plain := _PLAIN_HOST.match(url):
        return plain[1]
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if "\\" not in url and _ORDINARY_HOST.fullmatch(host):
        return host
    parsed = _as_browsers_do(url)
    return _plain_host(parsed.hostname) if parsed else host.rstrip(".")


@functools.lru_cache(maxsize=4096)
def host_named(name: str) -> str:
    """The host that somebody writes in a list or a setting, in the form of `host_of`: `*.Bücher.example.`, `::1`."""
    name = name.strip().removeprefix("*.").strip("./")
    address = f"[{name}]" if name.count(":") > 1 and "[" not in name else name
    return host_of(f"https://{address}/") or name.lower()


def comparable_url(url: str) -> str:
    """`url` in the form in which rules and addresses are compared: what browsers and servers take for one is one.

    Beyond what a browser does with an address (host names in punycode, IP addresses in any notation, dot segments,
    backslashes, tabs), user, fragment, standard ports, repeated slashes and the host's last dot are gone, and
    percent-encoding is the same throughout. Never a key of something stored: that is `canonical_url`. What no browser
    would open is returned as it is.
    """
    if _ORDINARY_URL.fullmatch(url):
        return url
    parsed = _as_browsers_do(url)
    if not parsed:
        return url.strip()
    host = _plain_host(parsed.hostname)
    host = f"[{host}]" if ":" in host else host
    port = f":{parsed.port}" if parsed.port not in ("", "80", "443") else ""
    segments = [_encoded_once(segment) for segment in parsed.pathname.split("/") if segment]
    path = "/".join(["", *segments, *([""] if parsed.pathname.endswith("/") or not segments else [])])
    query = "&".join(_encoded_field(field) for field in parsed.search[1:].split("&") if field)
    return f"{parsed.protocol}//{host}{port}{path}" + (f"?{query}" if query else "")


def _as_browsers_do(url: str) -> ada_url.URL | None:
    """None for what is no address of the web."""
    try:
        parsed = ada_url.URL(url, "https://none.invalid" if url.lstrip()[:2] in _SCHEMELESS else None)
    except ValueError:
        return None
    return parsed if parsed.protocol in ("http:", "https:") else None


_SCHEMELESS = ("//", "\\\\", "/\\", "\\/")


def _plain_host(host: str) -> str:
    host = host.strip("[]").rstrip(".")
    mapped = ipaddress.IPv6Address(host).ipv4_mapped if ":" in host else None
    return str(mapped or host)


def _encoded_once(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="")


def _encoded_field(field: str) -> str:
    name, equals, value = field.replace("+", " ").partition("=")
    return _encoded_once(name) + equals + _encoded_once(value)
