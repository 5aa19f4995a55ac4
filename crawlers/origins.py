"""Which server an address leads to: host and port, and origin."""

import functools
from urllib.parse import urlsplit

from schemas.urls import host_of

_LONG = 1000  # characters of an address that is not worth remembering


def host_name(url: str) -> str:
    """Host and port, the port left out where it is the scheme's own."""
    return _host_name(url) if len(url) < _LONG else _host_name.__wrapped__(url)


@functools.lru_cache(maxsize=4096)
def _host_name(url: str) -> str:
    parts, host = urlsplit(url), host_of(url)
    host = f"[{host}]" if ":" in host else host
    standard = {"http": 80, "https": 443}.get(parts.scheme)
    return host if parts.port in (None, standard) else f"{host}:{parts.port}"


def other_scheme(url: str) -> str:
    """The address in https for http and the other way round; "" where a port is written, which speaks one of them."""
    if urlsplit(url).port is not None:
        return ""
    scheme, _, rest = url.partition("://")
    return f"{'http' if scheme == 'https' else 'https'}://{rest}"


def origin(url: str) -> str:
    """Scheme, host and port: what one robots.txt speaks for."""
    return f"{urlsplit(url).scheme}://{host_name(url)}"
