"""Requests by way of HTTP proxies: which proxy is asked, for what address, and with whose credentials.

The guard against private addresses holds: a name is looked up and judged here, and a proxy is asked for the address
that was judged (`CONNECT 192.0.2.1:443`). Only for http, which proxies know no other way, it is given the name, and
looks that up itself.
"""

import socket
from collections.abc import Mapping

import aiohttp
import msgspec
from yarl import URL

from crawlers.addresses import GuardedResolver
from crawlers.clock import now
from crawlers.host_patterns import longest_fitting
from crawlers.proxy_settings import ProxySettings
from crawlers.special_addresses import literal_address

_GIVEN_UP_AFTER_S = 60.0
_ASKS_FOR_CREDENTIALS = 407


class ProxyFailed(OSError):
    """A proxy that takes no requests, which is no host's fault."""


class Way(msgspec.Struct, frozen=True):
    """How a request is sent. Without a proxy as it is."""

    target: URL
    proxy: URL | None = None
    headers: dict[str, str] = {}  # of the request
    proxy_headers: dict[str, str] | None = None  # of what opens a tunnel
    server_hostname: str | None = None  # to which its certificate must belong
    address: str = ""  # of the server, where it is known


class Proxies:
    """The proxies of one fetcher. Raises `SettingsError` where credentials are missing."""

    def __init__(self, proxies: Mapping[str, ProxySettings], resolver: GuardedResolver) -> None:
        self._proxies, self._resolver = proxies, resolver
        self._authorizations = {pattern: proxy.authorization() for pattern, proxy in proxies.items()}
        self._failing_since: dict[tuple[str | None, int | None], float] = {}  # by address and port

    async def way(self, target: URL) -> Way:
        """Raises `BlockedAddress`, `OSError` where a name cannot be looked up, and `ProxyFailed` where the proxy's
        cannot."""
        host = target.host or ""
        pattern = longest_fitting(host, self._proxies)
        if pattern is None or not self._proxies[pattern].url:
            return Way(target)
        named = URL(self._proxies[pattern].url)
        proxy = named.with_host(await self._address_of(named.host or ""))
        authorization = self._authorizations[pattern]
        headers = {"Proxy-Authorization": authorization} if authorization else {}
        address, port = await self._judged(host, target.port or 0)
        if target.scheme == "http":
            return Way(target, proxy, headers)
        return Way(
            target.with_host(address).with_port(port),
            proxy,
            {"Host": target.raw_authority if target.explicit_port not in (None, 443) else (target.raw_host or "")},
            headers,
            target.raw_host,
            address,
        )

    async def _judged(self, host: str, port: int) -> tuple[str, int]:
        """An address of a target, all of which are public."""
        if literal := literal_address(host):  # it was judged
            return literal, port
        found = await self._resolver.resolve(host, port, socket.AF_UNSPEC)
        best = min(found, key=lambda one: one["family"] != socket.AF_INET)  # not every proxy has IPv6
        return best["host"], best["port"]

    async def _address_of(self, proxy: str) -> str:
        try:
            return await self._resolver.vouched(proxy)
        except OSError as error:
            raise ProxyFailed(f"the proxy {proxy}: {error}") from error

    def answered(self, way: Way, status: int) -> None:
        """Raises `ProxyFailed` where the proxy, not the server, has answered."""
        if way.proxy is None:
            return
        if status == _ASKS_FOR_CREDENTIALS and way.target.scheme == "http":
            raise ProxyFailed(f"the proxy {way.proxy} asks for other credentials: {status}")
        self._failing_since.pop((way.proxy.host, way.proxy.port), None)

    def failed(self, error: aiohttp.ClientProxyConnectionError) -> None:
        """A proxy took no connection. Raises `ProxyFailed` where that goes on."""
        since = self._failing_since.setdefault((error.host, error.port), now())
        if now() - since > _GIVEN_UP_AFTER_S:
            raise ProxyFailed(f"a proxy has taken no connection for {now() - since:.0f} s: {error}") from error


def without_credentials(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers of a request as they may be kept."""
    return [(name, value) for name, value in headers.items() if not name.lower().startswith("proxy-")]
